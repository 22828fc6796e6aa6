#include "worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "folding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

enum { STEP_MS = 20, IDLE_MS = 500, PAUSE_MS = 200, DUTY_ARENA_BYTES = 4 << 20, JOB_BYTES = 32 };

struct worker {
    struct workers *all;
    pthread_t thread;
    struct folding_bench bench;
    struct arena arena;
    char job[JOB_BYTES]; /* taken; "" none. Guarded by the node's lock */
};

struct workers {
    struct node *node;
    atomic_bool stop;
    int n;
    struct worker list[MAX_WORKERS];
};

static bool is_taken(void *context, const char *job)
{
    const struct workers *all = context;
    for (int i = 0; i < MAX_WORKERS; i++)
        if (strcmp(all->list[i].job, job) == 0) return true;
    return false;
}

static bool take_duty(struct worker *worker, struct duty *duty)
{
    struct node *node = worker->all->node;
    arena_reset(&worker->arena);
    const struct federation *federation = node_lock(node);
    bool found = duty_find(federation, node_name(node), is_taken, worker->all, &worker->arena, duty);
    if (found) snprintf(worker->job, sizeof worker->job, "%s", duty->job);
    node_unlock(node);
    return found;
}

static void drop_duty(struct worker *worker)
{
    node_lock(worker->all->node);
    worker->job[0] = 0;
    node_unlock(worker->all->node);
}

static enum anb_status run_folding(struct worker *worker, struct folding *folding, struct anb_error *err)
{
    enum anb_status status = ANB_AGAIN;
    while (status == ANB_AGAIN && !atomic_load(&worker->all->stop)) status = folding_step(folding, STEP_MS, err);
    return status == ANB_AGAIN ? anb_fail(err, ANB_ABANDONED, "this node is stopping") : status;
}

static enum anb_status fold_duty(struct worker *worker, struct duty *duty)
{
    struct folding *folding = NULL;
    struct anb_error err = {.text = ""};
    int64_t begun_ms = clock_monotonic_ms();
    node_set_activity(worker->all->node, "folding", duty->job, duty->round, 0, 0);
    enum anb_status status = folding_new(&worker->bench, duty, &folding, &err);
    if (status == ANB_OK) status = run_folding(worker, folding, &err);
    folding_free(folding);
    node_set_activity(worker->all->node, "idle", "", 0, 0, 0);
    if (status == ANB_CLOSED)
        log_event(LOG_INFO, "share-closed", "job=%s round=%d attempt=%d updates=%zu ms=%lld", duty->job, duty->round,
                  duty->attempt, duty->n_inputs, (long long)(clock_monotonic_ms() - begun_ms));
    else
        log_event(LOG_WARN, "share-given-up", "job=%s round=%d attempt=%d reason=%s", duty->job, duty->round,
                  duty->attempt, err.text);
    return status;
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    struct node *node = worker->all->node;
    int64_t seen = 0;
    while (!atomic_load(&worker->all->stop)) {
        struct duty duty;
        if (!take_duty(worker, &duty)) {
            seen = node_wait(node, seen, IDLE_MS);
            continue;
        }
        enum anb_status status = fold_duty(worker, &duty);
        if (status != ANB_CLOSED && status != ANB_ABANDONED) clock_sleep_ms(PAUSE_MS);
        /* What was just closed or given up shows in the state only when it has come back. */
        for (int waited = 0; node_is_behind(node) && waited < IDLE_MS; waited++) clock_sleep_ms(1);
        drop_duty(worker);
    }
    return NULL;
}

static enum anb_status start_worker(struct workers *all, struct worker *worker, struct anb_error *err)
{
    worker->all = all;
    worker->bench.node = all->node;
    arena_init(&worker->arena, DUTY_ARENA_BYTES);
    enum anb_status status =
        stream_inbox_new(node_bus(all->node), BUS_MANY, node_stream_refusals(all->node), &worker->bench.inbox, err);
    if (status != ANB_OK) return status;
    int failed = pthread_create(&worker->thread, NULL, run_worker, worker);
    if (!failed) return ANB_OK;
    stream_inbox_free(worker->bench.inbox);
    return anb_fail_errno(err, failed, "cannot start a thread");
}

enum anb_status workers_start(struct node *node, int n_workers, struct workers **out, struct anb_error *err)
{
    struct workers *all = calloc(1, sizeof *all);
    if (!all) return anb_fail(err, ANB_NO_MEMORY, "no memory for workers");
    all->node = node;
    enum anb_status status = ANB_OK;
    while (status == ANB_OK && all->n < n_workers) {
        status = start_worker(all, &all->list[all->n], err);
        if (status == ANB_OK) all->n++;
    }
    if (status == ANB_OK)
        *out = all;
    else
        workers_stop(all);
    return status;
}

void workers_stop(struct workers *all)
{
    if (!all) return;
    atomic_store(&all->stop, true);
    for (int i = 0; i < all->n; i++) {
        struct worker *worker = &all->list[i];
        pthread_join(worker->thread, NULL);
        stream_inbox_free(worker->bench.inbox);
        layout_free(worker->bench.layout);
        arena_fini(&worker->arena);
    }
    free(all);
}
