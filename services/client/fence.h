/* A fence of Landlock around a process: which files it may touch, and whom it may signal.
 *
 * A fence is made in the agent, as a descriptor, and entered by the child between fork and exec. It denies everything
 * that was not allowed, cannot be left, and holds for all that the child starts. A fenced process cannot look into
 * processes outside (ptrace, /proc/PID/mem, environ, fd), and from Linux 6.12 on cannot signal them. Any thread. */
#ifndef ANB_CLIENT_FENCE_H
#define ANB_CLIENT_FENCE_H

#include "base/status.h"

#include <stddef.h>

enum fence_right {
    FENCE_READ, /* and list, and run */
    FENCE_USE,  /* read, write and control what is there, as with devices; make nothing new */
    FENCE_OWN   /* everything but making devices */
};

int fence_version(void); /* of the kernel's Landlock; 0: it has none, or it is switched off */
/* *fd goes back by fence_close. UNAVAILABLE: no Landlock. */
enum anb_status fence_new(int *fd, struct anb_error *err);
void fence_close(int fd);
/* The path and all below it. What is not there is passed over. */
enum anb_status fence_allow(int fd, const char *path, enum fence_right right, struct anb_error *err);
/* To read all that there is now but these paths and what lies below them. Landlock knows no exceptions, so each folder
 * on the way to a hidden path is opened up entry by entry: it cannot be listed itself, and what is put into it later
 * cannot be read. `hidden` are absolute paths without links, dots or a slash at the end. */
enum anb_status fence_allow_all_but(int fd, const char *const *hidden, size_t n, struct anb_error *err);

/* In the child; PR_SET_NO_NEW_PRIVS is set. 0, or an errno. Async-signal-safe. */
int fence_enter(int fd);

#endif
