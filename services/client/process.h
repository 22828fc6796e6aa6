/* A trainer's process: confined, in a session of its own; it dies with this process, and what it leaves behind is
 * killed. What it prints comes line by line. The loop's thread only; callbacks run there.
 *
 * Other children of this process must stay in its session: one in another session that is no trainer is taken for what
 * a trainer has left behind (strays.h). */
#ifndef ANB_CLIENT_PROCESS_H
#define ANB_CLIENT_PROCESS_H

#include "confine.h"
#include "lines.h"

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

struct process;

struct process_config {
    const char *const *command;     /* NULL at the end; looked up in this process's PATH */
    const char *const *environment; /* NULL at the end; all it gets */
    const char *folder;
    const struct confinement *confinement; /* NULL: none; needed only until it is started */
    /* A line of "stdout" or "stderr"; then, once, the wait status. In `ended` the process may be freed. */
    void (*line)(void *context, const char *source, const char *text);
    void (*ended)(void *context, int wait_status);
    void *context;
};

/* The caller's thread must live as long as the process: Linux kills the child when the thread that made it ends. */
enum anb_status process_start(uv_loop_t *loop, const struct process_config *config, struct process **process,
                              struct anb_error *err);
pid_t process_id(const struct process *process);
void process_signal(struct process *process, int number);     /* to the whole group */
int64_t process_cpu_ms(const struct process *process);        /* once ended: it and the children that it waited for */
size_t process_n_strays(const struct process *process);       /* once ended: processes that it had left behind */
const char *process_last_line(const struct process *process); /* "" when it printed nothing */
/* Kills the group if it still runs, without a further callback. NULL is fine. */
void process_free(struct process *process);

/* Kill what trainers that still run have left to itself; now and then. How many there were. */
size_t process_sweep(void);

/* Programs that a trainer may run are written between these two, any thread: a child that is born meanwhile would hold
 * them open for writing until its own program runs, and Linux refuses to run such a file (ETXTBSY). */
void process_hold_births(void);
void process_release_births(void);

/* "exit status 3", "killed by signal 9 (Killed)" */
const char *process_status_text(int wait_status, char text[64]);

#endif
