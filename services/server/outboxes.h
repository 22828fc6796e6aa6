/* The outbox topics of the nodes that come up: a server creates them, the nodes wait for them. Owner thread. */
#ifndef ANB_SERVER_OUTBOXES_H
#define ANB_SERVER_OUTBOXES_H

#include "node/node.h"

struct outboxes {
    char **names; /* of the nodes whose topic is known to be there */
    size_t n_names, room;
    int64_t seen_offset; /* of the control log, when all were there */
    int64_t retry_ms;    /* monotonic: not before, after a failure */
};

void outboxes_fini(struct outboxes *outboxes); /* begin with all zero */
/* Create what is missing. Cheap when the control log has not moved; a failure is logged and tried again later. */
void outboxes_ensure(struct outboxes *outboxes, struct node *node);

#endif
