/* Who belongs to a federation on this machine: a project made by the code of `anabranch provision`, in
 * FOLDER/project. One that is there already and has just these members and brokers is used again. */
#include "base/file.h"
#include "cli/dev.h"
#include "cli/provision.h"

#include <string.h>

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
    enum anb_status status = buf_printf(out, err, "project: %s\n", state->project);
    if (status == ANB_OK) status = write_brokers(state->bootstrap_servers, out, err);
    if (status == ANB_OK) status = write_nodes("aggregator", aggregators, out, err);
    if (status == ANB_OK) status = write_nodes("site", sites, out, err);
    if (status == ANB_OK) status = buf_printf(out, err, "users:\n  - {name: %s, role: admin}\n", DEV_USER);
    return status;
}

/* A project that is good and has just this file. */
static bool is_there(const char *folder, struct slice wanted)
{
    char path[PROVISION_PATH_BYTES];
    struct provision provision;
    struct buf text;
    buf_init(&text, TEXT_CEILING_BYTES);
    bool same = provision_path(folder, "project.yaml", path, NULL) == ANB_OK &&
                file_read(path, &text, NULL) == ANB_OK && slice_equal(buf_slice(&text), wanted);
    buf_fini(&text);
    if (!same) return false;
    bool good = provision_open(folder, &provision, NULL) == ANB_OK;
    provision_close(&provision);
    return good;
}

static enum anb_status make(const char *folder, struct slice text, struct anb_error *err)
{
    struct provision provision;
    const struct provision_wish wish = {.folder = folder};
    enum anb_status status = file_remove_folder(folder, err);
    if (status != ANB_OK) return status;
    status = provision_create(text, "project.yaml", &wish, &provision, err);
    provision_close(&provision);
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
    if (status == ANB_OK && !is_there(folder, buf_slice(&text))) status = make(folder, buf_slice(&text), err);
    buf_fini(&text);
    return status;
}
