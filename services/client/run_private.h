/* The parts of a run, for its files: run.c (life), run_model.c (fetching), run_task.c (rounds), run_launch.c (starting
 * the trainer), run_trainer.c (its words and its end). The agent's thread only. */
#ifndef ANB_CLIENT_RUN_PRIVATE_H
#define ANB_CLIENT_RUN_PRIVATE_H

#include "bucket.h"
#include "download.h"
#include "link.h"
#include "process.h"
#include "run.h"
#include "scope.h"
#include "upload.h"

#include <limits.h>

enum {
    KILL_MS = 2000,         /* between SIGTERM and SIGKILL */
    RETRY_MS = 500,         /* between two tries of a transfer */
    MAX_FETCH_FAILURES = 5, /* of one model that is not merely out of reach */
    MAX_REVIVALS = 2        /* of a trainer that was killed during one task */
};

enum task_state {
    TASK_NONE,
    TASK_DUE,     /* wanted by the log; the trainer has not got it */
    TASK_GIVEN,   /* the trainer works on it */
    TASK_SENDING, /* its result is kept, and is being sent or will be sent again */
    TASK_SENT,    /* the broker has it */
    TASK_LOST,    /* given up, or the round went on */
};

struct run_task {
    enum task_state state;
    int32_t round, attempt;
    enum task task;
    char id[24];
    struct stream_set base;
    int revivals;
    int64_t begun_ms;  /* by the trainer; 0: not yet */
    int64_t bytes;     /* of its result */
    char reason[1024]; /* why it is given up; empty: it is not, or the log knows */
};

struct run_model {
    struct stream_set streams;
    int fd; /* -1: none */
};

struct run {
    const struct run_site *site;
    char job[32], name[80];
    struct intake_job origin;
    const struct job_spec *spec;        /* in it */
    struct manifest_model signed_model; /* the initial one; once unpacked */
    char folder[PATH_MAX], socket[PATH_MAX];

    struct download *download;
    bool unpacked;
    char broken[640]; /* why no task can be done here; empty: all is well */
    struct run_model model, next;
    struct stream_set failed; /* the last model that could not be fetched, */
    int n_failures;           /* how often, */
    int64_t retry_ms;         /* and when to try again */

    struct scope scope;
    struct upload *upload;
    struct run_task task;
    int64_t resend_ms; /* when a failed sending is tried again; 0: none failed */

    struct policy_limits limits; /* of the site, for the trainer */
    struct link *link;
    struct process *process;
    struct bucket lines; /* of the trainer that others get to see: what it prints and logs */
    size_t n_left_out;
    bool asked;               /* the trainer waits for a task */
    char given[24];           /* id of the task it works on; empty: none */
    bool was_launched;        /* at least once */
    int32_t launched_for;     /* the task that was due when the process was started, -1: none */
    int64_t term_ms, kill_ms; /* when it gets SIGTERM and SIGKILL; 0: it may run */

    bool ending;
    char outcome[16], reason[256];
};

/* A line for the job's log. */
void run_say(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line for the site's audit log, about this job. */
enum anb_status run_audit(struct run *run, enum audit_what what, const char *outcome, const char *detail,
                          struct anb_error *err);
int64_t run_now_ms(const struct run *run);

void run_model_step(struct run *run, const struct duty *duty);
void run_model_forget(struct run_model *model);
bool run_has_model(const struct run *run); /* the task's */

void run_task_step(struct run *run, const struct duty *duty, bool settled);
void run_task_offer(struct run *run); /* to a trainer that waits */
void run_task_result(struct run *run, const struct message *message, int *fd);
void run_task_give_up(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum anb_status run_task_collect(struct run *run, struct anb_error *err); /* FATAL only */

void run_launch(struct run *run);
uid_t run_trainer_uid(const struct run *run); /* of its processes */
void run_trainer_line(void *run, const char *source, const char *text);
void run_trainer_ended(void *run, int wait_status);

enum anb_status run_trainer_listen(struct run *run, struct anb_error *err);
void run_trainer_step(struct run *run);
/* Tell it that the job is over and let it end: SIGTERM after `grace_ms`, then SIGKILL. */
void run_trainer_wind_down(struct run *run, const char *outcome, const char *reason, int64_t grace_ms);

#endif
