/* A submission against what its submitter has signed. */
#include "base/clock.h"
#include "base/file.h"
#include "server/submit_private.h"

#include <unistd.h>

static const struct bundle_limits bundle_limits = {BUNDLE_MAX_FILES, BUNDLE_MAX_BYTES};

static enum anb_status read_part(const struct upload_file *file, struct buf *text, struct anb_error *err)
{
    enum anb_status status = buf_reserve(text, (size_t)file->bytes, err);
    if (status != ANB_OK) return status;
    ssize_t got = pread(file->fd, text->data, (size_t)file->bytes, 0);
    if (got != file->bytes) return anb_fail(err, ANB_IO, "cannot read the manifest again");
    text->size = (size_t)got;
    return ANB_OK;
}

/* The signature is over the digest of the body. */
static enum anb_status check_signature(const struct submit_rules *rules, struct slice body, struct checked *checked,
                                       struct anb_error *err)
{
    enum anb_status status = digest_of(body, &checked->manifest_digest, err);
    if (status != ANB_OK) return status;
    return node_trust_verify(rules->trust, rules->user, MANIFEST_PURPOSE,
                             slice_of(checked->manifest_digest.bytes, DIGEST_BYTES), &checked->signature,
                             clock_wall_ms() / 1000, NULL, err);
}

static enum anb_status check_model(const struct manifest_model *signed_model, const struct checked *checked,
                                   struct anb_error *err)
{
    struct digest data;
    int64_t bytes = layout_data_bytes(checked->model.layout);
    enum anb_status status = digest_of_file(checked->model_fd, checked->model.data_offset, bytes, &data, err);
    if (status != ANB_OK) return status;
    bool same = bytes == signed_model->bytes && digest_equal(&data, &signed_model->data) &&
                digest_equal(layout_digest(checked->model.layout), &signed_model->layout);
    return same ? ANB_OK : anb_fail(err, ANB_CORRUPT, "the model is not the one that was signed");
}

/* The body stays in `body`, which lives as long as the text it points into. */
static enum anb_status read_manifest(const struct upload *upload, struct buf *text, struct slice *body,
                                     struct checked *checked, struct anb_error *err)
{
    enum anb_status status = read_part(&upload->manifest, text, err);
    if (status == ANB_OK) status = signature_split(buf_slice(text), "a manifest", body, &checked->signature, err);
    return status == ANB_OK ? manifest_read(*body, &checked->manifest, err) : status;
}

static enum anb_status check_claims(const struct submit_rules *rules, const struct upload *upload,
                                    const struct checked *checked, struct anb_error *err)
{
    const struct manifest *manifest = checked->manifest;
    const char *request = *upload->request ? upload->request : manifest->request;
    enum anb_status status =
        manifest_check(manifest, node_trust_project(rules->trust), request, rules->user, clock_wall_ms() / 1000, err);
    if (status == ANB_OK)
        status = manifest_check_archive(manifest, upload->bundle.fd, upload->bundle.bytes, &bundle_limits, err);
    return status == ANB_OK ? check_model(&manifest->model, checked, err) : status;
}

/* The text travels behind the archive, in the same file and the same stream. */
static enum anb_status append_body(const struct upload *upload, struct slice body, struct checked *checked,
                                   struct anb_error *err)
{
    const struct layout_part parts[] = {{"bundle", upload->bundle.bytes}, {"manifest", (int64_t)body.size}};
    enum anb_status status = file_write_all(upload->bundle.fd, body.data, body.size, upload->bundle.bytes, err);
    return status == ANB_OK ? layout_of_bytes(parts, 2, &checked->bundle_layout, err) : status;
}

enum anb_status submission_check_manifest(const struct upload *upload, const struct submit_rules *rules,
                                          struct checked *checked, struct anb_error *err)
{
    struct buf text;
    struct slice body;
    buf_init(&text, SIGNED_MANIFEST_MAX_BYTES);
    enum anb_status status = read_manifest(upload, &text, &body, checked, err);
    if (status == ANB_OK) status = check_claims(rules, upload, checked, err);
    if (status == ANB_OK) status = check_signature(rules, body, checked, err);
    if (status == ANB_OK) status = append_body(upload, body, checked, err);
    buf_fini(&text);
    if (status != ANB_DENIED) return status;
    anb_error_prefix(err, "the job is not signed as it must be: ");
    if (err) err->status = ANB_INVALID; /* the request is wrong, whoever makes it */
    return ANB_INVALID;
}
