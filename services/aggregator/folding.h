/* Folding one share of one round: from the updates in the log to a model stream in this node's outbox.
 *
 * folding_step never waits longer than it is told; the worker calls it until it says how it ended. The work is
 * repeatable: killed anywhere, another one folds the same bytes from the log. One thread owns a share and its inbox;
 * another one must poll the node. */
#ifndef ANB_AGGREGATOR_FOLDING_H
#define ANB_AGGREGATOR_FOLDING_H

#include "duty.h"
#include "node/node.h"
#include "stream/reader.h"
#include "tensor/layout.h"

struct folding;

/* What outlives a share: cursors, and the layout of the last model. */
struct folding_bench {
    struct node *node;
    struct stream_inbox *inbox;
    struct layout *layout; /* NULL: none yet */
};

enum anb_status folding_new(struct folding_bench *bench, struct duty *duty, struct folding **folding,
                            struct anb_error *err);
void folding_free(struct folding *folding);

/* AGAIN: call again. CLOSED: the share is closed in the log. ABANDONED: the duty is no longer current. Others: it
 * failed; the stream that was opened is abandoned in the log, and a bad update is named there, so that the round can go
 * on without it. */
enum anb_status folding_step(struct folding *folding, int64_t timeout_ms, struct anb_error *err);

#endif
