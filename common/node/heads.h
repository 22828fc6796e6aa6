/* A node tells the others how far its audit log is: AuditHead records in the control log. A roster that has come into
 * force is written down on the way. The owner's thread. */
#ifndef ANB_NODE_HEADS_H
#define ANB_NODE_HEADS_H

#include "audit/audit.h"
#include "node/node.h"

/* When it is due; `now`: in any case, as before the end. What cannot be told now is told with the next head. */
void heads_tell(struct node *node, struct audit *audit, bool now);

#endif
