#include "worker.h"

#include <pthread.h>
#include <stdlib.h>

enum worker_state { IDLE, ORDERED, DONE };

struct worker {
    struct worker_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum worker_state state;
    bool quit;
};

static void *worker_main(void *context)
{
    struct worker *worker = context;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (worker->state != ORDERED && !worker->quit) pthread_cond_wait(&worker->changed, &worker->lock);
        if (worker->quit) break;
        pthread_mutex_unlock(&worker->lock);
        worker->config.work(worker->config.context);
        pthread_mutex_lock(&worker->lock);
        worker->state = DONE;
        pthread_mutex_unlock(&worker->lock);
        worker->config.wake(worker->config.owner);
        pthread_mutex_lock(&worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

enum anb_status worker_new(const struct worker_config *config, struct worker **out, struct anb_error *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) return anb_fail(err, ANB_NO_MEMORY, "no memory for a worker");
    worker->config = *config;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    int rc = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (rc == 0) {
        *out = worker;
        return ANB_OK;
    }
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->changed);
    free(worker);
    return anb_fail_errno(err, rc, "cannot start a worker");
}

void worker_free(struct worker *worker)
{
    if (!worker) return;
    pthread_mutex_lock(&worker->lock);
    worker->quit = true;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->changed);
    free(worker);
}

void worker_start(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->state = ORDERED;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

bool worker_is_idle(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool idle = worker->state == IDLE;
    pthread_mutex_unlock(&worker->lock);
    return idle;
}

bool worker_collect(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool done = worker->state == DONE;
    if (done) worker->state = IDLE;
    pthread_mutex_unlock(&worker->lock);
    return done;
}
