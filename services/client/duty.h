/* What the control log asks of this site for one job, now. Pure: the same state gives the same duty, so an agent that
 * was killed asks again and goes on. The job belongs to the caller, who holds the node's lock; a duty is a copy. */
#ifndef ANB_CLIENT_DUTY_H
#define ANB_CLIENT_DUTY_H

#include "job/federation.h"

enum duty_kind {
    DUTY_NONE,     /* the job is not for this site, or not yet */
    DUTY_ANSWER,   /* say whether this site takes part */
    DUTY_STAND_BY, /* have everything ready; nothing is due */
    DUTY_TASK,     /* answer the task of an open round */
    DUTY_END       /* the job is over */
};

struct stream_set { /* the streams that together are one object */
    struct id ids[MAX_PARTITIONS];
    size_t n;
};

struct duty {
    enum duty_kind kind;
    enum task task; /* of a DUTY_TASK, as round, attempt and base */
    int32_t round, attempt;
    struct stream_set base;
    struct stream_set next; /* what the next task will most likely start from; none: not known, or there is no next */
    enum outcome outcome;   /* of a DUTY_END */
    char reason[256];
};

/* `job` NULL: a job that the log no longer knows is over. */
void duty_of(const struct job_state *job, const char *site, struct duty *duty);
bool stream_set_equal(const struct stream_set *a, const struct stream_set *b); /* in any order */

/* False when the trainer's program is there, in `path` (a PATH) or the job's folder; else the reason says what is
 * missing. */
bool duty_refusal(const struct job_spec *spec, const char *path, char reason[256]);

#endif
