#include "server/upload.h"

#include "base/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void upload_init(struct upload *upload)
{
    *upload = (struct upload){.bundle = {.fd = -1}, .manifest = {.fd = -1}, .model = {.fd = -1}};
}

void upload_fini(struct upload *upload)
{
    if (upload->bundle.fd >= 0) close(upload->bundle.fd);
    if (upload->manifest.fd >= 0) close(upload->manifest.fd);
    if (upload->model.fd >= 0) close(upload->model.fd);
    upload_init(upload);
}

static enum anb_status open_unnamed(const char *folder, int *fd, struct anb_error *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/part-XXXXXX", folder) >= (int)sizeof path)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", folder);
    *fd = mkostemp(path, O_CLOEXEC);
    if (*fd < 0) return anb_fail_errno(err, errno, "cannot create a file in %s", folder);
    unlink(path);
    return ANB_OK;
}

enum anb_status upload_model_too_large(int64_t limit_bytes, struct anb_error *err)
{
    return anb_fail(
        err, ANB_TOO_LARGE,
        "the model is larger than the %lld MiB that this server takes (--max-model-mib; the embedded broker "
        "holds no more): run the federation on Kafka with `anabranch dev up --bootstrap-servers HOST:PORT`",
        (long long)(limit_bytes >> 20));
}

static enum anb_status put_bytes(struct upload_file *file, const char *folder, const char *name, int64_t offset,
                                 const void *data, size_t size, struct anb_error *err)
{
    if (offset != file->bytes) return anb_fail(err, ANB_INVALID, "part \"%s\" stands twice", name);
    enum anb_status status = file->fd < 0 ? open_unnamed(folder, &file->fd, err) : ANB_OK;
    if (status == ANB_OK) status = file_write_all(file->fd, data, size, offset, err);
    if (status == ANB_OK)
        file->bytes += (int64_t)size;
    else
        anb_error_prefix(err, "part \"%s\" in %s: ", name, folder);
    return status;
}

static enum anb_status put_request(struct upload *upload, int64_t offset, const void *data, size_t size,
                                   struct anb_error *err)
{
    if (offset != (int64_t)upload->request_bytes || upload->request_bytes + size >= sizeof upload->request)
        return anb_fail(err, ANB_INVALID, "part \"request\" must stand once and have 1..%d bytes",
                        REQUEST_WORD_BYTES - 1);
    if (size) memcpy(upload->request + offset, data, size);
    upload->request_bytes += size;
    return ANB_OK;
}

enum anb_status upload_put(struct upload *upload, const char *folder, const struct upload_limits *limits,
                           const char *name, int64_t offset, const void *data, size_t size, struct anb_error *err)
{
    int64_t end = offset + (int64_t)size;
    if (strcmp(name, "bundle") == 0) {
        if (end > limits->bundle_bytes)
            return anb_fail(err, ANB_TOO_LARGE, "the bundle is larger than %lld MiB: leave data out of the job folder",
                            (long long)(limits->bundle_bytes >> 20));
        return put_bytes(&upload->bundle, folder, name, offset, data, size, err);
    }
    if (strcmp(name, "manifest") == 0) {
        if (end > limits->manifest_bytes)
            return anb_fail(err, ANB_TOO_LARGE, "the manifest is larger than %lld KiB",
                            (long long)(limits->manifest_bytes >> 10));
        return put_bytes(&upload->manifest, folder, name, offset, data, size, err);
    }
    if (strcmp(name, "model") == 0) {
        if (limits->model_bytes && end > limits->model_bytes) return upload_model_too_large(limits->model_bytes, err);
        return put_bytes(&upload->model, folder, name, offset, data, size, err);
    }
    if (strcmp(name, "request") == 0) return put_request(upload, offset, data, size, err);
    return anb_fail(err, ANB_INVALID, "unknown part \"%.64s\": known are bundle, manifest, model, request", name);
}

static bool is_request_word(const char *word, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)word[i]) && (!word[i] || !strchr("._-", word[i]))) return false;
    return true;
}

enum anb_status upload_finish(struct upload *upload, struct anb_error *err)
{
    if (upload->bundle.fd < 0) return anb_fail(err, ANB_INVALID, "part \"bundle\" is missing: the job folder as a tar");
    if (upload->manifest.fd < 0)
        return anb_fail(
            err, ANB_INVALID,
            "part \"manifest\" is missing: a job is signed by its submitter (anabranch job submit does it)");
    if (!is_request_word(upload->request, upload->request_bytes))
        return anb_fail(err, ANB_INVALID, "a request id has letters, digits, dots, underscores and hyphens only");
    return ANB_OK;
}
