/* The shell around federation_decide: claims leadership, appends decisions, carries out what users order.
 *
 * The owner thread calls conductor_step after each poll. A server claims once it has caught up; it follows when another
 * claims a higher epoch, and claims again when that one has died. What it appends counts when it comes back through the
 * control log; until then it decides nothing more. The other functions may be called from any thread. */
#ifndef ANB_SERVER_CONDUCTOR_H
#define ANB_SERVER_CONDUCTOR_H

#include "node/node.h"

struct conductor;

enum order { ORDER_ABORT, ORDER_DELETE };

enum anb_status conductor_new(struct node *node, struct conductor **conductor, struct anb_error *err);
void conductor_free(struct conductor *conductor);

/* Returns how long the owner may wait for a record before the next step. */
int64_t conductor_step(struct conductor *conductor);

bool conductor_leads(const struct conductor *conductor);
/* Its first claim has come back: it leads or follows. */
bool conductor_is_ready(const struct conductor *conductor);
/* UNAVAILABLE names the server that leads. */
enum anb_status conductor_may_change(const struct conductor *conductor, struct anb_error *err);
/* Have the owner thread append JobEnded (aborted) or JobDeleted, where the job's state allows it. Look at the state for
 * the outcome. AGAIN: too many orders at once. */
enum anb_status conductor_give_order(struct conductor *conductor, enum order order, const char *job,
                                     struct anb_error *err);

#endif
