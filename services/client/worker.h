/* One thread that does one long piece of work at a time, for an owner that must not wait: start, be woken, collect. */
#ifndef ANB_CLIENT_WORKER_H
#define ANB_CLIENT_WORKER_H

#include "base/status.h"

#include <stdbool.h>

struct worker;

struct worker_config {
    void (*work)(void *context); /* on the worker's thread */
    void (*wake)(void *owner);   /* on the worker's thread, when the work is done */
    void *context, *owner;
};

enum anb_status worker_new(const struct worker_config *config, struct worker **worker, struct anb_error *err);
void worker_free(struct worker *worker); /* waits for the work in progress; NULL is fine */
/* The owner's thread. Start only when idle; what `work` reads must be ready before. */
void worker_start(struct worker *worker);
bool worker_is_idle(struct worker *worker); /* nothing runs, nothing waits to be collected */
bool worker_collect(struct worker *worker); /* true once for each finished work: what it wrote can be read */

#endif
