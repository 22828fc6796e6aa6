#include "node/node.h"

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "node/envelope.h"
#include "node/node_private.h"
#include "node/signed.h"
#include "node/speech.h"
#include "stream/chunks.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_ARENA_BYTES = 1 << 20,
    TOPIC_RETRY_MS = 20,
    ADMIN_TIMEOUT_MS = 5000,
    APPLY_BATCH = 256,
    REFUSALS_LOGGED = 100,
    CLOCK_TOLERANCE_MS = 300000
};

static const int64_t HOUR_MS = 3600 * 1000;

/* -- topics */

static void name_topics(struct node *node)
{
    snprintf(node->control, sizeof node->control, "%s.control", node->project);
    snprintf(node->pulse, sizeof node->pulse, "%s.pulse", node->project);
    snprintf(node->telemetry, sizeof node->telemetry, "%s.telemetry", node->project);
    node_outbox_of(node, node->name, node->outbox);
}

static struct bus_topic outbox_topic(const struct node *node, const char *name)
{
    return (struct bus_topic){.name = name,
                              .partitions = node->partitions,
                              .retention_ms = node->outbox_retention_ms,
                              .retention_bytes = node->outbox_retention_bytes};
}

/* The project's, and the server's own outbox. */
static enum anb_status create_topics(struct node *node, int64_t timeout_ms, struct anb_error *err)
{
    const struct bus_topic topics[] = {
        {.name = node->control, .partitions = 1, .retention_ms = -1, .retention_bytes = -1},
        {.name = node->pulse, .partitions = 1, .retention_ms = HOUR_MS, .retention_bytes = -1},
        {.name = node->telemetry, .partitions = 4, .retention_ms = 7 * 24 * HOUR_MS, .retention_bytes = -1},
        outbox_topic(node, node->outbox),
    };
    return bus_topics_ensure(node->bus, topics, sizeof topics / sizeof *topics, timeout_ms, err);
}

enum anb_status node_create_outbox(struct node *node, const char *name, struct anb_error *err)
{
    char topic[TOPIC_BYTES];
    node_outbox_of(node, name, topic);
    const struct bus_topic outbox = outbox_topic(node, topic);
    return bus_topic_ensure(node->bus, &outbox, ADMIN_TIMEOUT_MS, err);
}

static enum anb_status await_topic(struct node *node, const char *topic, int64_t deadline_ms, int32_t *partitions,
                                   struct anb_error *err)
{
    for (;;) {
        enum anb_status status = bus_topic_partitions(node->bus, topic, ADMIN_TIMEOUT_MS, partitions, err);
        bool may_come = status == ANB_NOT_FOUND || anb_status_class(status) == ANB_CLASS_RETRY;
        if (!may_come) return status;
        if (clock_monotonic_ms() > deadline_ms)
            return anb_fail(err, ANB_TIMEOUT, "topic %s is not there: is the server of project %s running?", topic,
                            node->project);
        clock_sleep_ms(TOPIC_RETRY_MS);
    }
}

/* The brokers may show a new topic before its leaders answer. */
static enum anb_status await_bounds(struct node *node, int32_t partition, int64_t deadline_ms, int64_t *first,
                                    int64_t *end, struct anb_error *err)
{
    enum anb_status status;
    while ((status = bus_bounds(node->bus, node->outbox, partition, ADMIN_TIMEOUT_MS, first, end, err)) != ANB_OK) {
        if (anb_status_class(status) != ANB_CLASS_RETRY || clock_monotonic_ms() > deadline_ms) break;
        clock_sleep_ms(TOPIC_RETRY_MS);
    }
    return status;
}

static enum anb_status check_outbox(struct node *node, int64_t deadline_ms, struct anb_error *err)
{
    int32_t partitions;
    enum anb_status status = await_topic(node, node->outbox, deadline_ms, &partitions, err);
    if (status != ANB_OK) return status;
    if (partitions != node->partitions)
        return anb_fail(err, ANB_INVALID, "topic %s has %d partitions, this node is set to %d: set --partitions %d",
                        node->outbox, partitions, node->partitions, partitions);
    for (int32_t p = 0; p < partitions; p++) {
        int64_t first, end;
        status = await_bounds(node, p, deadline_ms, &first, &end, err);
        if (status != ANB_OK) return status;
        atomic_store(&node->outbox_ends[p], end);
        node->trimmed[p] = first;
    }
    return ANB_OK;
}

enum anb_status node_open_outbox(struct node *node, int64_t timeout_ms, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    pthread_mutex_lock(&node->outbox_lock);
    if (!atomic_load(&node->outbox_is_open)) {
        status = check_outbox(node, clock_monotonic_ms() + timeout_ms, err);
        if (status == ANB_OK) atomic_store(&node->outbox_is_open, true);
    }
    pthread_mutex_unlock(&node->outbox_lock);
    return status;
}

/* A server makes an outbox when it sees the node for the first time; the others need not wait for theirs until they
 * send. */
static enum anb_status look_for_outbox(struct node *node, int64_t timeout_ms, struct anb_error *err)
{
    bool is_server = node->role == ROLE_SERVER;
    enum anb_status status = node_open_outbox(node, is_server ? timeout_ms : 0, err);
    return status == ANB_TIMEOUT && !is_server ? ANB_OK : status;
}

/* -- reading */

static bool is_own(const struct node *node, const struct head *head)
{
    return strcmp(head->project, node->project) == 0 && strcmp(head->node, node->name) == 0;
}

static void note_own(struct node *node, const struct record *record, const struct head *head)
{
    if (!is_own(node, head)) return;
    if (record->kind == RECORD_NODE_UP && node->incarnation && head->incarnation > node->incarnation)
        node->is_replaced = true;
    if (head->incarnation != node->incarnation) return;
    pthread_mutex_lock(&node->count_lock);
    if (head->sequence > node->last_seen) node->last_seen = head->sequence;
    pthread_mutex_unlock(&node->count_lock);
}

/* Repeats and latecomers are what restarts bring. The rest is somebody's mistake or ill will: it is said, but a flood
 * of it does not flood the log; all of it is counted. */
static void log_refusal(struct node *node, enum anb_status status, int64_t offset, const char *reason)
{
    bool harmless = status == ANB_EXISTS;
    if (!harmless && ++node->n_refused > REFUSALS_LOGGED && node->n_refused % REFUSALS_LOGGED != 0) return;
    log_event(harmless ? LOG_DEBUG : LOG_WARN, "record-refused", "offset=%lld reason=%s", (long long)offset, reason);
}

/* When the sender's certificate must be good: at the time that the record gives, and not long before the last word of
 * a server. By the log alone, so that all nodes, now and later, come to the same answer. */
static int64_t time_of_s(const struct node *node, const struct head *head)
{
    int64_t least_ms = node->log_time_ms - CLOCK_TOLERANCE_MS;
    return (head->time_ms > least_ms ? head->time_ms : least_ms) / 1000;
}

/* Verified before the state is locked: a signature takes longer than to fold the record. */
static enum anb_status believe(struct node *node, const struct record *record, const struct bus_message *message,
                               const struct signature *signature, struct anb_error *err)
{
    enum trust_refusal why;
    const struct head *head = record_head_const(record);
    int64_t now_s = head ? time_of_s(node, head) : 0;
    enum anb_status status = signed_check(node->trust, record, message->value, signature, now_s, &why, err);
    if (status == ANB_OK && node_trust_has_role(node->trust, head->node, ROSTER_SERVER))
        node->log_time_ms = head->time_ms;
    if (status != ANB_DENIED) return status;
    pthread_mutex_lock(&node->lock);
    federation_count_refusal(node->federation, trust_refusal_word(why));
    pthread_mutex_unlock(&node->lock);
    return status;
}

static enum anb_status fold(struct node *node, struct record *record, int64_t offset, struct anb_error *err)
{
    note_own(node, record, record_head_const(record));
    enum anb_status status = federation_apply(node->federation, record, offset, bus_now_ms(node->bus), err);
    return status == ANB_OK ? speech_note(node, record, err) : status;
}

static void apply_record(struct node *node, const struct bus_message *message)
{
    struct record record;
    struct signature signature;
    struct anb_error err;
    arena_reset(&node->arena);
    enum anb_status status = signed_read(message->value, &node->arena, &record, &signature, &err);
    bool is_record = status == ANB_OK, is_roster = is_record && record.kind == RECORD_ROSTER_PUBLISHED;
    if (is_roster)
        status = node_take_roster(node, &record.is.roster_published, message->offset, &err);
    else if (is_record)
        status = believe(node, &record, message, &signature, &err);
    if (status == ANB_OK && !is_roster) speech_hear(node, signed_bytes(message->value), &record);
    pthread_mutex_lock(&node->lock);
    if (!is_record) node->n_foreign++;
    if (status == ANB_OK && !is_roster) status = fold(node, &record, message->offset, &err);
    node->control_offset = message->offset + 1;
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->lock);
    if (status != ANB_OK) log_refusal(node, status, message->offset, err.text);
}

enum anb_status node_fold_next(struct node *node, int64_t timeout_ms, struct anb_error *err)
{
    struct bus_message message;
    enum anb_status status = bus_cursor_next(node->control_cursor, timeout_ms, &message, err);
    if (status != ANB_OK) return status;
    apply_record(node, &message);
    bus_message_release(&message);
    return ANB_OK;
}

enum anb_status node_read(struct node *node, struct slice message, struct arena *arena, struct record *record,
                          struct slice *bytes, struct anb_error *err)
{
    struct signature signature;
    enum trust_refusal why;
    enum anb_status status = signed_read(message, arena, record, &signature, err);
    if (status != ANB_OK) return status;
    *bytes = signed_bytes(message);
    return signed_check(node->trust, record, message, &signature, bus_now_ms(node->bus) / 1000, &why, err);
}

static void read_pulses(struct node *node)
{
    struct bus_message message;
    struct record record;
    struct slice bytes;
    for (int i = 0; node->pulse_cursor && i < APPLY_BATCH; i++) {
        if (bus_cursor_next(node->pulse_cursor, 0, &message, NULL) != ANB_OK) return;
        arena_reset(&node->arena);
        bool is_true = node_read(node, message.value, &node->arena, &record, &bytes, NULL) == ANB_OK &&
                       record.kind == RECORD_PULSE;
        pthread_mutex_lock(&node->lock);
        if (is_true)
            federation_pulse(node->federation, &record.is.pulse, bus_now_ms(node->bus));
        else
            node->n_false_pulses++;
        pthread_mutex_unlock(&node->lock);
        bus_message_release(&message);
    }
}

enum anb_status node_poll(struct node *node, int64_t timeout_ms, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    int n = 0;
    for (; n < APPLY_BATCH; n++)
        if ((status = node_fold_next(node, n == 0 ? timeout_ms : 0, err)) != ANB_OK) break;
    speech_share(node);
    read_pulses(node);
    if (bus_now_ms(node->bus) >= node->next_pulse_ms) {
        node_send_pulse(node);
        node_check_own(node); /* its certificate may have expired */
        node->next_pulse_ms = bus_now_ms(node->bus) + NODE_PULSE_MS;
    }
    if (!node->is_replaced) envelope_answer(node);
    if (node->is_replaced)
        return anb_fail(err, ANB_CLOSED, "another process runs as node %s of project %s: stop one of them", node->name,
                        node->project);
    if (node->not_wanted.status != ANB_OK) return anb_fail(err, ANB_CLOSED, "%s", node->not_wanted.text);
    return n > 0 ? ANB_OK : status;
}

static enum anb_status open_cursors(struct node *node, struct anb_error *err)
{
    int64_t first, end;
    enum anb_status status = bus_reader_open(node->bus, BUS_PROMPT, &node->reader, err);
    if (status == ANB_OK) status = bus_bounds(node->bus, node->control, 0, ADMIN_TIMEOUT_MS, &first, &end, err);
    if (status == ANB_OK) status = bus_cursor_open(node->reader, node->control, 0, first, &node->control_cursor, err);
    /* A log that has lost its beginning begins without a roster: the kit's is in force. */
    if (status == ANB_OK && first == 0) node_trust_rewind(node->trust);
    if (status != ANB_OK || node->role != ROLE_SERVER) return status;
    status = bus_bounds(node->bus, node->pulse, 0, ADMIN_TIMEOUT_MS, &first, &end, err);
    /* a reader of its own: a broker answers a reader's questions in turn, and the control log's fetch waits for records
     */
    if (status == ANB_OK) status = bus_reader_open(node->bus, BUS_PROMPT, &node->pulse_reader, err);
    if (status == ANB_OK) status = bus_cursor_open(node->pulse_reader, node->pulse, 0, end, &node->pulse_cursor, err);
    return status;
}

/* Fold the log up to what it holds now. */
static enum anb_status catch_up(struct node *node, int64_t deadline_ms, struct anb_error *err)
{
    int64_t first, end;
    enum anb_status status = bus_bounds(node->bus, node->control, 0, ADMIN_TIMEOUT_MS, &first, &end, err);
    while (status == ANB_OK && node->control_offset < end) {
        status = node_fold_next(node, 100, err);
        if (status == ANB_OK) continue;
        if (anb_status_class(status) == ANB_CLASS_RETRY && clock_monotonic_ms() < deadline_ms)
            status = ANB_OK;
        else
            anb_error_prefix(err, "cannot read %s up to offset %lld: ", node->control, (long long)end);
    }
    return status;
}

static enum anb_status join(struct node *node, struct anb_error *err)
{
    pthread_mutex_lock(&node->lock);
    const struct node_state *before = federation_node(node->federation, node->name);
    node->incarnation = (before ? before->incarnation : 0) + 1;
    pthread_mutex_unlock(&node->lock);
    enum anb_status status = speech_begin(node, err);
    return status == ANB_OK ? node_announce(node, err) : status;
}

static enum anb_status open_steps(struct node *node, const struct node_config *config, struct anb_error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + config->timeout_ms;
    int32_t control_partitions;
    enum anb_status status = ANB_OK;
    status = node_recall_roster(node, config->data_folder, err);
    if (status == ANB_OK && node->role == ROLE_SERVER) status = create_topics(node, config->timeout_ms, err);
    if (status == ANB_OK) status = await_topic(node, node->control, deadline_ms, &control_partitions, err);
    if (status == ANB_OK) status = await_topic(node, node->telemetry, deadline_ms, &node->telemetry_partitions, err);
    if (status == ANB_OK) status = open_cursors(node, err);
    if (status == ANB_OK) status = speech_open(node, err);
    if (status == ANB_OK) status = catch_up(node, deadline_ms, err);
    if (status == ANB_OK) status = node_agree_on_roster(node, deadline_ms, err);
    if (status == ANB_OK) status = join(node, err);
    if (status == ANB_OK) status = look_for_outbox(node, config->timeout_ms, err);
    return status;
}

static enum anb_status check_config(const struct node_config *config, struct anb_error *err)
{
    enum anb_status status = name_check("project", config->project, err);
    if (status == ANB_OK) status = name_check("node", config->name, err);
    if (status == ANB_OK && (!config->trust || strcmp(node_trust_project(config->trust), config->project) != 0 ||
                             strcmp(node_trust_name(config->trust), config->name) != 0))
        status = anb_fail(err, ANB_INVALID, "node %s of project %s has no identity", config->name, config->project);
    if (status == ANB_OK && (config->partitions < 1 || config->partitions > MAX_PARTITIONS))
        status = anb_fail(err, ANB_INVALID, "partitions must be 1..%d, got %d", MAX_PARTITIONS, config->partitions);
    return status;
}

static void init_locks(struct node *node)
{
    condition_init(&node->changed);
    condition_init(&node->delivery);
    pthread_mutex_init(&node->lock, NULL);
    pthread_mutex_init(&node->append_lock, NULL);
    pthread_mutex_init(&node->outbox_lock, NULL);
    pthread_mutex_init(&node->count_lock, NULL);
}

enum anb_status node_open(const struct node_config *config, struct bus *bus, struct node **out, struct anb_error *err)
{
    enum anb_status status = check_config(config, err);
    if (status != ANB_OK) return status;
    struct node *node = calloc(1, sizeof *node);
    if (!node) return anb_fail(err, ANB_NO_MEMORY, "no memory for node %s", config->name);
    init_locks(node);
    arena_init(&node->arena, RECORD_ARENA_BYTES);
    node->bus = bus;
    node->trust = config->trust;
    node->role = config->role;
    node->partitions = config->partitions;
    node->outbox_retention_ms = config->outbox_retention_ms;
    node->outbox_retention_bytes = config->outbox_retention_bytes;
    node->chunk_bytes = config->chunk_bytes ? config->chunk_bytes : CHUNK_DEFAULT_BYTES;
    node->project = strdup(config->project);
    node->name = strdup(config->name);
    node->version = strdup(config->version);
    node->federation = federation_new(config->project, config->partitions, config->keep_history);
    strcpy(node->activity_word, "idle");
    if (!node->project || !node->name || !node->version || !node->federation ||
        !federation_keep_wraps_of(node->federation, config->name))
        status = anb_fail(err, ANB_NO_MEMORY, "no memory for node %s", config->name);
    else {
        name_topics(node);
        status = open_steps(node, config, err);
    }
    if (status == ANB_OK)
        *out = node;
    else
        node_close(node, NULL);
    return status;
}

void node_close(struct node *node, const char *reason)
{
    if (!node) return;
    struct record down = {.kind = RECORD_NODE_DOWN, .is.node_down = {.reason = reason}};
    if (reason && !node->is_replaced) node_append(node, &down, false, NULL);
    bool settled = node_settle(node);
    if (node->reader) bus_reader_close(node->reader);
    if (node->pulse_reader) bus_reader_close(node->pulse_reader);
    if (!settled) { /* the broker is away; the deliveries that may still end need the node, and the process ends anyway
                     */
        log_event(LOG_WARN, "left-unsent", "node=%s", node->name);
        return;
    }
    federation_free(node->federation);
    speech_close(node);
    arena_fini(&node->arena);
    free(node->project);
    free(node->name);
    free(node->version);
    free(node->roster_file);
    pthread_mutex_destroy(&node->lock);
    pthread_mutex_destroy(&node->append_lock);
    pthread_mutex_destroy(&node->outbox_lock);
    pthread_mutex_destroy(&node->count_lock);
    pthread_cond_destroy(&node->changed);
    pthread_cond_destroy(&node->delivery);
    free(node);
}

/* -- questions */

const struct federation *node_lock(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    return node->federation;
}

struct federation *node_federation(struct node *node)
{
    return node->federation;
}

void node_unlock(struct node *node)
{
    pthread_mutex_unlock(&node->lock);
}

int64_t node_wait(struct node *node, int64_t offset, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&node->lock);
    while (node->control_offset <= offset && condition_wait(&node->changed, &node->lock, deadline_ms)) {}
    int64_t now = node->control_offset;
    pthread_mutex_unlock(&node->lock);
    return now;
}

struct node_trust *node_trust(const struct node *node)
{
    return node->trust;
}

struct bus *node_bus(struct node *node)
{
    return node->bus;
}

const char *node_name(const struct node *node)
{
    return node->name;
}

const char *node_project(const struct node *node)
{
    return node->project;
}

int32_t node_partitions(const struct node *node)
{
    return node->partitions;
}

atomic_llong *node_outbox_ends(struct node *node)
{
    return node->outbox_ends;
}

uint64_t node_all_partitions(const struct node *node)
{
    return node->partitions == 64 ? UINT64_MAX : ((uint64_t)1 << node->partitions) - 1;
}

const char *node_outbox(const struct node *node)
{
    return node->outbox;
}

void node_outbox_of(const struct node *node, const char *name, char topic[160])
{
    snprintf(topic, TOPIC_BYTES, "%s.out.%s", node->project, name);
}

int64_t node_n_false_pulses(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    int64_t n = node->n_false_pulses;
    pthread_mutex_unlock(&node->lock);
    return n;
}

int64_t node_n_foreign(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    int64_t n = node->n_foreign;
    pthread_mutex_unlock(&node->lock);
    return n;
}

struct stream_refusals *node_stream_refusals(struct node *node)
{
    return &node->stream_refusals;
}

int64_t node_control_offset(const struct node *node)
{
    struct node *locked = (struct node *)node;
    pthread_mutex_lock(&locked->lock);
    int64_t offset = node->control_offset;
    pthread_mutex_unlock(&locked->lock);
    return offset;
}

enum anb_status node_find_stream(struct node *node, const struct id *id, struct stream_state *copy,
                                 struct anb_error *err)
{
    char text[ID_TEXT_BYTES];
    pthread_mutex_lock(&node->lock);
    const struct stream_state *stream = federation_stream(node->federation, id);
    if (stream) *copy = *stream;
    pthread_mutex_unlock(&node->lock);
    if (stream) return ANB_OK;
    return anb_fail(err, ANB_NOT_FOUND, "stream %s is not known", id_text(id, text));
}

/* -- trimming */

void node_trim(struct node *node)
{
    if (node->control_offset == node->trimmed_at || !atomic_load(&node->outbox_is_open)) return;
    node->trimmed_at = node->control_offset;
    for (int32_t p = 0; p < node->partitions; p++) {
        int64_t needed = federation_needed_offset(node->federation, node->name, p);
        if (needed == INT64_MAX || needed <= node->trimmed[p]) continue;
        log_event(LOG_DEBUG, "trim", "topic=%s partition=%d offset=%lld", node->outbox, p, (long long)needed);
        bus_trim(node->bus, node->outbox, p, needed);
        node->trimmed[p] = needed;
    }
}
