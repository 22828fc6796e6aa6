#include "node/kit.h"

#include "base/clock.h"
#include "base/file.h"
#include "crypto/passphrase.h"

enum anb_status kit_check(const struct kit_files *files, struct anb_error *err)
{
    const struct {
        const char *path, *option;
    } parts[] = {
        {files->identity_key, "identity-key"},
        {files->encryption_key, "encryption-key"},
        {files->certificate, "certificate"},
        {files->root, "root"},
        {files->roster, "roster"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!parts[i].path || !*parts[i].path)
            return anb_fail(err, ANB_INVALID,
                            "--%s is needed: `anabranch provision` makes a kit for each node, and --config "
                            "KIT/node.yaml gives all of it (docs/provisioning.md)",
                            parts[i].option);
    return ANB_OK;
}

/* Private keys are read into memory that does not move, and is wiped. */
static enum anb_status read_part(const char *path, size_t most, struct buf *out, struct anb_error *err)
{
    buf_init(out, most);
    enum anb_status status = buf_reserve(out, most, err);
    return status == ANB_OK ? file_read(path, out, err) : status;
}

static enum anb_status check_certificate(const struct kit_files *files, struct anb_error *err)
{
    struct buf pem;
    struct certificate *certificate = NULL;
    enum anb_status status = read_part(files->certificate, KEY_FILE_MAX_BYTES, &pem, err);
    if (status == ANB_OK) status = certificate_read_pem(buf_slice(&pem), files->certificate, &certificate, err);
    certificate_free(certificate);
    buf_fini(&pem);
    return status;
}

static enum anb_status read_trust(const struct kit_files *files, struct trust_config *config, struct kit *kit,
                                  struct anb_error *err)
{
    struct buf root = {0}, roster = {0}, identity = {0}, encryption = {0};
    enum anb_status status = read_part(files->root, KEY_FILE_MAX_BYTES, &root, err);
    if (status == ANB_OK) status = read_part(files->roster, ROSTER_MAX_BYTES, &roster, err);
    if (status == ANB_OK) status = read_part(files->identity_key, KEY_FILE_MAX_BYTES, &identity, err);
    if (status == ANB_OK) status = read_part(files->encryption_key, KEY_FILE_MAX_BYTES, &encryption, err);
    config->root = buf_slice(&root);
    config->roster = buf_slice(&roster);
    config->identity_key = buf_slice(&identity);
    config->encryption_key = buf_slice(&encryption);
    if (status == ANB_OK) status = node_trust_open(config, &kit->trust, err);
    buf_fini(&root);
    buf_fini(&roster);
    key_fini_buf(&identity);
    key_fini_buf(&encryption);
    return status;
}

enum anb_status kit_open(const struct kit_files *files, const char *project, const char *name, struct kit *kit,
                         struct anb_error *err)
{
    struct trust_config config = {.project = project, .name = name, .now_s = clock_wall_ms() / 1000};
    *kit = (struct kit){NULL, NULL};
    enum anb_status status = passphrase_read(files->key_passphrase_file, &kit->passphrase, err);
    config.passphrase = kit->passphrase;
    if (status == ANB_OK) status = check_certificate(files, err);
    if (status == ANB_OK) status = read_trust(files, &config, kit, err);
    if (status != ANB_OK) anb_error_prefix(err, "the kit of %s: ", name);
    if (status != ANB_OK) kit_fini(kit);
    return status;
}

void kit_fini(struct kit *kit)
{
    node_trust_free(kit->trust);
    passphrase_free(kit->passphrase);
    *kit = (struct kit){NULL, NULL};
}
