/* A site that makes its own keys: they stay in its folder, and the request that leaves it holds their public halves. */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/provision.h"
#include "crypto/base64.h"
#include "crypto/digest.h"

#include <stdio.h>
#include <string.h>

enum { REQUEST_CEILING_BYTES = 16384 };

struct settings {
    char *project, *roles, *folder, *passphrase_file;
};

static const struct option_entry entries[] = {
    OPTION_TEXT_ENTRY(struct settings, project, "project", NULL, "the project that is to be joined"),
    OPTION_TEXT_ENTRY(
        struct settings, roles, "roles", "site",
        "for a node server, aggregator, site (more than one: with commas); for a user admin, lead or member"),
    OPTION_OPTIONAL_ENTRY(struct settings, folder, "folder", "where the keys stay, made anew; else named as the node"),
    OPTION_OPTIONAL_ENTRY(struct settings, passphrase_file, "passphrase-file",
                          "encrypt the keys with the first line of this file"),
};

/* -- write */

static enum anb_status set_base64(struct doc *map, const char *key, struct slice bytes, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, REQUEST_CEILING_BYTES);
    enum anb_status status = base64_encode(bytes, &text, err);
    if (status == ANB_OK) doc_set_text(map, key, buf_text(&text));
    buf_fini(&text);
    return status;
}

static enum anb_status set_keys(struct doc *map, const struct provision_request *request, struct anb_error *err)
{
    struct buf der;
    struct key_point point;
    const struct certificate_subject subject = {request->member.kind, request->project, request->member.name, NULL, 0};
    buf_init(&der, CERTIFICATE_MAX_BYTES);
    enum anb_status status = certificate_request_make(request->keys.identity, &subject, &der, err);
    if (status == ANB_OK) status = set_base64(map, "certificate_request", buf_slice(&der), err);
    buf_fini(&der);
    if (status != ANB_OK || !request->keys.encryption) return status;
    status = key_point(request->keys.encryption, &point, err);
    return status == ANB_OK ? set_base64(map, "encryption_key", slice_of(point.bytes, sizeof point.bytes), err)
                            : status;
}

static enum anb_status write_request(const struct provision_request *request, const char *roles, struct buf *out,
                                     struct anb_error *err)
{
    struct doc *map = doc_new_map();
    doc_set_text(map, "project", request->project);
    doc_set_text(map, "name", request->member.name);
    doc_set_text(map, "roles", roles);
    enum anb_status status = set_keys(map, request, err);
    if (status == ANB_OK) status = doc_write_json(map, true, out, err);
    if (status == ANB_OK) status = buf_append_text(out, "\n", err);
    doc_free(map);
    return status;
}

/* -- read */

static enum anb_status get_base64(const struct doc *map, const char *key, struct buf *out, struct anb_error *err)
{
    enum anb_status status = base64_decode(slice_of_text(doc_text(doc_get(map, key), "")), out, err);
    if (status != ANB_OK) anb_error_prefix(err, "request: %s: ", key);
    return status;
}

static enum anb_status read_encryption_key(const struct doc *map, struct key **key, struct anb_error *err)
{
    struct buf bytes;
    struct key_point point;
    buf_init(&bytes, REQUEST_CEILING_BYTES);
    enum anb_status status = get_base64(map, "encryption_key", &bytes, err);
    if (status == ANB_OK && bytes.size != sizeof point.bytes)
        status = anb_fail(err, ANB_CORRUPT, "request: its encryption key is none");
    if (status == ANB_OK) {
        memcpy(point.bytes, bytes.data, sizeof point.bytes);
        status = key_of_point(&point, key, err);
    }
    buf_fini(&bytes);
    return status;
}

static enum anb_status read_identity(const struct doc *map, const struct provision_request *request, struct key **key,
                                     struct anb_error *err)
{
    struct buf der;
    const struct certificate_subject subject = {request->member.kind, request->project, request->member.name, NULL, 0};
    buf_init(&der, REQUEST_CEILING_BYTES);
    enum anb_status status = get_base64(map, "certificate_request", &der, err);
    if (status == ANB_OK) status = certificate_request_read(buf_slice(&der), &subject, key, err);
    buf_fini(&der);
    return status;
}

static enum anb_status read_names(const struct doc *map, struct provision_request *request, struct anb_error *err)
{
    const char *project = doc_text(doc_get(map, "project"), ""), *name = doc_text(doc_get(map, "name"), "");
    enum anb_status status = name_check("project", project, err);
    if (status == ANB_OK) status = name_check("name", name, err);
    if (status != ANB_OK) return status;
    snprintf(request->project, sizeof request->project, "%s", project);
    snprintf(request->member.name, sizeof request->member.name, "%s", name);
    return provision_roles_parse(doc_text(doc_get(map, "roles"), ""), &request->member.kind, &request->member.roles,
                                 err);
}

enum anb_status provision_request_parse(struct slice text, struct provision_request *request, struct anb_error *err)
{
    struct doc *map = NULL;
    struct provision_request read = {.project = ""};
    enum anb_status status = doc_parse_json(text, "request", &map, err);
    if (status == ANB_OK) status = read_names(map, &read, err);
    if (status == ANB_OK) status = read_identity(map, &read, &read.keys.identity, err);
    if (status == ANB_OK && read.member.kind == CERTIFICATE_NODE)
        status = read_encryption_key(map, &read.keys.encryption, err);
    if (status == ANB_OK)
        *request = read;
    else
        provision_keys_fini(&read.keys);
    doc_free(map);
    return status;
}

/* -- the verb */

static enum anb_status fill(const char *folder, const struct provision_request *request,
                            const struct settings *settings, struct digest *fingerprint, struct anb_error *err)
{
    struct buf text;
    char *passphrase = NULL;
    buf_init(&text, REQUEST_CEILING_BYTES);
    enum anb_status status = passphrase_read(settings->passphrase_file, &passphrase, err);
    if (status == ANB_OK) status = provision_keys_write(&request->keys, folder, passphrase, err);
    if (status == ANB_OK) status = write_request(request, settings->roles, &text, err);
    if (status == ANB_OK) status = provision_write(folder, "request.json", buf_slice(&text), err);
    if (status == ANB_OK) status = digest_of(buf_slice(&text), fingerprint, err);
    passphrase_free(passphrase);
    buf_fini(&text);
    return status;
}

static void print_result(const char *folder, const struct digest *fingerprint)
{
    char text[DIGEST_TEXT_BYTES];
    printf("%s/request.json\nfingerprint %s\n", folder, digest_text(fingerprint, text));
    fflush(stdout);
    fprintf(stderr,
            "next: send request.json to who keeps the project, and tell the fingerprint over another way, a call; the "
            "keys beside it stay here\n");
}

static enum anb_status make_request(const struct provision_request *request, const struct settings *settings,
                                    struct anb_error *err)
{
    char beside[PROVISION_PATH_BYTES];
    struct digest fingerprint;
    const char *folder = settings->folder ? settings->folder : request->member.name;
    enum anb_status status = provision_folder_begin(folder, beside, err);
    if (status != ANB_OK) return status;
    status = fill(beside, request, settings, &fingerprint, err);
    status = provision_folder_finish(beside, folder, status, err);
    if (status == ANB_OK) print_result(folder, &fingerprint);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct provision_request request = {.project = ""};
    enum anb_status status = name_check("project", settings->project, err);
    if (status == ANB_OK) status = name_check("name", operands[0], err);
    if (status == ANB_OK)
        status = provision_roles_parse(settings->roles, &request.member.kind, &request.member.roles, err);
    if (status != ANB_OK) return status;
    snprintf(request.project, sizeof request.project, "%s", settings->project);
    snprintf(request.member.name, sizeof request.member.name, "%s", operands[0]);
    status = provision_keys_make(request.member.kind, &request.keys, err);
    if (status == ANB_OK) status = make_request(&request, settings, err);
    provision_keys_fini(&request.keys);
    return status;
}

static const struct option_table options = CLI_OPTIONS(
    "provision request", "NAME", "make keys that stay here, and a request to join a project with them", entries);
const struct cli_verb verb_provision_request = {&options, sizeof(struct settings), 1, run};
