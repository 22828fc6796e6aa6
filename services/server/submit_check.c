#include "server/submit_private.h"

#include "base/file.h"
#include "bundle/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static const struct bundle_limits bundle_limits = {BUNDLE_MAX_FILES, BUNDLE_MAX_BYTES};

static enum anb_status rewind_fd(int fd, struct anb_error *err)
{
    return lseek(fd, 0, SEEK_SET) == 0 ? ANB_OK : anb_fail_errno(err, errno, "cannot read the bundle again");
}

/* The job file is job.yaml or job.json at the top; every member of the archive is looked at on the way. */
static enum anb_status read_spec(int fd, struct checked *checked, struct anb_error *err)
{
    static const char *const names[] = {"job.yaml", "job.json"};
    struct buf text;
    enum anb_status status = ANB_NOT_FOUND;
    buf_init(&text, JOB_FILE_MAX_BYTES);
    for (size_t i = 0; i < 2 && status == ANB_NOT_FOUND; i++) {
        buf_clear(&text);
        status = rewind_fd(fd, err);
        if (status == ANB_OK) status = bundle_read(fd, &bundle_limits, names[i], &text, err);
        if (status == ANB_OK) status = job_spec_parse(buf_slice(&text), names[i], &checked->spec, err);
    }
    buf_fini(&text);
    if (status == ANB_NOT_FOUND)
        return anb_fail(err, ANB_INVALID, "the job folder has neither job.yaml nor job.json at its top");
    return status;
}

static enum anb_status unpack_and_open(const struct upload *upload, const char *folder, const char *name, int *fd,
                                       struct anb_error *err)
{
    char path[PATH_BYTES];
    enum anb_status status = rewind_fd(upload->bundle.fd, err);
    if (status == ANB_OK) status = bundle_unpack(upload->bundle.fd, &bundle_limits, folder, err);
    if (status != ANB_OK) return status;
    if (strstr(name, "..") || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return anb_fail(err, ANB_INVALID, "model \"%.64s\" must be a file of the job folder", name);
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return anb_fail(err, ANB_INVALID, "model %.200s is not in the job folder, and no part \"model\" came", name);
    return ANB_OK;
}

/* The descriptor outlives the folder. */
static enum anb_status open_bundled_model(const struct upload *upload, const char *incoming, const char *name, int *fd,
                                          struct anb_error *err)
{
    char folder[PATH_BYTES];
    if (snprintf(folder, sizeof folder, "%s/unpack-XXXXXX", incoming) >= (int)sizeof folder)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", incoming);
    if (!mkdtemp(folder)) return anb_fail_errno(err, errno, "cannot make a folder in %s", incoming);
    enum anb_status status = unpack_and_open(upload, folder, name, fd, err);
    file_remove_folder(folder, NULL);
    return status;
}

static enum anb_status open_model(const struct upload *upload, const char *incoming, int64_t limit_bytes,
                                  struct checked *checked, struct anb_error *err)
{
    struct stat file;
    const char *name = checked->spec->model;
    enum anb_status status = ANB_OK;
    checked->model_fd = upload->model.fd;
    if (upload->model.fd < 0 && !name)
        return anb_fail(err, ANB_INVALID,
                        "the job has no initial model: give one, or name a file of the job folder "
                        "under \"model\"");
    if (upload->model.fd < 0) {
        status = open_bundled_model(upload, incoming, name, &checked->model_fd, err);
        checked->owns_model_fd = status == ANB_OK;
    }
    if (status == ANB_OK && limit_bytes && fstat(checked->model_fd, &file) == 0 && file.st_size > limit_bytes)
        status = upload_model_too_large(limit_bytes, err);
    if (status != ANB_OK) return status;
    status = safetensors_open(checked->model_fd, name ? name : "model", &checked->model, err);
    if (status != ANB_TOO_LARGE) return status;
    if (err) err->status = ANB_INVALID; /* its header is: the file is none that we could take on another broker */
    return ANB_INVALID;
}

enum anb_status submission_check(const struct upload *upload, const struct submit_rules *rules, struct checked *checked,
                                 struct anb_error *err)
{
    *checked = (struct checked){.model_fd = -1};
    enum anb_status status = read_spec(upload->bundle.fd, checked, err);
    if (status == ANB_OK) status = open_model(upload, rules->incoming, rules->model_limit_bytes, checked, err);
    if (status == ANB_OK) status = submission_check_manifest(upload, rules, checked, err);
    if (status != ANB_OK) checked_fini(checked);
    return status;
}

void checked_fini(struct checked *checked)
{
    manifest_free(checked->manifest);
    if (checked->spec) job_spec_free(checked->spec);
    if (checked->bundle_layout) layout_free(checked->bundle_layout);
    if (checked->model.layout) safetensors_fini(&checked->model);
    if (checked->owns_model_fd) close(checked->model_fd);
    *checked = (struct checked){.model_fd = -1};
}
