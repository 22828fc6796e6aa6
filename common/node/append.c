/* Appending: heads, order, and what is still on its way. */
#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "node/node.h"
#include "node/node_private.h"
#include "node/signed.h"
#include "node/speech.h"
#include "node/voice.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

enum {
    APPEND_TIMEOUT_MS = 30000,
    SETTLE_TIMEOUT_MS = 2000,
    ROOM_WAIT_MS = 50,
    TELEMETRY_ROOM_MS = 1000,
    ROSTER_ROOM_MS = 1000,
    TEXT_MAX_BYTES = 8192
};

struct waiter { /* on the stack of who waits for a delivery; guarded by count_lock */
    bool done;
    enum anb_status status;
};

struct pending { /* one record until the broker has it */
    struct node *node;
    int64_t sequence;      /* 0: not a control record */
    struct waiter *waiter; /* NULL: nobody waits, or no longer; guarded by count_lock */
    struct buf bytes;
};

static void free_pending(struct pending *pending)
{
    buf_fini(&pending->bytes);
    free(pending);
}

/* Under count_lock. */
static void count(struct node *node, const struct pending *pending, int by)
{
    node->n_in_flight += by;
    if (pending->sequence) node->n_control_in_flight += by;
}

static void delivered(void *context, enum anb_status status, int64_t offset)
{
    (void)offset;
    struct pending *pending = context;
    struct node *node = pending->node;
    pthread_mutex_lock(&node->count_lock);
    count(node, pending, -1);
    if (status == ANB_OK && pending->sequence > node->last_delivered) node->last_delivered = pending->sequence;
    if (status != ANB_OK && !pending->sequence) node->n_dropped++;
    if (pending->waiter) {
        *pending->waiter = (struct waiter){true, status};
        pthread_cond_broadcast(&node->delivery);
    }
    pthread_mutex_unlock(&node->count_lock);
    if (status != ANB_OK && pending->sequence)
        log_event(LOG_ERROR, "record-lost", "sequence=%lld reason=%s", (long long)pending->sequence,
                  anb_status_word(status));
    free_pending(pending);
}

static enum anb_status encode(struct node *node, struct record *record, struct pending **out, struct anb_error *err)
{
    struct pending *pending = calloc(1, sizeof *pending);
    if (!pending) return anb_fail(err, ANB_NO_MEMORY, "no memory for a record");
    pending->node = node;
    buf_init(&pending->bytes, record_max_bytes(record->kind) + SIGNATURE_BYTES);
    enum anb_status status = voice_write(node->voice, record, &pending->bytes, err);
    if (status == ANB_OK) status = signed_seal(node->trust, &pending->bytes, err);
    if (status == ANB_OK)
        *out = pending;
    else
        free_pending(pending);
    return status;
}

/* Hand over without waiting for the broker; waits up to `room_ms` while the bus is full. Takes `pending` when it gives
 * OK. */
static enum anb_status hand_over(struct node *node, const char *topic, int32_t partition, struct slice key,
                                 struct pending *pending, int64_t room_ms, struct anb_error *err)
{
    struct bus_append append = {topic, partition, key, buf_slice(&pending->bytes), delivered, pending};
    int64_t deadline_ms = clock_monotonic_ms() + room_ms;
    pthread_mutex_lock(&node->count_lock);
    count(node, pending, 1);
    pthread_mutex_unlock(&node->count_lock);
    enum anb_status status;
    while ((status = bus_append(node->bus, &append, err)) == ANB_AGAIN && clock_monotonic_ms() < deadline_ms)
        bus_wait_room(node->bus, ROOM_WAIT_MS);
    if (status == ANB_OK) return ANB_OK;
    pthread_mutex_lock(&node->count_lock);
    count(node, pending, -1);
    pthread_mutex_unlock(&node->count_lock);
    return status;
}

static void stamp(struct node *node, struct record *record, int64_t sequence)
{
    struct head *head = record_head(record);
    head->project = node->project;
    head->node = node->name;
    head->incarnation = node->incarnation;
    head->sequence = sequence;
    head->time_ms = bus_now_ms(node->bus);
}

/* Outside of append_lock, so that one slow acknowledgement holds up nobody else. */
static enum anb_status await_delivery(struct node *node, struct pending *pending, struct waiter *waiter,
                                      struct anb_error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + APPEND_TIMEOUT_MS;
    pthread_mutex_lock(&node->count_lock);
    while (!waiter->done && condition_wait(&node->delivery, &node->count_lock, deadline_ms)) {}
    struct waiter seen = *waiter;
    if (!seen.done) pending->waiter = NULL; /* it is still on its way, and will free itself */
    pthread_mutex_unlock(&node->count_lock);
    if (!seen.done) return anb_fail(err, ANB_TIMEOUT, "no acknowledgement in %d s", APPEND_TIMEOUT_MS / 1000);
    return seen.status == ANB_OK ? ANB_OK : anb_fail(err, seen.status, "the broker did not take it");
}

enum anb_status node_append(struct node *node, struct record *record, bool wait, struct anb_error *err)
{
    struct waiter waiter = {.done = false};
    struct pending *pending = NULL;
    pthread_mutex_lock(&node->append_lock);
    stamp(node, record, node->sequence + 1);
    enum anb_status status = encode(node, record, &pending, err);
    if (status == ANB_OK) {
        pending->sequence = ++node->sequence;
        if (wait) pending->waiter = &waiter;
        status = hand_over(node, node->control, 0, (struct slice){0}, pending, APPEND_TIMEOUT_MS, err);
        if (status != ANB_OK) free_pending(pending);
    }
    pthread_mutex_unlock(&node->append_lock);
    if (status == ANB_OK && wait) status = await_delivery(node, pending, &waiter, err);
    if (status != ANB_OK) anb_error_prefix(err, "%s was not written to the control log: ", record_name(record->kind));
    return status;
}

bool node_is_behind(struct node *node)
{
    pthread_mutex_lock(&node->count_lock);
    bool behind = node->n_control_in_flight > 0 || node->last_seen < node->last_delivered;
    pthread_mutex_unlock(&node->count_lock);
    return behind;
}

enum anb_status node_announce(struct node *node, struct anb_error *err)
{
    struct record up = {.kind = RECORD_NODE_UP, .is.node_up = {.role = node->role, .version = node->version}};
    arena_reset(&node->arena);
    enum anb_status status = speech_announce(node, &node->arena, &up.is.node_up, err);
    return status == ANB_OK ? node_append(node, &up, true, err) : status;
}

bool node_settle(struct node *node)
{
    int64_t deadline_ms = clock_monotonic_ms() + SETTLE_TIMEOUT_MS;
    for (;;) {
        pthread_mutex_lock(&node->count_lock);
        bool idle = node->n_in_flight == 0;
        pthread_mutex_unlock(&node->count_lock);
        if (idle || clock_monotonic_ms() > deadline_ms) return idle;
        clock_sleep_ms(1);
    }
}

/* -- pulses, telemetry, rosters: not part of the sender's order */

static enum anb_status send_aside(struct node *node, const char *topic, int32_t partition, const char *key,
                                  struct record *record, int64_t room_ms, struct anb_error *err)
{
    struct pending *pending = NULL;
    stamp(node, record, 0);
    enum anb_status status = encode(node, record, &pending, err);
    if (status != ANB_OK) return status;
    status = hand_over(node, topic, partition, slice_of_text(key), pending, room_ms, err);
    if (status != ANB_OK) free_pending(pending);
    return status;
}

enum anb_status node_append_roster(struct node *node, struct record *record, struct anb_error *err)
{
    return send_aside(node, node->control, 0, NULL, record, ROSTER_ROOM_MS, err);
}

void node_set_activity(struct node *node, const char *activity, const char *job, int32_t round, int64_t bytes_done,
                       int64_t bytes_total)
{
    pthread_mutex_lock(&node->lock);
    strncpy(node->activity_word, activity, sizeof node->activity_word - 1);
    strncpy(node->activity_job, job ? job : "", sizeof node->activity_job - 1);
    node->activity.round = round;
    node->activity.bytes_done = bytes_done;
    node->activity.bytes_total = bytes_total;
    pthread_mutex_unlock(&node->lock);
}

static size_t list_refusals(struct node *node, struct refused refused[STREAM_N_REFUSALS])
{
    size_t n = 0;
    for (int i = 0; i < STREAM_N_REFUSALS; i++) {
        long long count = atomic_load(&node->stream_refusals.counts[i]);
        if (count > 0) refused[n++] = (struct refused){stream_refusal_word((enum stream_refusal)i), count};
    }
    return n;
}

void node_send_pulse(struct node *node)
{
    struct refused refused[STREAM_N_REFUSALS];
    char word[sizeof node->activity_word], job[sizeof node->activity_job];
    pthread_mutex_lock(&node->lock);
    memcpy(word, node->activity_word, sizeof word);
    memcpy(job, node->activity_job, sizeof job);
    struct record record = {.kind = RECORD_PULSE, .is.pulse = node->activity};
    pthread_mutex_unlock(&node->lock);
    record.is.pulse.role = node->role;
    record.is.pulse.activity = word;
    record.is.pulse.job = job;
    record.is.pulse.refused = refused;
    record.is.pulse.n_refused = list_refusals(node, refused);
    send_aside(node, node->pulse, 0, NULL, &record, 0, NULL);
}

/* All of a job goes to one partition, so that its order is kept (FNV-1a). */
static int32_t telemetry_partition(const struct node *node, const char *job)
{
    uint32_t hash = 2166136261u;
    for (; *job; job++) hash = (hash ^ (unsigned char)*job) * 16777619u;
    return (int32_t)(hash % (uint32_t)node->telemetry_partitions);
}

void node_telemetry(struct node *node, const char *job, int32_t round, const char *source, const char *key,
                    double value, int64_t step, const char *text)
{
    char cut[TEXT_MAX_BYTES];
    strncpy(cut, text ? text : "", sizeof cut - 1);
    cut[sizeof cut - 1] = 0;
    struct record record = {.kind = RECORD_TELEMETRY,
                            .is.telemetry = {.job = job,
                                             .round = round,
                                             .source = source,
                                             .key = key ? key : "",
                                             .value = value,
                                             .step = step,
                                             .text = cut}};
    struct anb_error err;
    if (send_aside(node, node->telemetry, telemetry_partition(node, job), NULL, &record, TELEMETRY_ROOM_MS, &err) ==
        ANB_OK)
        return;
    pthread_mutex_lock(&node->count_lock);
    int64_t n = ++node->n_dropped;
    pthread_mutex_unlock(&node->count_lock);
    if ((n & (n - 1)) == 0) log_event(LOG_WARN, "telemetry-dropped", "count=%lld reason=%s", (long long)n, err.text);
}
