/* Landlock's system calls have no wrappers in the C library, and the kernel's header may be older than the kernel: what
 * it lacks is written out here, by the numbers of the kernel's interface, which do not change. */
#include "fence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_DEPTH = 64 };

#define RIGHT_TRUNCATE (1ULL << 14)  /* version 3 */
#define RIGHT_IOCTL_DEV (1ULL << 15) /* version 5 */
#define RIGHTS_READ (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_USE (RIGHTS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)
#define RIGHTS_OF_FILES (RIGHTS_USE & ~LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_ALL ((RIGHT_IOCTL_DEV << 1) - 1)
#define RIGHTS_OWN (RIGHTS_ALL & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK))

struct ruleset { /* struct landlock_ruleset_attr of version 6 */
    uint64_t files, network, scopes;
};
enum { SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2, VERSION_OF_SCOPES = 6, VERSION_OF_NETWORK = 4 };

int fence_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

/* The rights that this kernel knows. */
static uint64_t known_rights(int version)
{
    static const int bits[] = {13, 14, 15, 15, 16}; /* by version - 1 */
    int last = (int)(sizeof bits / sizeof *bits);
    return (1ULL << bits[(version < last ? version : last) - 1]) - 1;
}

enum anb_status fence_new(int *fd, struct anb_error *err)
{
    int version = fence_version();
    if (version == 0) return anb_fail(err, ANB_UNAVAILABLE, "this kernel has no Landlock, or it is switched off");
    struct ruleset ruleset = {.files = known_rights(version)};
    size_t size = version >= VERSION_OF_NETWORK ? sizeof(uint64_t) * 2 : sizeof(uint64_t);
    if (version >= VERSION_OF_SCOPES) {
        ruleset.scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
        size = sizeof ruleset;
    }
    long made = syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
    if (made < 0) return anb_fail_errno(err, errno, "cannot make a fence for the trainer");
    *fd = (int)made; /* close-on-exec, says the kernel */
    return ANB_OK;
}

/* Without the C library, as it was made: what watches descriptors there (a thread sanitizer) would else take it for an
 * earlier one of its number. */
void fence_close(int fd)
{
    syscall(SYS_close, fd);
}

static enum anb_status add_rule(int fd, int place, const char *path, enum fence_right right, struct anb_error *err)
{
    static const uint64_t rights[] = {[FENCE_READ] = RIGHTS_READ, [FENCE_USE] = RIGHTS_USE, [FENCE_OWN] = RIGHTS_OWN};
    struct stat info;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights[right] & known_rights(fence_version()),
                                              .parent_fd = place};
    if (fstat(place, &info) != 0) return anb_fail_errno(err, errno, "cannot look at %s", path);
    if (!S_ISDIR(info.st_mode)) rule.allowed_access &= RIGHTS_OF_FILES;
    if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 || errno == EBADFD) return ANB_OK;
    return anb_fail_errno(err, errno, "cannot let the trainer see %s", path);
}

/* Ways that cannot be gone now are none for the trainer either. Pipes and such lie in no folder and have no rule. */
static bool is_no_way(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP;
}

static enum anb_status allow(int fd, const char *path, int flags, enum fence_right right, struct anb_error *err)
{
    int place = open(path, O_PATH | O_CLOEXEC | flags);
    if (place < 0 && is_no_way(errno)) return ANB_OK;
    if (place < 0) return anb_fail_errno(err, errno, "cannot let the trainer see %s", path);
    enum anb_status status = add_rule(fd, place, path, right, err);
    close(place);
    return status;
}

enum anb_status fence_allow(int fd, const char *path, enum fence_right right, struct anb_error *err)
{
    return allow(fd, path, 0, right, err);
}

/* -- all but some */

struct walk {
    int fd;
    const char *const *hidden;
    size_t n;
    char path[PATH_MAX]; /* where it stands; "" is the root */
};

/* `path` is `folder` or lies below it. */
static bool is_within(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static enum anb_status visit(struct walk *walk, int depth, struct anb_error *err);

static enum anb_status visit_entries(struct walk *walk, int depth, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    size_t size = strlen(walk->path);
    DIR *all = depth < MAX_DEPTH ? opendir(size > 0 ? walk->path : "/") : NULL;
    if (!all && (depth == MAX_DEPTH || is_no_way(errno))) return ANB_OK;
    if (!all) return anb_fail_errno(err, errno, "cannot list %s", walk->path);
    for (const struct dirent *entry = readdir(all); entry && status == ANB_OK; entry = readdir(all)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (entry->d_type == DT_LNK) continue; /* what it points to has its own rule */
        if (snprintf(walk->path + size, sizeof walk->path - size, "/%s", entry->d_name) <
            (int)(sizeof walk->path - size))
            status = visit(walk, depth + 1, err);
        walk->path[size] = '\0';
    }
    closedir(all);
    return status;
}

static enum anb_status visit(struct walk *walk, int depth, struct anb_error *err)
{
    bool is_way = false;
    for (size_t i = 0; i < walk->n; i++) {
        if (is_within(walk->path, walk->hidden[i])) return ANB_OK;
        is_way |= is_within(walk->hidden[i], walk->path);
    }
    if (is_way) return visit_entries(walk, depth, err);
    return allow(walk->fd, *walk->path ? walk->path : "/", O_NOFOLLOW, FENCE_READ, err);
}

enum anb_status fence_allow_all_but(int fd, const char *const *hidden, size_t n, struct anb_error *err)
{
    struct walk walk = {.fd = fd, .hidden = hidden, .n = n};
    return visit(&walk, 0, err);
}

int fence_enter(int fd)
{
    return syscall(SYS_landlock_restrict_self, fd, 0) == 0 ? 0 : errno;
}
