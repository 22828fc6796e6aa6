/* What an aggregator has to do now, read off the state: which share of which round can be folded.
 *
 * Pure; the caller holds the node's lock. */
#ifndef ANB_AGGREGATOR_DUTY_H
#define ANB_AGGREGATOR_DUTY_H

#include "job/federation.h"

struct duty_input {
    const char *site;
    struct id stream;
    bool is_heard; /* the weight is known here */
    double weight;
};

struct duty {
    const char *job;
    int32_t round, attempt;
    const char *rule;
    bool needs_base;           /* an input is a change (DIFF) */
    uint64_t partitions;       /* the share of this node */
    struct duty_input *inputs; /* sorted by site */
    size_t n_inputs;
    struct id *base;
    size_t n_base;
};

/* The first share, in order of submission, that `node` has not closed, whose updates have all been opened, and that
 * `is_taken` does not refuse. Its texts and arrays are copied into `arena`. False: nothing to do, or no memory. */
bool duty_find(const struct federation *federation, const char *node, bool (*is_taken)(void *context, const char *job),
               void *context, struct arena *arena, struct duty *duty);
/* The weights that have become known since. The number of the first input whose weight is not; n_inputs: all are. */
size_t duty_hear(const struct federation *federation, struct duty *duty);
/* False once folding on would be in vain: the round was cut or closed, an input was replaced or given up. */
bool duty_is_current(const struct federation *federation, const char *node, const struct duty *duty);

#endif
