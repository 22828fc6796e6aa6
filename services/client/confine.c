#include "confine.h"

#include "fence.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CPU_GRACE_S = 5 }; /* between SIGXCPU and SIGKILL */

/* -- users and paths */

enum anb_status confine_user_find(const char *name, struct confine_user *user, struct anb_error *err)
{
    struct passwd entry, *found = NULL;
    char texts[8192];
    int n_groups = CONFINE_MAX_GROUPS;
    int error = getpwnam_r(name, &entry, texts, sizeof texts, &found);
    if (!found) return anb_fail(err, ANB_INVALID, "no user \"%s\" on this machine: %s", name, strerror(error));
    if (entry.pw_uid == 0) return anb_fail(err, ANB_INVALID, "trainers do not run as root: name another user");
    if (geteuid() != 0)
        return anb_fail(err, ANB_INVALID, "only an agent that runs as root can start trainers as user %s", name);
    *user = (struct confine_user){.uid = entry.pw_uid, .gid = entry.pw_gid};
    snprintf(user->name, sizeof user->name, "%s", name);
    if (getgrouplist(name, entry.pw_gid, user->groups, &n_groups) < 0)
        return anb_fail(err, ANB_INVALID, "user %s has more than %d groups", name, CONFINE_MAX_GROUPS);
    user->n_groups = (size_t)n_groups;
    return ANB_OK;
}

static enum anb_status add_path(struct confine_paths *paths, const char *path, bool may_lack, struct anb_error *err)
{
    char *whole = realpath(path, NULL);
    if (!whole && may_lack && *path == '/') whole = strdup(path);
    if (!whole) return anb_fail(err, ANB_INVALID, "%s: %s", path, strerror(errno));
    if (paths->n == CONFINE_MAX_PATHS) {
        free(whole);
        return anb_fail(err, ANB_INVALID, "more than %d paths for trainers", CONFINE_MAX_PATHS);
    }
    paths->paths[paths->n++] = whole;
    return ANB_OK;
}

enum anb_status confine_paths_add(struct confine_paths *paths, const char *text, bool may_lack, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    char *copy = strdup(text), *rest = copy;
    if (!copy) return anb_fail(err, ANB_NO_MEMORY, "no memory for paths");
    for (char *path = strsep(&rest, ":"); path && status == ANB_OK; path = strsep(&rest, ":"))
        if (*path) status = add_path(paths, path, may_lack, err);
    free(copy);
    return status;
}

void confine_paths_fini(struct confine_paths *paths)
{
    for (size_t i = 0; i < paths->n; i++) free(paths->paths[i]);
    paths->n = 0;
}

static _Thread_local const struct confine_user *heir; /* nftw hands no context on */

static int give_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return lchown(path, heir->uid, heir->gid);
}

enum anb_status confine_give(const struct confine_site *site, const char *folder, struct anb_error *err)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s/.tmp", folder) >= (int)sizeof temporary)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", folder);
    if (mkdir(temporary, 0700) != 0 && errno != EEXIST) return anb_fail_errno(err, errno, "cannot make %s", temporary);
    heir = site->user;
    if (!heir || nftw(folder, give_one, 16, FTW_PHYS) == 0) return ANB_OK;
    return anb_fail_errno(err, errno, "cannot give %s to user %s", folder, heir->name);
}

/* -- the fence */

static const char *const system_folders[] = {
    "/bin",  "/etc", "/lib", "/lib32", "/lib64", "/nix/store", "/opt", "/proc", "/run/systemd/resolve",
    "/sbin", "/sys", "/usr"};
/* Not the disks, which hold all files, nor memory. */
static const char *const devices[] = {"/dev/null",
                                      "/dev/zero",
                                      "/dev/full",
                                      "/dev/random",
                                      "/dev/urandom",
                                      "/dev/tty",
                                      "/dev/pts",
                                      "/dev/ptmx",
                                      "/dev/dri",
                                      "/dev/kfd",
                                      "/dev/nvidiactl",
                                      "/dev/nvidia-uvm",
                                      "/dev/nvidia-uvm-tools",
                                      "/dev/nvidia-caps"};
enum { MAX_CARDS = 16 };

static enum anb_status allow_devices(int fence, struct anb_error *err)
{
    enum anb_status status = fence_allow(fence, "/dev/shm", FENCE_OWN, err);
    for (size_t i = 0; i < sizeof devices / sizeof *devices && status == ANB_OK; i++)
        status = fence_allow(fence, devices[i], FENCE_USE, err);
    for (int i = 0; i < MAX_CARDS && status == ANB_OK; i++) {
        char card[32];
        snprintf(card, sizeof card, "/dev/nvidia%d", i);
        status = fence_allow(fence, card, FENCE_USE, err);
    }
    return status;
}

static enum anb_status allow_reading(int fence, const struct confine_site *site, struct anb_error *err)
{
    const char *hidden[CONFINE_MAX_PATHS + 1] = {"/dev"};
    enum anb_status status = ANB_OK;
    if (site->read.n == 0) {
        memcpy(hidden + 1, site->hidden.paths, site->hidden.n * sizeof *hidden);
        return fence_allow_all_but(fence, hidden, site->hidden.n + 1, err);
    }
    for (size_t i = 0; i < sizeof system_folders / sizeof *system_folders && status == ANB_OK; i++)
        status = fence_allow(fence, system_folders[i], FENCE_READ, err);
    for (size_t i = 0; i < site->read.n && status == ANB_OK; i++)
        status = fence_allow(fence, site->read.paths[i], FENCE_READ, err);
    return status;
}

static enum anb_status make_fence(const struct confine_site *site, const char *folder, int *out, struct anb_error *err)
{
    int fence = -1;
    enum anb_status status = fence_new(&fence, err);
    if (status != ANB_OK) return status;
    status = allow_reading(fence, site, err);
    if (status == ANB_OK) status = allow_devices(fence, err);
    if (status == ANB_OK) status = fence_allow(fence, folder, FENCE_OWN, err);
    for (size_t i = 0; i < site->write.n && status == ANB_OK; i++)
        status = fence_allow(fence, site->write.paths[i], FENCE_OWN, err);
    if (status == ANB_OK)
        *out = fence;
    else
        fence_close(fence);
    return status;
}

/* -- in the agent */

static void describe(struct confinement *confinement)
{
    const struct policy_limits *limits = &confinement->limits;
    const struct {
        const char *name, *unit;
        int64_t value;
    } values[] = {{"cpu", " s", limits->cpu_s},
                  {"memory", " MiB", limits->memory_mib},
                  {"files", "", limits->open_files},
                  {"processes", "", limits->processes},
                  {"file size", " MiB", limits->disk_mib},
                  {"task", " s", limits->wall_s}};
    char *text = confinement->text;
    size_t room = sizeof confinement->text;
    int used = confinement->fence >= 0 ? snprintf(text, room, "landlock %d", fence_version())
                                       : snprintf(text, room, "no landlock");
    if (confinement->user) used += snprintf(text + used, room - (size_t)used, ", user %s", confinement->user->name);
    if (confinement->no_network) used += snprintf(text + used, room - (size_t)used, ", no network");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (values[i].value > 0 && (size_t)used < room)
            used += snprintf(text + used, room - (size_t)used, ", %s %" PRId64 "%s", values[i].name, values[i].value,
                             values[i].unit);
}

enum anb_status confine_prepare(const struct confine_site *site, const char *folder, const struct policy_limits *limits,
                                struct confinement *confinement, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    *confinement =
        (struct confinement){.fence = -1, .user = site->user, .limits = *limits, .no_network = site->no_network};
    if (site->fence == CONFINE_FENCE_REQUIRED || (site->fence == CONFINE_FENCE_AUTO && fence_version() > 0))
        status = make_fence(site, folder, &confinement->fence, err);
    if (status == ANB_OK) describe(confinement);
    return status;
}

void confine_fini(struct confinement *confinement)
{
    if (confinement->fence >= 0) fence_close(confinement->fence);
    confinement->fence = -1;
}

/* -- in the child: no allocation, no stdio */

/* Never above what this process may give itself. */
static int set_limit(int resource, int64_t soft, int64_t hard)
{
    struct rlimit now, wanted = {(rlim_t)soft, (rlim_t)hard};
    if (getrlimit((__rlimit_resource_t)resource, &now) != 0) return errno;
    if (wanted.rlim_max > now.rlim_max) wanted.rlim_max = now.rlim_max;
    if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &wanted) == 0 ? 0 : errno;
}

static int enter_limits(const struct policy_limits *limits)
{
    const struct {
        int resource;
        int64_t soft, more;
    } all[] = {{RLIMIT_CPU, limits->cpu_s, CPU_GRACE_S},
               {RLIMIT_AS, limits->memory_mib << 20, 0},
               {RLIMIT_NOFILE, limits->open_files, 0},
               {RLIMIT_NPROC, limits->processes, 0},
               {RLIMIT_FSIZE, limits->disk_mib << 20, 0}};
    int error = set_limit(RLIMIT_CORE, 0, 0);
    for (size_t i = 0; i < sizeof all / sizeof *all && error == 0; i++)
        if (all[i].soft > 0) error = set_limit(all[i].resource, all[i].soft, all[i].soft + all[i].more);
    return error;
}

static int write_file(const char *path, const char *text, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int error = fd < 0 || write(fd, text, size) != (ssize_t)size ? errno : 0;
    if (fd >= 0) close(fd);
    return error;
}

/* "1000 1000 1": it is the same user in there, too. */
static int write_map(const char *path, unsigned id)
{
    char text[32], digits[12];
    size_t n = 0, size = 0;
    do digits[n++] = (char)('0' + id % 10);
    while (id /= 10);
    for (int twice = 0; twice < 2; twice++) {
        for (size_t i = n; i > 0; i--) text[size++] = digits[i - 1];
        text[size++] = ' ';
    }
    text[size++] = '1';
    return write_file(path, text, size);
}

/* An empty network of its own; without privileges in a user namespace of its own. */
static int leave_network(void)
{
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWNET) == 0) return 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return errno;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* else its own /proc files are root's; exec would do the same in a moment */
    int error = write_map("/proc/self/uid_map", uid);
    if (error == 0) error = write_file("/proc/self/setgroups", "deny", 4);
    return error == 0 ? write_map("/proc/self/gid_map", gid) : error;
}

static int become(const struct confine_user *user)
{
    if (setgroups(user->n_groups, user->groups) != 0) return errno;
    if (setresgid(user->gid, user->gid, user->gid) != 0) return errno;
    return setresuid(user->uid, user->uid, user->uid) == 0 ? 0 : errno;
}

/* What root is without its capabilities: the owner of root's files, and nothing else. The bounding set goes first, or
 * exec would give them back. */
static int drop_bounding_set(void)
{
    for (unsigned long i = 0; i < 64; i++)
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0 && errno != EINVAL) return errno;
    return 0;
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &head, none) == 0 ? 0 : errno;
}

int confine_enter(const struct confinement *confinement)
{
    int error = enter_limits(&confinement->limits);
    if (error == 0 && confinement->no_network) error = leave_network();
    if (error == 0 && geteuid() == 0) error = drop_bounding_set();
    if (error == 0 && confinement->user) error = become(confinement->user);
    if (error == 0) error = drop_capabilities();
    if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) error = errno;
    if (error == 0 && confinement->fence >= 0) error = fence_enter(confinement->fence);
    return error;
}
