#include "agent.h"

#include "answering.h"
#include "base/file.h"
#include "base/log.h"
#include "process.h"
#include "run.h"
#include "site.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { TICK_MS = 250, SWEEP_TICKS = 8 };

struct slot {
    struct run *run; /* NULL: free */
    struct duty duty;
};

struct agent {
    struct run_site site;
    char data_folder[PATH_MAX], socket_folder[PATH_MAX], policy_file[PATH_MAX];
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t tick;
    atomic_bool stop;
    bool is_stopping;
    int64_t n_ticks;
    struct slot slots[AGENT_MAX_RUNS];
    struct intake_site intake;
    struct answering *answering;
    pthread_mutex_t lock; /* for `failure` */
    struct anb_error failure;
};

/* -- jobs that run */

static struct slot *slot_of(struct agent *agent, const char *job)
{
    for (int i = 0; i < AGENT_MAX_RUNS; i++)
        if (agent->slots[i].run && strcmp(run_job(agent->slots[i].run), job) == 0) return &agent->slots[i];
    return NULL;
}

static struct slot *free_slot(struct agent *agent)
{
    for (int i = 0; i < AGENT_MAX_RUNS; i++)
        if (!agent->slots[i].run) return &agent->slots[i];
    return NULL;
}

/* Under the node's lock: in order of submission, as long as there is a place. */
static void begin_runs(struct agent *agent, const struct federation *federation)
{
    for (size_t i = 0; i < federation_n_jobs(federation); i++) {
        struct duty duty;
        struct anb_error err;
        const struct job_state *job = federation_job_at(federation, i);
        duty_of(job, node_name(agent->site.node), &duty);
        if ((duty.kind != DUTY_STAND_BY && duty.kind != DUTY_TASK) || slot_of(agent, job->id)) continue;
        struct slot *slot = free_slot(agent);
        if (!slot) return;
        if (run_new(&agent->site, job, &slot->run, &err) != ANB_OK) {
            log_event(LOG_ERROR, "run-failed", "job=%s reason=%s", job->id, err.text);
            slot->run = NULL;
            return; /* tried again at the next turn */
        }
        log_event(LOG_INFO, "run-begins", "job=%s", job->id);
    }
}

static void fail(struct agent *agent, const struct anb_error *err)
{
    pthread_mutex_lock(&agent->lock);
    if (agent->failure.status == ANB_OK) agent->failure = *err;
    pthread_mutex_unlock(&agent->lock);
}

static void read_duties(struct agent *agent)
{
    struct node *node = agent->site.node;
    const struct federation *federation = node_lock(node);
    if (!agent->is_stopping) begin_runs(agent, federation);
    for (int i = 0; i < AGENT_MAX_RUNS; i++) {
        struct slot *slot = &agent->slots[i];
        if (slot->run) duty_of(federation_job(federation, run_job(slot->run)), node_name(node), &slot->duty);
    }
    node_unlock(node);
}

static void step_runs(struct agent *agent, bool settled)
{
    for (int i = 0; i < AGENT_MAX_RUNS; i++) {
        struct slot *slot = &agent->slots[i];
        struct anb_error err;
        if (!slot->run) continue;
        if (agent->is_stopping) run_stop(slot->run);
        if (run_step(slot->run, &slot->duty, settled, &err) != ANB_OK) fail(agent, &err);
        if (!run_is_over(slot->run)) continue;
        run_free(slot->run);
        slot->run = NULL;
    }
}

static void report(struct agent *agent)
{
    struct run_activity most = {.word = "idle", .round = -1}, one;
    const char *job = NULL;
    for (int i = 0; i < AGENT_MAX_RUNS; i++) {
        if (!agent->slots[i].run) continue;
        run_activity(agent->slots[i].run, &one);
        if (one.rank <= most.rank) continue;
        most = one;
        job = run_job(agent->slots[i].run);
    }
    node_set_activity(agent->site.node, most.word, job, most.round, most.done, most.total);
}

static bool is_empty(const struct agent *agent)
{
    for (int i = 0; i < AGENT_MAX_RUNS; i++)
        if (agent->slots[i].run) return false;
    return true;
}

static void turn(struct agent *agent)
{
    agent->is_stopping = atomic_load(&agent->stop);
    bool settled = !node_is_behind(agent->site.node); /* before the state is read: what was appended is then in it */
    if (!agent->is_stopping) answering_step(agent->answering, (int64_t)uv_now(&agent->loop));
    read_duties(agent);
    step_runs(agent, settled);
    report(agent);
    if (agent->is_stopping && is_empty(agent)) uv_stop(&agent->loop);
}

/* -- the thread */

static void on_wake(uv_async_t *handle)
{
    turn(handle->data);
}

/* What trainers that still run have left to this process. */
static void sweep(struct agent *agent)
{
    if (++agent->n_ticks % SWEEP_TICKS != 0) return;
    size_t n = process_sweep();
    if (n > 0) log_event(LOG_WARN, "strays-killed", "n=%zu", n);
}

static void on_tick(uv_timer_t *handle)
{
    turn(handle->data);
    sweep(handle->data);
}

static void *agent_main(void *context)
{
    struct agent *agent = context;
    uv_run(&agent->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&agent->wake, NULL);
    uv_close((uv_handle_t *)&agent->tick, NULL);
    uv_run(&agent->loop, UV_RUN_DEFAULT); /* the closings */
    return NULL;
}

static void wake(void *owner)
{
    agent_wake(owner);
}

/* Trainers died with the agent that made them; what it left on the disk goes. */
static enum anb_status tidy(struct agent *agent, struct anb_error *err)
{
    char jobs[PATH_MAX + 8];
    snprintf(jobs, sizeof jobs, "%s/jobs", agent->data_folder);
    enum anb_status status = file_remove_folder(jobs, err);
    return status == ANB_OK ? site_make_folders(agent->site.confine, agent->data_folder, err) : status;
}

static enum anb_status open_loop(struct agent *agent, struct anb_error *err)
{
    int rc = uv_loop_init(&agent->loop);
    if (rc != 0) return anb_fail(err, ANB_IO, "no event loop: %s", uv_strerror(rc));
    uv_async_init(&agent->loop, &agent->wake, on_wake);
    uv_timer_init(&agent->loop, &agent->tick);
    agent->wake.data = agent->tick.data = agent;
    uv_timer_start(&agent->tick, on_tick, 0, TICK_MS);
    rc = pthread_create(&agent->thread, NULL, agent_main, agent);
    return rc == 0 ? ANB_OK : anb_fail_errno(err, rc, "cannot start the agent's thread");
}

static const struct confine_site plain;

enum anb_status agent_start(struct node *node, const struct agent_config *config, struct agent **out,
                            struct anb_error *err)
{
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent) return anb_fail(err, ANB_NO_MEMORY, "no memory for the agent");
    snprintf(agent->data_folder, sizeof agent->data_folder, "%s", config->data_folder);
    snprintf(agent->socket_folder, sizeof agent->socket_folder, "%s",
             config->socket_folder ? config->socket_folder : config->data_folder);
    snprintf(agent->policy_file, sizeof agent->policy_file, "%s", config->policy_file ? config->policy_file : "");
    agent->intake =
        (struct intake_site){node_trust(node), config->policy_file ? agent->policy_file : NULL, config->audit};
    agent->site = (struct run_site){.node = node,
                                    .intake = &agent->intake,
                                    .loop = &agent->loop,
                                    .data_folder = agent->data_folder,
                                    .socket_folder = agent->socket_folder,
                                    .grace_ms = config->grace_ms,
                                    .wake = wake,
                                    .owner = agent,
                                    .confine = config->confine ? config->confine : &plain,
                                    .audit = config->audit};
    pthread_mutex_init(&agent->lock, NULL);
    enum anb_status status = tidy(agent, err);
    if (status == ANB_OK) status = answering_new(node, &agent->intake, wake, agent, &agent->answering, err);
    if (status == ANB_OK) status = open_loop(agent, err);
    if (status == ANB_OK) {
        *out = agent;
        return ANB_OK;
    }
    answering_free(agent->answering);
    free(agent);
    return status;
}

void agent_wake(struct agent *agent)
{
    uv_async_send(&agent->wake);
}

bool agent_has_failed(struct agent *agent, struct anb_error *err)
{
    pthread_mutex_lock(&agent->lock);
    bool failed = agent->failure.status != ANB_OK;
    if (failed) *err = agent->failure;
    pthread_mutex_unlock(&agent->lock);
    return failed;
}

void agent_stop(struct agent *agent)
{
    if (!agent) return;
    atomic_store(&agent->stop, true);
    agent_wake(agent);
    pthread_join(agent->thread, NULL);
    answering_free(agent->answering);
    uv_loop_close(&agent->loop);
    pthread_mutex_destroy(&agent->lock);
    free(agent);
}
