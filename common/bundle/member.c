#include "bundle/member.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

struct member {
    bool is_folder;
    char path[];
};

static enum anb_status check_characters(const char *name, struct anb_error *err)
{
    if (!name || !*name) return anb_fail(err, ANB_INVALID, "a member has no name");
    if (!utf8_is_valid(slice_of_text(name))) return anb_fail(err, ANB_INVALID, "a member's name is not UTF-8");
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c < ' ' || *c == 0x7f || *c == '\\')
            return anb_fail(err, ANB_INVALID, "a member's name has the character 0x%02x in it", *c);
    if (*name == '/') return anb_fail(err, ANB_INVALID, "%.200s: an absolute path", name);
    return ANB_OK;
}

/* Append one part to `path`. */
static enum anb_status add_part(const char *name, const char *part, size_t size, char *path, size_t *used,
                                struct anb_error *err)
{
    if (size == 0 || (size == 1 && *part == '.')) return ANB_OK;
    if (size == 2 && memcmp(part, "..", 2) == 0) return anb_fail(err, ANB_INVALID, "%.200s: \"..\" in a path", name);
    if (size > MEMBER_PART_BYTES || *used + 1 + size >= MEMBER_PATH_BYTES)
        return anb_fail(err, ANB_INVALID, "%.200s: the name is too long", name);
    if (*used > 0) path[(*used)++] = '/';
    memcpy(path + *used, part, size);
    *used += size;
    return ANB_OK;
}

enum anb_status member_path(const char *name, char path[MEMBER_PATH_BYTES], struct anb_error *err)
{
    size_t used = 0;
    int depth = 0;
    enum anb_status status = check_characters(name, err);
    for (const char *part = name; status == ANB_OK && *part; depth++) {
        size_t size = strcspn(part, "/");
        if (depth == MEMBER_MAX_DEPTH) return anb_fail(err, ANB_INVALID, "%.200s: too many folders deep", name);
        status = add_part(name, part, size, path, &used, err);
        part += size + (part[size] == '/');
    }
    path[used] = 0;
    return status;
}

enum anb_status members_init(struct members *members, const struct bundle_limits *limits, struct anb_error *err)
{
    *members = (struct members){.limits = *limits, .capacity = 64};
    while (members->capacity < 2 * (size_t)limits->max_files) members->capacity *= 2;
    members->table = calloc(members->capacity, sizeof *members->table);
    return members->table ? ANB_OK : anb_fail(err, ANB_NO_MEMORY, "no memory for the names of a bundle");
}

void members_fini(struct members *members)
{
    for (size_t i = 0; members->table && i < members->capacity; i++) free(members->table[i]);
    free(members->table);
    *members = (struct members){.table = NULL};
}

/* FNV-1a; the limit on files bounds what bad luck can cost. */
static size_t hash(const char *path, size_t size)
{
    uint64_t value = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) value = (value ^ (unsigned char)path[i]) * 0x100000001b3u;
    return (size_t)(value ^ (value >> 32));
}

/* The place of the path, or the free place where it belongs. */
static struct member **find(const struct members *members, const char *path, size_t size)
{
    size_t at = hash(path, size) & (members->capacity - 1);
    for (;; at = (at + 1) & (members->capacity - 1)) {
        struct member *member = members->table[at];
        if (!member || (strncmp(member->path, path, size) == 0 && !member->path[size])) return &members->table[at];
    }
}

static enum anb_status insert(struct members *members, struct member **place, const char *path, size_t size,
                              bool is_folder, struct anb_error *err)
{
    if (members->n_files >= members->limits.max_files)
        return anb_fail(err, ANB_TOO_LARGE, "%.200s: more than %lld files and folders", path,
                        (long long)members->limits.max_files);
    struct member *member = malloc(sizeof *member + size + 1);
    if (!member) return anb_fail(err, ANB_NO_MEMORY, "no memory for the names of a bundle");
    member->is_folder = is_folder;
    memcpy(member->path, path, size);
    member->path[size] = 0;
    *place = member;
    members->n_files++;
    return ANB_OK;
}

/* The first `size` bytes of `path` are a folder: it may be there already. */
static enum anb_status add_folder(struct members *members, const char *path, size_t size, struct anb_error *err)
{
    struct member **place = find(members, path, size);
    if (!*place) return insert(members, place, path, size, true, err);
    if ((*place)->is_folder) return ANB_OK;
    return anb_fail(err, ANB_EXISTS, "%.200s: %.200s is a file, not a folder", path, (*place)->path);
}

static enum anb_status add_file(struct members *members, const char *path, int64_t size_bytes, struct anb_error *err)
{
    struct member **place = find(members, path, strlen(path));
    if (*place) return anb_fail(err, ANB_EXISTS, "%.200s: stands in the bundle twice", path);
    if (size_bytes < 0 || size_bytes > members->limits.max_bytes - members->n_bytes)
        return anb_fail(err, ANB_TOO_LARGE, "%.200s: with it the files have more than %lld bytes", path,
                        (long long)members->limits.max_bytes);
    members->n_bytes += size_bytes;
    return insert(members, place, path, strlen(path), false, err);
}

enum anb_status members_add(struct members *members, const char *path, bool is_folder, int64_t size_bytes,
                            struct anb_error *err)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        enum anb_status status = add_folder(members, path, (size_t)(slash - path), err);
        if (status != ANB_OK) return status;
    }
    if (is_folder) return add_folder(members, path, strlen(path), err);
    return add_file(members, path, size_bytes, err);
}
