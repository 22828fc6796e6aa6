/* Who may open a stream. One rule, for the sender, which seals the stream's key for them, and for every node that
 * judges who may ask for it later. Pure; any thread. */
#ifndef ANB_JOB_RECEIVERS_H
#define ANB_JOB_RECEIVERS_H

#include "job/federation.h"

struct stream_audience {
    enum purpose purpose;
    const char *sender;
    const struct job_spec *spec; /* of its job; NULL: not known, so there is nobody but the sender */
    const char *const *sites;    /* of its job; NULL: it has not started, every invited site counts */
    size_t n_sites;
};

/* The audience of what `sender` sends for a job of the state; `job` may be NULL. */
struct stream_audience stream_audience_of(enum purpose purpose, const char *sender, const struct job_state *job);

/*     update           every aggregator: those of the round, and those that may take its share over
 *     model            every aggregator and every site of the job; servers when the job says `results: [server]`
 *     bundle           every site of the job
 *     state            every aggregator
 * and its sender, so that it can seal the key again when it was started anew. A node that is an aggregator and a site
 * is asked about once for each role. */
bool stream_is_for(const struct stream_audience *audience, enum role role, const char *node);

/* -- questions in the control log: StreamKeyAsked without an answer yet */

/* A node that may open a stream and has asked for its key, which the node `self` should give; false: none. It is the
 * sender's to give, or, when that is down, another receiver's. */
struct key_question {
    struct id stream;
    const char *node;
};
bool federation_key_question(const struct federation *federation, const char *self, struct key_question *question);
/* This node has seen to it, whatever came of it; the log does not show that yet. */
void federation_key_answered(struct federation *federation, const struct key_question *question);

#endif
