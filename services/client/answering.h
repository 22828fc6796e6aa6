/* Answering jobs: for each one that asks this site, its folder is fetched and judged (intake.h), and the verdict goes
 * to the control log. One job at a time, on a worker; the agent's thread only. */
#ifndef ANB_CLIENT_ANSWERING_H
#define ANB_CLIENT_ANSWERING_H

#include "intake.h"
#include "node/node.h"

struct answering;

/* `wake(owner)` runs on the worker's thread when a verdict is there. */
enum anb_status answering_new(struct node *node, const struct intake_site *site, void (*wake)(void *owner), void *owner,
                              struct answering **answering, struct anb_error *err);
/* Go on: take a verdict, look for the next job. May be called at any time and any number of times. */
void answering_step(struct answering *answering, int64_t now_ms);
void answering_free(struct answering *answering); /* cancels; NULL is fine */

#endif
