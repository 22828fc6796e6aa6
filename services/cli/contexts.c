#include "cli/contexts.h"

#include "base/doc.h"
#include "base/file.h"
#include "crypto/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_CEILING_BYTES = 1 << 20, PATH_BYTES = 1024, OTHERS = 077 };

struct contexts {
    char current[CONTEXT_TEXT_BYTES];
    struct context items[CONTEXTS_MAX];
    size_t count;
};

/* What a context has, and what it is called in the file. */
static const struct {
    const char *key;
    size_t offset;
} fields[] = {{"server", offsetof(struct context, server)},
              {"root", offsetof(struct context, root)},
              {"kit", offsetof(struct context, kit)},
              {"passphrase-file", offsetof(struct context, passphrase_file)},
              {"token", offsetof(struct context, token)}};
enum { N_FIELDS = sizeof fields / sizeof *fields };

/* -- places */

static enum anb_status find_folder(char folder[PATH_BYTES], struct anb_error *err)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int length;
    if (config && *config == '/')
        length = snprintf(folder, PATH_BYTES, "%s/anabranch", config);
    else if (home && *home)
        length = snprintf(folder, PATH_BYTES, "%s/.config/anabranch", home);
    else
        return anb_fail(err, ANB_INVALID, "HOME is not set: there is no place for what anabranch login remembers");
    return length < PATH_BYTES - 16 ? ANB_OK : anb_fail(err, ANB_INVALID, "path of the configuration too long");
}

/* -- reading */

static enum anb_status read_one(const struct doc *map, const char *path, struct context *context, struct anb_error *err)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const char *text = doc_text(doc_get(map, fields[i].key), "");
        char *field = (char *)context + fields[i].offset;
        if (snprintf(field, CONTEXT_TEXT_BYTES, "%s", text) >= CONTEXT_TEXT_BYTES)
            return anb_fail(err, ANB_CORRUPT, "%s:%d: %s is too long", path, doc_line(map), fields[i].key);
    }
    return *context->server ? ANB_OK : anb_fail(err, ANB_CORRUPT, "%s:%d: server is missing", path, doc_line(map));
}

static enum anb_status read_all(const struct doc *root, const char *path, struct contexts *contexts,
                                struct anb_error *err)
{
    const struct doc *list = doc_get(root, "servers");
    enum anb_status status = ANB_OK;
    snprintf(contexts->current, sizeof contexts->current, "%s", doc_text(doc_get(root, "current"), ""));
    if (doc_size(list) > CONTEXTS_MAX)
        return anb_fail(err, ANB_CORRUPT, "%s: more than %d servers", path, CONTEXTS_MAX);
    for (size_t i = 0; i < doc_size(list) && status == ANB_OK; i++)
        status = read_one(doc_at(list, i), path, &contexts->items[contexts->count++], err);
    return status;
}

static enum anb_status check_private(const char *path, struct anb_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) return anb_fail_errno(err, errno, "cannot look at %s", path);
    if ((info.st_mode & OTHERS) == 0) return ANB_OK;
    return anb_fail(err, ANB_DENIED, "%s may hold tokens, and others can read it: chmod 600 %s", path, path);
}

/* No file is no contexts. */
static enum anb_status load(const char *path, struct contexts *contexts, struct anb_error *err)
{
    struct buf text;
    struct doc *root = NULL;
    memset(contexts, 0, sizeof *contexts);
    if (access(path, F_OK) != 0) return ANB_OK;
    buf_init(&text, FILE_CEILING_BYTES);
    enum anb_status status = check_private(path, err);
    if (status == ANB_OK) status = file_read(path, &text, err);
    if (status == ANB_OK) status = doc_parse_yaml(buf_slice(&text), path, &root, err);
    if (status == ANB_OK) status = read_all(root, path, contexts, err);
    doc_free(root);
    key_fini_buf(&text);
    return status;
}

/* -- writing */

static enum anb_status write_quoted(const char *key, const char *text, struct buf *out, struct anb_error *err)
{
    enum anb_status status = buf_printf(out, err, "%s: \"", key);
    for (; *text && status == ANB_OK; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return anb_fail(err, ANB_INVALID, "%s has a control character in it", key);
        status = buf_printf(out, err, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    return status == ANB_OK ? buf_append_text(out, "\"\n", err) : status;
}

static enum anb_status write_one(const struct context *context, struct buf *out, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    bool first = true;
    for (size_t i = 0; i < N_FIELDS && status == ANB_OK; i++) {
        const char *text = (const char *)context + fields[i].offset;
        if (!*text) continue;
        status = buf_append_text(out, first ? "  - " : "    ", err);
        if (status == ANB_OK) status = write_quoted(fields[i].key, text, out, err);
        first = false;
    }
    return status;
}

static enum anb_status save(const char *path, const struct contexts *contexts, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, FILE_CEILING_BYTES);
    enum anb_status status = buf_reserve(&text, FILE_CEILING_BYTES / 4, err);
    if (status == ANB_OK)
        status = buf_append_text(&text, "# Written by anabranch login and logout. It may hold tokens.\n", err);
    if (status == ANB_OK && *contexts->current) status = write_quoted("current", contexts->current, &text, err);
    if (status == ANB_OK) status = buf_append_text(&text, contexts->count ? "servers:\n" : "servers: []\n", err);
    for (size_t i = 0; i < contexts->count && status == ANB_OK; i++)
        status = write_one(&contexts->items[i], &text, err);
    if (status == ANB_OK) status = file_write(path, buf_slice(&text), err);
    key_fini_buf(&text);
    return status;
}

/* -- changing */

static size_t index_of(const struct contexts *contexts, const char *server)
{
    size_t i = 0;
    while (i < contexts->count && strcmp(contexts->items[i].server, server) != 0) i++;
    return i;
}

static enum anb_status put(struct contexts *contexts, const struct context *context, bool make_current,
                           struct anb_error *err)
{
    size_t at = index_of(contexts, context->server);
    if (at == CONTEXTS_MAX) return anb_fail(err, ANB_NO_SPACE, "%d logins are kept: anabranch logout", CONTEXTS_MAX);
    contexts->items[at] = *context;
    if (at == contexts->count) contexts->count++;
    if (make_current) snprintf(contexts->current, sizeof contexts->current, "%s", context->server);
    return ANB_OK;
}

static bool take_out(struct contexts *contexts, const char *server)
{
    size_t at = index_of(contexts, server);
    if (at == contexts->count) return false;
    contexts->items[at] = contexts->items[--contexts->count];
    if (strcmp(contexts->current, server) == 0)
        snprintf(contexts->current, sizeof contexts->current, "%s",
                 contexts->count ? contexts->items[contexts->count - 1].server : "");
    return true;
}

struct change { /* of the file, under the lock of its folder */
    const struct context *put;
    bool make_current;
    const char *remove;
    bool removed;
};

static enum anb_status apply(const char *path, struct change *change, struct anb_error *err)
{
    struct contexts *contexts = malloc(sizeof *contexts);
    if (!contexts) return anb_fail(err, ANB_NO_MEMORY, "no memory");
    enum anb_status status = load(path, contexts, err);
    if (status == ANB_OK && change->put) status = put(contexts, change->put, change->make_current, err);
    if (status == ANB_OK && change->remove) change->removed = take_out(contexts, change->remove);
    if (status == ANB_OK && (change->put || change->removed)) status = save(path, contexts, err);
    key_wipe(contexts, sizeof *contexts);
    free(contexts);
    return status;
}

static enum anb_status locked(struct change *change, struct anb_error *err)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 16];
    enum anb_status status = find_folder(folder, err);
    if (status != ANB_OK) return status;
    snprintf(path, sizeof path, "%s/config.yaml", folder);
    if (change->remove && access(path, F_OK) != 0) return ANB_OK;
    status = file_make_folders(folder, err);
    if (status != ANB_OK) return status;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) status = anb_fail_errno(err, errno, "cannot lock %s", folder);
    if (status == ANB_OK) status = apply(path, change, err);
    if (fd >= 0) close(fd);
    return status;
}

enum anb_status context_put(const struct context *context, bool make_current, struct anb_error *err)
{
    struct change change = {.put = context, .make_current = make_current};
    return locked(&change, err);
}

enum anb_status context_remove(const char *server, bool *found, struct anb_error *err)
{
    struct change change = {.remove = server};
    enum anb_status status = locked(&change, err);
    *found = change.removed;
    return status;
}

static enum anb_status pick(const struct contexts *contexts, const char *server, struct context *context,
                            struct anb_error *err)
{
    if (!server) server = contexts->current;
    size_t at = index_of(contexts, server);
    if (at == contexts->count) {
        return anb_fail(err, ANB_DENIED, "not logged in to %s: anabranch login %s --kit FOLDER (or --token-file FILE)",
                        *server ? server : "any server", *server ? server : "URL");
    }
    *context = contexts->items[at];
    return ANB_OK;
}

enum anb_status context_find(const char *server, struct context *context, struct anb_error *err)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 16];
    enum anb_status status = find_folder(folder, err);
    if (status != ANB_OK) return status;
    snprintf(path, sizeof path, "%s/config.yaml", folder);
    struct contexts *contexts = malloc(sizeof *contexts);
    if (!contexts) return anb_fail(err, ANB_NO_MEMORY, "no memory");
    status = load(path, contexts, err);
    if (status == ANB_OK) status = pick(contexts, server, context, err);
    key_wipe(contexts, sizeof *contexts);
    free(contexts);
    return status;
}
