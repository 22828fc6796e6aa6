/* One job on this site, from its start to its end: its folder, its trainer, its tasks. The agent's thread only.
 *
 * A run is driven by run_step, which compares what the log asks (a duty) with what is there and starts what is missing:
 * it may be called at any time and any number of times. Long work happens on the run's two workers. */
#ifndef ANB_CLIENT_RUN_H
#define ANB_CLIENT_RUN_H

#include "audit/audit.h"
#include "confine.h"
#include "duty.h"
#include "intake.h"
#include "node/node.h"

#include <uv.h>

struct run;

struct run_site { /* what all runs of an agent share; outlives them */
    struct node *node;
    const struct intake_site *intake;
    uv_loop_t *loop;
    const char *data_folder, *socket_folder;
    int64_t grace_ms;
    void (*wake)(void *owner); /* any thread: call run_step soon */
    void *owner;
    const struct confine_site *confine;
    struct audit *audit; /* NULL: none is kept */
};

enum anb_status run_new(const struct run_site *site, const struct job_state *job, struct run **run,
                        struct anb_error *err);
/* Kills what still runs, waits for the workers, removes the job's folder. */
void run_free(struct run *run);

const char *run_job(const struct run *run);
/* `settled`: nothing that this node appended is still on its way to the state the duty was read from. FATAL: the
 * process cannot go on. */
enum anb_status run_step(struct run *run, const struct duty *duty, bool settled, struct anb_error *err);
/* The agent itself ends: the trainer is told, and gets SIGTERM at once. */
void run_stop(struct run *run);
bool run_is_over(const struct run *run); /* it can be freed at once */

/* One word for the pulse ("training"), how urgent it is to tell (0: idle), and how far it is. */
struct run_activity {
    const char *word;
    int rank;
    int32_t round;
    int64_t done, total;
};
void run_activity(struct run *run, struct run_activity *activity);

#endif
