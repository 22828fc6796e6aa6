/* Who belongs to a federation on this machine: a project made by the code of `anabranch provision`, in
 * FOLDER/project. One that is there already is used again, and gets the members that it lacks.
 *
 * The root's key lies there without a passphrase, so that the project can grow: who can read this user's files can do
 * all that this user can. */
#include "base/file.h"
#include "cli/dev.h"
#include "cli/provision.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_CEILING_BYTES = 65536 };

static enum anb_status write_brokers(const char *bootstrap_servers, struct buf *out, struct anb_error *err)
{
    enum anb_status status = buf_append_text(out, "brokers: [", err);
    for (const char *at = bootstrap_servers; *at && status == ANB_OK;) {
        size_t length = strcspn(at, ",");
        status = buf_printf(out, err, "%s\"%.*s\"", at == bootstrap_servers ? "" : ", ", (int)length, at);
        at += length + (at[length] == ',');
    }
    return status == ANB_OK ? buf_append_text(out, "]\nnodes:\n  - {name: server, roles: [server]}\n", err) : status;
}

static enum anb_status write_nodes(const char *role, int64_t count, struct buf *out, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (int64_t i = 1; i <= count && status == ANB_OK; i++)
        status = buf_printf(out, err, "  - {name: %s-%lld, roles: [%s]}\n", role, (long long)i, role);
    return status;
}

static enum anb_status write_file(const struct dev_state *state, int64_t sites, int64_t aggregators, struct buf *out,
                                  struct anb_error *err)
{
    enum anb_status status = buf_printf(out, err, "project: %s\nbroker_protocol: plaintext\n", state->project);
    if (status == ANB_OK) status = write_brokers(state->bootstrap_servers, out, err);
    if (status == ANB_OK) status = write_nodes("aggregator", aggregators, out, err);
    if (status == ANB_OK) status = write_nodes("site", sites, out, err);
    if (status == ANB_OK) status = buf_printf(out, err, "users:\n  - {name: %s, role: admin}\n", DEV_USER);
    return status;
}

static enum anb_status create(const char *folder, struct slice text, struct anb_error *err)
{
    struct provision provision;
    const struct provision_wish wish = {.folder = folder};
    enum anb_status status = provision_create(text, "project.yaml", &wish, &provision, err);
    provision_close(&provision);
    return status;
}

static enum anb_status add_member(struct provision *provision, const struct provision_member *member,
                                  struct anb_error *err)
{
    char part[NAME_MAX_BYTES + 16], path[PROVISION_PATH_BYTES];
    struct provision_keys keys = {NULL, NULL};
    snprintf(part, sizeof part, "kits/%s", member->name);
    enum anb_status status = provision_path(provision->folder, part, path, err);
    if (status == ANB_OK) status = provision_keys_make(member->kind, &keys, err);
    if (status == ANB_OK) status = provision_enrol(provision, member, &keys, err);
    if (status == ANB_OK) status = provision_publish(provision, err);
    if (status == ANB_OK) status = provision_kit_write(provision, member->name, &keys, NULL, path, err);
    provision_keys_fini(&keys);
    return status;
}

static enum anb_status add_missing(struct provision *provision, const struct provision_project *wanted,
                                   struct anb_error *err)
{
    enum anb_status status = provision_unlock(provision, NULL, err);
    for (size_t i = 0; status == ANB_OK && i < wanted->n_members; i++)
        if (!roster_find_any(provision->roster, wanted->members[i].name))
            status = add_member(provision, &wanted->members[i], err);
    return status;
}

static enum anb_status reuse(const char *folder, struct slice text, struct anb_error *err)
{
    struct provision provision;
    struct provision_project wanted;
    enum anb_status status = provision_project_parse(text, "project.yaml", &wanted, err);
    if (status != ANB_OK) return status;
    status = provision_open(folder, &provision, err);
    if (status == ANB_OK && strcmp(provision.project.name, wanted.name) != 0)
        status = anb_fail(err, ANB_INVALID, "%s has the identities of project %s: remove it, or take another --folder",
                          folder, provision.project.name);
    if (status == ANB_OK) status = add_missing(&provision, &wanted, err);
    provision_close(&provision);
    provision_project_fini(&wanted);
    return status;
}

enum anb_status dev_project_make(const struct dev_state *state, int64_t sites, int64_t aggregators,
                                 struct anb_error *err)
{
    char folder[DEV_PATH_BYTES];
    struct buf text;
    buf_init(&text, TEXT_CEILING_BYTES);
    enum anb_status status = dev_path(state, "project", "", "", folder, err);
    if (status == ANB_OK) status = write_file(state, sites, aggregators, &text, err);
    if (status == ANB_OK) folder[strlen(folder) - 1] = 0; /* the slash before no name */
    if (status == ANB_OK)
        status =
            access(folder, F_OK) == 0 ? reuse(folder, buf_slice(&text), err) : create(folder, buf_slice(&text), err);
    buf_fini(&text);
    return status;
}
