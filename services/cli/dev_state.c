/* state.json and the folder around it. */
#include "base/doc.h"
#include "base/file.h"
#include "cli/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { STATE_CEILING_BYTES = 1 << 20 };

enum anb_status dev_folder(const char *given, char folder[DEV_PATH_BYTES], struct anb_error *err)
{
    const char *set = getenv("ANABRANCH_FOLDER"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int length;
    if (given || (set && *set))
        length = snprintf(folder, DEV_PATH_BYTES, "%s", given ? given : set);
    else if (state && *state == '/')
        length = snprintf(folder, DEV_PATH_BYTES, "%s/anabranch/dev", state);
    else if (home && *home)
        length = snprintf(folder, DEV_PATH_BYTES, "%s/.local/state/anabranch/dev", home);
    else
        return anb_fail(err, ANB_INVALID, "HOME is not set: give a folder with --folder");
    /* Room for the names of files below it. */
    if (length >= DEV_PATH_BYTES - 128) return anb_fail(err, ANB_INVALID, "path of the folder too long");
    return ANB_OK;
}

enum anb_status dev_lock(const char *folder, int *lock_fd, struct anb_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return anb_fail_errno(err, errno, "cannot open %s", folder);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return anb_fail(err, ANB_EXISTS, "another anabranch dev command works in %s: wait for it to end", folder);
    }
    *lock_fd = fd;
    return ANB_OK;
}

enum anb_status dev_path(const struct dev_state *state, const char *part, const char *name, const char *suffix,
                         char path[DEV_PATH_BYTES], struct anb_error *err)
{
    if (snprintf(path, DEV_PATH_BYTES, "%s/%s/%s%s", state->folder, part, name, suffix) >= DEV_PATH_BYTES)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", state->folder);
    return ANB_OK;
}

static void copy_text(const struct doc *map, const char *key, char *text, size_t size)
{
    snprintf(text, size, "%s", doc_text(doc_get(map, key), ""));
}

static void read_node(const struct doc *map, struct dev_node *node)
{
    copy_text(map, "name", node->name, sizeof node->name);
    copy_text(map, "role", node->role, sizeof node->role);
    copy_text(map, "stamp", node->process.stamp, sizeof node->process.stamp);
    node->process.pid = (pid_t)doc_int(doc_get(map, "pid"), 0);
}

static void read_state(const struct doc *root, struct dev_state *state)
{
    const struct doc *nodes = doc_get(root, "nodes");
    copy_text(root, "project", state->project, sizeof state->project);
    copy_text(root, "server", state->server, sizeof state->server);
    copy_text(root, "bootstrap_servers", state->bootstrap_servers, sizeof state->bootstrap_servers);
    for (size_t i = 0; i < doc_size(nodes) && state->n_nodes < DEV_MAX_NODES; i++)
        read_node(doc_at(nodes, i), &state->nodes[state->n_nodes++]);
}

enum anb_status dev_state_load(const char *folder, struct dev_state *state, struct anb_error *err)
{
    char path[DEV_PATH_BYTES + 16];
    struct buf text;
    struct doc *root = NULL;
    buf_init(&text, STATE_CEILING_BYTES);
    snprintf(path, sizeof path, "%s/state.json", folder);
    enum anb_status status = file_read(path, &text, err);
    if (status == ANB_OK) status = doc_parse_json(buf_slice(&text), path, &root, err);
    if (status == ANB_OK) {
        *state = (struct dev_state){.n_nodes = 0};
        snprintf(state->folder, sizeof state->folder, "%s", folder);
        read_state(root, state);
    }
    doc_free(root);
    buf_fini(&text);
    return status;
}

static struct doc *state_document(const struct dev_state *state)
{
    struct doc *root = doc_new_map();
    doc_set_text(root, "project", state->project);
    doc_set_text(root, "server", state->server);
    doc_set_text(root, "bootstrap_servers", state->bootstrap_servers);
    struct doc *nodes = doc_set_list(root, "nodes");
    for (size_t i = 0; i < state->n_nodes; i++) {
        const struct dev_node *node = &state->nodes[i];
        struct doc *map = doc_add_map(nodes);
        doc_set_text(map, "name", node->name);
        doc_set_text(map, "role", node->role);
        doc_set_int(map, "pid", node->process.pid);
        doc_set_text(map, "stamp", node->process.stamp);
    }
    return root;
}

enum anb_status dev_state_save(const struct dev_state *state, struct anb_error *err)
{
    char path[DEV_PATH_BYTES + 16];
    struct buf text;
    struct doc *root = state_document(state);
    buf_init(&text, STATE_CEILING_BYTES);
    snprintf(path, sizeof path, "%s/state.json", state->folder);
    enum anb_status status = doc_write_json(root, true, &text, err);
    if (status == ANB_OK) status = file_write(path, buf_slice(&text), err);
    buf_fini(&text);
    doc_free(root);
    return status;
}

enum anb_status dev_state_remove(const char *folder, bool keep_data, struct anb_error *err)
{
    static const char *const parts[] = {"run", "logs", "data",
                                        "project"}; /* all but the first are kept with the data */
    char path[DEV_PATH_BYTES + 16];
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < (keep_data ? 1 : sizeof parts / sizeof *parts); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
        status = file_remove_folder(path, err);
    }
    if (status != ANB_OK) return status;
    snprintf(path, sizeof path, "%s/state.json", folder);
    if (unlink(path) != 0 && errno != ENOENT) return anb_fail_errno(err, errno, "cannot remove %s", path);
    rmdir(folder); /* stays when something else is in it */
    return ANB_OK;
}
