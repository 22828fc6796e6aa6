/* What a trainer's process may do, made ready in the agent and put on by the child itself between fork and exec.
 *
 * It never gets new privileges, has no capabilities even when the agent runs as root, and leaves no core file. On top:
 * the limits of the site's policy, a user of its own, a fence around the files (fence.h), no network. The agent's
 * thread; confine_enter runs in the child and calls only what is async-signal-safe. */
#ifndef ANB_CLIENT_CONFINE_H
#define ANB_CLIENT_CONFINE_H

#include "policy/policy.h"

#include <stdbool.h>
#include <sys/types.h>

enum { CONFINE_MAX_GROUPS = 64, CONFINE_MAX_PATHS = 64, CONFINE_TEXT_BYTES = 256 };

struct confine_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[CONFINE_MAX_GROUPS];
    size_t n_groups;
    char name[64];
};

/* INVALID: there is none of this name, it is root, or this process may not become another user. */
enum anb_status confine_user_find(const char *name, struct confine_user *user, struct anb_error *err);

struct confine_paths { /* absolute, without links */
    char *paths[CONFINE_MAX_PATHS];
    size_t n;
};
/* Add the paths of a text that has colons between them. A path that is not there is INVALID, unless `may_lack`: it is
 * then kept as it is written. */
enum anb_status confine_paths_add(struct confine_paths *paths, const char *text, bool may_lack, struct anb_error *err);
void confine_paths_fini(struct confine_paths *paths);

enum confine_fence { CONFINE_FENCE_AUTO, CONFINE_FENCE_REQUIRED, CONFINE_FENCE_OFF };

struct confine_site { /* of all trainers of an agent; outlives them */
    enum confine_fence fence;
    const struct confine_user *user;  /* NULL: the agent's own */
    struct confine_paths hidden;      /* keys, the agent's data folder */
    struct confine_paths read, write; /* with any `read`, only these and the system's folders can be read */
    bool no_network;
};

struct confinement {
    int fence; /* -1: none */
    const struct confine_user *user;
    struct policy_limits limits;
    bool no_network;
    char text[CONFINE_TEXT_BYTES]; /* for the log: "landlock 7, user trainer, cpu 60 s" */
};

/* Make `folder`/.tmp, and give all of it to the site's user for trainers, if there is one. No trainer may run there. */
enum anb_status confine_give(const struct confine_site *site, const char *folder, struct anb_error *err);

/* `folder` is the job's own: the trainer owns what is in it. UNAVAILABLE when the site requires a fence and the kernel
 * has none. */
enum anb_status confine_prepare(const struct confine_site *site, const char *folder, const struct policy_limits *limits,
                                struct confinement *confinement, struct anb_error *err);
void confine_fini(struct confinement *confinement);

/* 0, or an errno: then the program must not run. */
int confine_enter(const struct confinement *confinement);

#endif
