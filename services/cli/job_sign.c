#include "cli/job_sign.h"

#include "base/clock.h"
#include "base/file.h"
#include "bundle/manifest.h"
#include "cli/provision.h"
#include "crypto/passphrase.h"
#include "tensor/safetensors.h"

#include <string.h>

enum { USER_FILE_BYTES = 4096 };

/* Who the kit is for: user.yaml says it. */
static enum anb_status read_user(const char *kit, struct doc **user, struct anb_error *err)
{
    char path[PROVISION_PATH_BYTES];
    struct buf text;
    buf_init(&text, USER_FILE_BYTES);
    enum anb_status status = provision_path(kit, "user.yaml", path, err);
    if (status == ANB_OK) status = file_read(path, &text, err);
    if (status == ANB_OK) status = doc_parse_yaml(buf_slice(&text), path, user, err);
    if (status == ANB_NOT_FOUND)
        status =
            anb_fail(err, ANB_NOT_FOUND, "%s is no user's kit, as anabranch provision makes them: no user.yaml", kit);
    buf_fini(&text);
    return status;
}

static enum anb_status read_key(const struct job_signer *signer, struct key **key, struct anb_error *err)
{
    char path[PROVISION_PATH_BYTES], *passphrase = NULL;
    struct buf pem;
    buf_init(&pem, KEY_FILE_MAX_BYTES);
    enum anb_status status = provision_path(signer->kit, "identity-key.pem", path, err);
    if (status == ANB_OK) status = passphrase_read(signer->passphrase_file, &passphrase, err);
    if (status == ANB_OK) status = buf_reserve(&pem, KEY_FILE_MAX_BYTES, err);
    if (status == ANB_OK) status = file_read(path, &pem, err);
    if (status == ANB_OK) status = key_read_pem(buf_slice(&pem), path, passphrase, key, err);
    passphrase_free(passphrase);
    key_fini_buf(&pem);
    return status;
}

static enum anb_status take_model(struct manifest *manifest, const struct job_folder *folder, struct anb_error *err)
{
    struct safetensors file = {0};
    struct manifest_model *model = &manifest->model;
    enum anb_status status = safetensors_open(folder->model_fd, folder->model_path, &file, err);
    if (status != ANB_OK) return status;
    model->layout = *layout_digest(file.layout);
    model->bytes = layout_data_bytes(file.layout);
    status = digest_of_file(folder->model_fd, file.data_offset, model->bytes, &model->data, err);
    safetensors_fini(&file);
    return status;
}

static enum anb_status make(const struct job_folder *folder, const struct doc *user, const char *request,
                            struct manifest **out, struct anb_error *err)
{
    enum anb_status status =
        manifest_new(doc_text(doc_get(user, "project"), ""), doc_text(doc_get(user, "name"), ""), request, out, err);
    if (status != ANB_OK) return status;
    (*out)->signed_s = clock_wall_ms() / 1000;
    (*out)->expires_s = (*out)->signed_s + MANIFEST_VALID_S;
    status = take_model(*out, folder, err);
    return status == ANB_OK ? manifest_take_archive(*out, folder->archive_fd, folder->archive_bytes, err) : status;
}

enum anb_status job_sign(const struct job_folder *folder, const struct job_signer *signer, const char *request,
                         struct buf *out, struct anb_error *err)
{
    struct doc *user = NULL;
    struct key *key = NULL;
    struct manifest *manifest = NULL;
    enum anb_status status = read_user(signer->kit, &user, err);
    if (status == ANB_OK) status = read_key(signer, &key, err);
    if (status == ANB_OK) status = make(folder, user, request, &manifest, err);
    if (status == ANB_OK) status = manifest_sign(manifest, key, out, err);
    if (status != ANB_OK) anb_error_prefix(err, "the job cannot be signed: ");
    manifest_free(manifest);
    key_free(key);
    doc_free(user);
    return status;
}
