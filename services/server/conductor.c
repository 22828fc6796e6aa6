#include "server/conductor.h"

#include "base/log.h"
#include "wire/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DECISION_ARENA_BYTES = 4 << 20, MAX_ORDERS = 64, IDLE_MS = 100, BEHIND_MS = 1 };

struct conductor {
    struct node *node;
    struct arena arena;
    int64_t claimed_epoch; /* by this process, last; 0: not yet */
    atomic_bool is_ready, leads;
    int64_t decided_at; /* offset of the control log at the last decision */
    int64_t wake_ms;    /* decide again then, though nothing happened */
    pthread_mutex_t lock;
    struct {
        enum order order;
        char job[32];
    } orders[MAX_ORDERS]; /* oldest first */
    size_t n_orders;
};

enum anb_status conductor_new(struct node *node, struct conductor **conductor, struct anb_error *err)
{
    struct conductor *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for the conductor");
    made->node = node;
    made->decided_at = -1;
    arena_init(&made->arena, DECISION_ARENA_BYTES);
    pthread_mutex_init(&made->lock, NULL);
    *conductor = made;
    return ANB_OK;
}

void conductor_free(struct conductor *conductor)
{
    if (!conductor) return;
    arena_fini(&conductor->arena);
    pthread_mutex_destroy(&conductor->lock);
    free(conductor);
}

bool conductor_leads(const struct conductor *conductor)
{
    return atomic_load(&conductor->leads);
}

bool conductor_is_ready(const struct conductor *conductor)
{
    return atomic_load(&conductor->is_ready);
}

enum anb_status conductor_may_change(const struct conductor *conductor, struct anb_error *err)
{
    char name[NAME_MAX_BYTES + 1];
    if (conductor_leads(conductor)) return ANB_OK;
    const char *leader = federation_leader(node_lock(conductor->node));
    snprintf(name, sizeof name, "%s", leader ? leader : "");
    node_unlock(conductor->node);
    if (!*name) return anb_fail(err, ANB_UNAVAILABLE, "no server leads yet: try again in a moment");
    return anb_fail(err, ANB_UNAVAILABLE, "this server does not lead: ask server %s", name);
}

static void append(struct conductor *conductor, struct record *record)
{
    struct anb_error err;
    if (node_append(conductor->node, record, false, &err) != ANB_OK)
        log_event(LOG_WARN, "append-failed", "reason=%s", err.text);
}

/* -- leadership */

struct lead { /* what the control log says */
    int64_t epoch;
    bool is_mine, is_alive;
    char leader[NAME_MAX_BYTES + 1];
};

static void look(const struct conductor *conductor, int64_t now_ms, struct lead *lead)
{
    const struct federation *federation = node_lock(conductor->node);
    const char *leader = federation_leader(federation);
    const struct node_state *state = leader ? federation_node(federation, leader) : NULL;
    lead->epoch = federation_epoch(federation);
    lead->is_mine = leader && strcmp(leader, node_name(conductor->node)) == 0;
    lead->is_alive = state && node_is_alive(state, now_ms);
    snprintf(lead->leader, sizeof lead->leader, "%s", leader ? leader : "");
    node_unlock(conductor->node);
}

static void claim(struct conductor *conductor, int64_t epoch)
{
    struct record record = {.kind = RECORD_LEADER_CLAIMED};
    record.is.leader_claimed.head.epoch = epoch;
    conductor->claimed_epoch = epoch;
    log_event(LOG_INFO, "leadership-claimed", "epoch=%lld", (long long)epoch);
    append(conductor, &record);
}

static void follow_leadership(struct conductor *conductor, int64_t now_ms)
{
    struct lead lead;
    look(conductor, now_ms, &lead);
    bool has_claimed = conductor->claimed_epoch && lead.epoch >= conductor->claimed_epoch;
    bool leads = has_claimed && lead.is_mine;
    if (leads != conductor_leads(conductor)) {
        log_event(leads ? LOG_INFO : LOG_WARN, leads ? "leads" : "follows", "leader=%s epoch=%lld", lead.leader,
                  (long long)lead.epoch);
        conductor->decided_at = -1;
    }
    atomic_store(&conductor->leads, leads);
    if (has_claimed) atomic_store(&conductor->is_ready, true);
    bool must_claim = !conductor->claimed_epoch || (!leads && !lead.is_alive);
    if (must_claim && !node_is_behind(conductor->node)) claim(conductor, lead.epoch + 1);
}

/* -- decisions */

static void decide(struct conductor *conductor, int64_t now_ms)
{
    struct node *node = conductor->node;
    int64_t offset = node_control_offset(node);
    if (offset == conductor->decided_at && now_ms < conductor->wake_ms) return;
    struct record *records = NULL;
    size_t n_records = 0;
    struct anb_error err;
    conductor->decided_at = offset;
    conductor->wake_ms = INT64_MAX;
    arena_reset(&conductor->arena);
    node_lock(node);
    enum anb_status status = federation_decide(node_federation(node), node_name(node), now_ms, &conductor->arena,
                                               &records, &n_records, &conductor->wake_ms, &err);
    node_unlock(node);
    if (status != ANB_OK) {
        log_event(LOG_ERROR, "no-decision", "reason=%s", err.text);
        return;
    }
    for (size_t i = 0; i < n_records; i++) append(conductor, &records[i]);
}

/* -- orders */

enum anb_status conductor_give_order(struct conductor *conductor, enum order order, const char *job,
                                     struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    pthread_mutex_lock(&conductor->lock);
    if (conductor->n_orders == MAX_ORDERS)
        status = anb_fail(err, ANB_AGAIN, "too many orders at once: try again");
    else {
        size_t i = conductor->n_orders++;
        conductor->orders[i].order = order;
        snprintf(conductor->orders[i].job, sizeof conductor->orders[i].job, "%s", job);
    }
    pthread_mutex_unlock(&conductor->lock);
    return status;
}

static bool take_order(struct conductor *conductor, enum order *order, char job[32])
{
    pthread_mutex_lock(&conductor->lock);
    bool taken = conductor->n_orders > 0;
    if (taken) {
        *order = conductor->orders[0].order;
        strcpy(job, conductor->orders[0].job);
        memmove(conductor->orders, conductor->orders + 1, --conductor->n_orders * sizeof *conductor->orders);
    }
    pthread_mutex_unlock(&conductor->lock);
    return taken;
}

static void carry_out(struct conductor *conductor, enum order order, const char *job)
{
    struct record record;
    const struct federation *federation = node_lock(conductor->node);
    const struct job_state *state = federation_job(federation, job);
    bool is_legal = state && (state->phase == JOB_ENDED) == (order == ORDER_DELETE);
    int64_t epoch = federation_epoch(federation);
    node_unlock(conductor->node);
    if (!is_legal || !conductor_leads(conductor)) return;
    if (order == ORDER_ABORT)
        record =
            (struct record){.kind = RECORD_JOB_ENDED,
                            .is.job_ended = {.job = job, .outcome = OUTCOME_ABORTED, .reason = "aborted by request"}};
    else
        record = (struct record){.kind = RECORD_JOB_DELETED, .is.job_deleted = {.job = job}};
    record_head(&record)->epoch = epoch;
    append(conductor, &record);
}

/* An append of ours is on its way: its acknowledgement may come behind the record itself, and nothing wakes us then. */
static int64_t patience_ms(const struct conductor *conductor, int64_t now_ms)
{
    if (node_is_behind(conductor->node)) return BEHIND_MS;
    int64_t wait_ms = conductor_leads(conductor) ? conductor->wake_ms - now_ms : IDLE_MS;
    if (wait_ms > IDLE_MS) wait_ms = IDLE_MS;
    return wait_ms > BEHIND_MS ? wait_ms : BEHIND_MS;
}

int64_t conductor_step(struct conductor *conductor)
{
    enum order order;
    char job[32];
    int64_t now_ms = bus_now_ms(node_bus(conductor->node));
    follow_leadership(conductor, now_ms);
    if (node_is_behind(conductor->node)) return patience_ms(conductor, now_ms);
    if (take_order(conductor, &order, job))
        carry_out(conductor, order, job);
    else if (conductor_leads(conductor))
        decide(conductor, now_ms);
    return patience_ms(conductor, now_ms);
}
