/* The outbox topics of the nodes that come up: a server creates them, the nodes wait for them. One thread of its own,
 * since a broker takes its time for a topic and the federation must not wait for it. */
#ifndef ANB_SERVER_OUTBOXES_H
#define ANB_SERVER_OUTBOXES_H

#include "node/node.h"

struct outboxes;

enum anb_status outboxes_start(struct node *node, struct outboxes **outboxes, struct anb_error *err);
void outboxes_stop(struct outboxes *outboxes);

#endif
