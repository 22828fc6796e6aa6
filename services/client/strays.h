/* Processes that trainers leave behind. Any thread.
 *
 * A trainer leads a session of its own, and nobody who was born in it can come back into this process's session. So a
 * child of this process in another session is a trainer, or what a trainer has left: this process adopts orphans
 * (PR_SET_CHILD_SUBREAPER), and orphans are killed. */
#ifndef ANB_CLIENT_STRAYS_H
#define ANB_CLIENT_STRAYS_H

#include <stddef.h>
#include <sys/types.h>

/* Kill all of `session` (0: none) and all orphans; `trainers` are the children that live by right. Repeats until none
 * is left, or a few times. How many were killed. */
size_t strays_kill(pid_t session, const pid_t *trainers, size_t n_trainers);

#endif
