/* Kits: what a node or a user gets, and how it is enrolled. */
#include "base/file.h"
#include "cli/provision.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DAY_S = 86400, HOUR_S = 3600, SETTINGS_CEILING_BYTES = 16384 };

/* -- keys */

enum anb_status provision_keys_make(enum certificate_kind kind, struct provision_keys *keys, struct anb_error *err)
{
    *keys = (struct provision_keys){NULL, NULL};
    enum anb_status status = key_make(&keys->identity, err);
    if (status == ANB_OK && kind == CERTIFICATE_NODE) status = key_make(&keys->encryption, err);
    return status;
}

void provision_keys_fini(struct provision_keys *keys)
{
    key_free(keys->identity);
    key_free(keys->encryption);
    *keys = (struct provision_keys){NULL, NULL};
}

enum anb_status provision_keys_write(const struct provision_keys *keys, const char *folder, const char *passphrase,
                                     struct anb_error *err)
{
    enum anb_status status = provision_write_key(folder, "identity-key.pem", keys->identity, passphrase, err);
    if (status != ANB_OK || !keys->encryption) return status;
    return provision_write_key(folder, "encryption-key.pem", keys->encryption, passphrase, err);
}

/* -- enrol */

static enum anb_status issue(const struct provision *provision, const struct provision_member *member,
                             const struct key *identity, struct certificate **certificate, struct anb_error *err)
{
    const struct certificate_subject subject = {member->kind, provision->project.name, member->name, NULL, 0};
    /* It begins an hour ago: clocks of other machines may be behind. */
    const struct certificate_times times = {provision->now_s - HOUR_S,
                                            provision->now_s + provision->project.valid_days * DAY_S};
    return certificate_issue(provision->root, provision->root_key, &subject, identity, &times, certificate, err);
}

static enum anb_status copy_der(const struct certificate *certificate, struct roster_member *member,
                                struct anb_error *err)
{
    struct buf der;
    buf_init(&der, sizeof member->certificate);
    enum anb_status status = certificate_write_der(certificate, &der, err);
    if (status == ANB_OK) {
        memcpy(member->certificate, der.data, der.size);
        member->certificate_bytes = der.size;
    }
    buf_fini(&der);
    return status;
}

enum anb_status provision_enrol(struct provision *provision, const struct provision_member *member,
                                const struct provision_keys *keys, struct anb_error *err)
{
    struct certificate *certificate = NULL;
    struct roster_member entry = {.kind = member->kind, .roles = member->roles};
    snprintf(entry.name, sizeof entry.name, "%s", member->name);
    enum anb_status status = issue(provision, member, keys->identity, &certificate, err);
    if (status == ANB_OK) status = copy_der(certificate, &entry, err);
    if (status == ANB_OK && keys->encryption) status = key_point(keys->encryption, &entry.encryption_key, err);
    if (status == ANB_OK) status = roster_put(provision->roster, &entry, err);
    certificate_free(certificate);
    return status;
}

/* -- the folder */

static const char *program_of(const struct roster_member *member)
{
    if (roster_has_role(member, ROSTER_SERVER)) return "anabranch-server";
    return roster_has_role(member, ROSTER_SITE) ? "anabranch-client" : "anabranch-aggregator";
}

/* node.yaml, which the node's program reads with --config. */
static enum anb_status append_settings(const struct provision *provision, const struct roster_member *member,
                                       bool encrypted, struct buf *out, struct anb_error *err)
{
    const char *program = program_of(member);
    enum anb_status status = buf_printf(out, err, "# %s --config node.yaml\nproject: %s\nname: %s\n", program,
                                        provision->project.name, member->name);
    if (status == ANB_OK) status = buf_append_text(out, "bootstrap-servers: ", err);
    if (status == ANB_OK) status = provision_bootstrap(&provision->project, out, err);
    if (status == ANB_OK)
        status =
            buf_printf(out, err, "\nbroker-protocol: %s\npartitions: %lld\n%s",
                       provision->project.broker_tls ? "tls" : "plaintext", (long long)provision->project.partitions,
                       strcmp(program, "anabranch-aggregator") == 0 ? "" : "data-folder: data\n");
    if (status == ANB_OK)
        status = buf_append_text(out,
                                 "identity-key: identity-key.pem\nencryption-key: encryption-key.pem\n"
                                 "certificate: certificate.pem\nroot: root.pem\nroster: roster\n",
                                 err);
    if (status == ANB_OK && roster_has_role(member, ROSTER_SERVER))
        status = buf_append_text(out, "rest-certificate: rest-certificate.pem\nrest-key: rest-key.pem\n", err);
    if (status == ANB_OK && roster_has_role(member, ROSTER_SITE))
        status = buf_append_text(out, "policy: policy.yaml\n", err);
    if (status == ANB_OK && encrypted)
        status = buf_append_text(out,
                                 "# The keys are encrypted: write here which file has the passphrase.\n"
                                 "# key-passphrase-file: FILE\n",
                                 err);
    return status;
}

static enum anb_status write_settings(const struct provision *provision, const struct roster_member *member,
                                      bool encrypted, const char *folder, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, SETTINGS_CEILING_BYTES);
    enum anb_status status = append_settings(provision, member, encrypted, &text, err);
    if (status == ANB_OK) status = provision_write(folder, "node.yaml", buf_slice(&text), err);
    buf_fini(&text);
    return status;
}

/* user.yaml: whose kit it is, for `anabranch job submit`. */
static enum anb_status write_user(const struct provision *provision, const struct roster_member *member,
                                  const char *folder, struct anb_error *err)
{
    char text[2 * NAME_MAX_BYTES + 64];
    snprintf(text, sizeof text, "project: %s\nname: %s\n", provision->project.name, member->name);
    return provision_write(folder, "user.yaml", slice_of_text(text), err);
}

static enum anb_status copy_roster(const struct provision *provision, const char *folder, struct anb_error *err)
{
    struct buf text;
    char path[PROVISION_PATH_BYTES];
    buf_init(&text, ROSTER_MAX_BYTES);
    enum anb_status status = provision_path(provision->folder, "roster", path, err);
    if (status == ANB_OK) status = file_read(path, &text, err);
    if (status == ANB_OK) status = provision_write(folder, "roster", buf_slice(&text), err);
    buf_fini(&text);
    return status;
}

static enum anb_status write_certificates(const struct provision *provision, const struct roster_member *member,
                                          const char *folder, struct anb_error *err)
{
    struct certificate *certificate = NULL;
    enum anb_status status =
        roster_certificate(provision->roster, member, provision->root, provision->now_s, &certificate, err);
    if (status == ANB_OK) status = provision_write_certificate(folder, "certificate.pem", certificate, err);
    if (status == ANB_OK) status = provision_write_certificate(folder, "root.pem", provision->root, err);
    certificate_free(certificate);
    return status;
}

enum anb_status provision_kit_write(const struct provision *provision, const char *name,
                                    const struct provision_keys *keys, const char *passphrase, const char *path,
                                    struct anb_error *err)
{
    char beside[PROVISION_PATH_BYTES];
    const struct roster_member *member = roster_find_any(provision->roster, name);
    if (!member) return anb_fail(err, ANB_NOT_FOUND, "%s is not in the roster", name);
    enum anb_status status = provision_folder_begin(path, beside, err);
    if (status != ANB_OK) return status;
    status = write_certificates(provision, member, beside, err);
    if (status == ANB_OK) status = copy_roster(provision, beside, err);
    if (status == ANB_OK && member->kind == CERTIFICATE_NODE)
        status = write_settings(provision, member, passphrase != NULL, beside, err);
    if (status == ANB_OK && roster_has_role(member, ROSTER_SITE)) status = provision_policy_write(beside, err);
    if (status == ANB_OK && member->kind == CERTIFICATE_USER) status = write_user(provision, member, beside, err);
    if (status == ANB_OK && keys) status = provision_keys_write(keys, beside, passphrase, err);
    if (status == ANB_OK && keys && roster_has_role(member, ROSTER_SERVER))
        status = provision_rest_write(provision, name, passphrase, beside, err);
    return provision_folder_finish(beside, path, status, err);
}

static enum anb_status choose_path(const struct provision *provision, const char *name, char path[PROVISION_PATH_BYTES],
                                   struct anb_error *err)
{
    char part[NAME_MAX_BYTES + 48];
    snprintf(part, sizeof part, "kits/%s", name);
    enum anb_status status = provision_path(provision->folder, part, path, err);
    if (status != ANB_OK || access(path, F_OK) != 0) return status;
    snprintf(part, sizeof part, "kits/%s.%lld", name, (long long)provision->roster->version);
    return provision_path(provision->folder, part, path, err);
}

enum anb_status provision_hand_out(struct provision *provision, const char *name, const struct provision_keys *keys,
                                   const char *passphrase, struct anb_error *err)
{
    char path[PROVISION_PATH_BYTES];
    enum anb_status status = provision_publish(provision, err);
    if (status == ANB_OK) status = choose_path(provision, name, path, err);
    if (status == ANB_OK) status = provision_kit_write(provision, name, keys, passphrase, path, err);
    if (status == ANB_OK)
        printf("roster version %lld: %s is in %s\n", (long long)provision->roster->version, name, path);
    return status;
}
