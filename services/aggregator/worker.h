/* Threads that fold: each takes one share at a time, so a slow site of one job does not hold up another job.
 *
 * workers_start and workers_stop are the owner's; between them the workers live on their own. */
#ifndef ANB_AGGREGATOR_WORKER_H
#define ANB_AGGREGATOR_WORKER_H

#include "node/node.h"

enum { MAX_WORKERS = 16 };

struct workers;

enum anb_status workers_start(struct node *node, int n_workers, struct workers **workers, struct anb_error *err);
void workers_stop(struct workers *workers); /* what is being folded is given up */

#endif
