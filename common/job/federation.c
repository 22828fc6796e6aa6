/* The state's tables: making, finding, forgetting; and the way of a record to its handler. */
#include "job/federation_private.h"

#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOB_MEMORY_BYTES = 32 << 20, PULSE_AGE_MS = 300000 };

/* -- the whole */

struct federation *federation_new(const char *project, int32_t partitions, bool keep_history)
{
    if (partitions < 1 || partitions > MAX_PARTITIONS) return NULL;
    struct federation *federation = calloc(1, sizeof *federation);
    if (!federation) return NULL;
    federation->project = strdup(project);
    federation->partitions = partitions;
    federation->keep_history = keep_history;
    if (federation->project) return federation;
    free(federation);
    return NULL;
}

bool federation_keep_wraps_of(struct federation *federation, const char *node)
{
    federation->self = strdup(node);
    return federation->self != NULL;
}

static bool always(const struct stream_state *stream, const void *context)
{
    (void)stream, (void)context;
    return true;
}

void federation_free(struct federation *federation)
{
    if (!federation) return;
    streams_forget(federation, always, NULL);
    for (size_t i = 0; i < federation->n_jobs; i++) job_free(federation->jobs[i]);
    free(federation->jobs);
    for (struct node_state *node = federation->nodes, *next; node; node = next) {
        next = node->next;
        free(node->audit_marks);
        free(node);
    }
    free(federation->project);
    free(federation->self);
    free(federation);
}

/* -- nodes */

struct node_state *node_find(const struct federation *federation, const char *name)
{
    for (struct node_state *node = federation->nodes; node; node = node->next)
        if (strcmp(node->name, name) == 0) return node;
    return NULL;
}

/* Words for people come from outside: what is not printable is shown as a question mark. */
void word_copy(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; i + 1 < size && from[i]; i++) to[i] = from[i] > ' ' && from[i] < 0x7f ? from[i] : '?';
    to[i] = '\0';
}

void federation_pulse(struct federation *federation, const struct pulse *pulse, int64_t now_ms)
{
    if (strcmp(pulse->head.project, federation->project) != 0) return;
    struct node_state *node = node_find(federation, pulse->head.node);
    if (!node || !node->up || pulse->head.incarnation != node->incarnation) return;
    /* an old one that is said again keeps nobody alive */
    if (pulse->head.time_ms <= node->pulse_time_ms || pulse->head.time_ms < now_ms - PULSE_AGE_MS) return;
    node->pulse_time_ms = pulse->head.time_ms;
    node->last_seen_ms = now_ms;
    word_copy(node->activity, sizeof node->activity, pulse->activity);
    node->n_refusals = pulse->n_refused < NODE_MAX_REFUSALS ? pulse->n_refused : NODE_MAX_REFUSALS;
    for (size_t i = 0; i < node->n_refusals; i++) {
        word_copy(node->refusals[i].reason, sizeof node->refusals[i].reason, pulse->refused[i].reason);
        node->refusals[i].count = pulse->refused[i].count;
    }
}

/* -- streams */

static struct stream_box **bucket_of(const struct federation *federation, const struct id *id)
{
    size_t index = ((size_t)id->bytes[0] << 8 | id->bytes[1]) % STREAM_BUCKETS;
    return (struct stream_box **)&federation->streams[index];
}

struct stream_box *stream_find(const struct federation *federation, const struct id *id)
{
    for (struct stream_box *box = *bucket_of(federation, id); box; box = box->next)
        if (id_equal(&box->state.id, id)) return box;
    return NULL;
}

struct stream_box *stream_new(struct federation *federation, const struct id *id)
{
    struct stream_box *box = calloc(1, sizeof *box), **bucket = bucket_of(federation, id);
    if (!box) return NULL;
    box->state.id = *id;
    box->state.job = box->job;
    box->next = *bucket;
    *bucket = box;
    return box;
}

void streams_forget(struct federation *federation, stream_test *is_over, const void *context)
{
    for (size_t i = 0; i < STREAM_BUCKETS; i++) {
        struct stream_box **link = &federation->streams[i];
        while (*link) {
            struct stream_box *box = *link;
            if (is_over(&box->state, context)) {
                *link = box->next;
                askers_forget(federation, box);
                free(box);
            } else {
                link = &box->next;
            }
        }
    }
}

void streams_each(struct federation *federation, stream_visit *visit, void *context)
{
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (struct stream_box *box = federation->streams[i]; box; box = box->next) visit(&box->state, context);
}

/* -- jobs and rounds */

struct job_state *job_find(const struct federation *federation, const char *id)
{
    for (size_t i = 0; i < federation->n_jobs; i++)
        if (strcmp(federation->jobs[i]->id, id) == 0) return federation->jobs[i];
    return NULL;
}

static struct job_box *box_of(struct job_state *job)
{
    return (struct job_box *)(void *)((char *)job - offsetof(struct job_box, state));
}

struct arena *job_arena(struct job_state *job)
{
    return &box_of(job)->arena;
}

struct job_state *job_new(struct federation *federation)
{
    if (federation->n_jobs == federation->jobs_capacity) {
        size_t capacity = federation->jobs_capacity ? 2 * federation->jobs_capacity : 8;
        struct job_state **jobs = realloc(federation->jobs, capacity * sizeof *jobs);
        if (!jobs) return NULL;
        federation->jobs = jobs;
        federation->jobs_capacity = capacity;
    }
    struct job_box *box = calloc(1, sizeof *box);
    if (!box) return NULL;
    arena_init(&box->arena, JOB_MEMORY_BYTES);
    return &box->state;
}

void job_free(struct job_state *job)
{
    if (!job) return;
    for (size_t i = 0; i < job->n_rounds; i++) round_free(job->rounds[i]);
    free(job->rounds);
    free(job->answers);
    job_spec_free(job->spec);
    arena_fini(job_arena(job));
    free(box_of(job));
}

void job_touch(const struct apply *apply, struct job_state *job)
{
    job->revision = apply->offset + 1;
}

static struct round_box *round_box_of(struct round_state *round)
{
    return (struct round_box *)(void *)((char *)round - offsetof(struct round_box, state));
}

struct arena *round_arena(struct round_state *round)
{
    return &round_box_of(round)->arena;
}

/* Arenas grow by blocks of a page. */
size_t round_close_history(struct round_state *round)
{
    enum { PAGE = 4096 };
    struct round_box *box = round_box_of(round);
    box->history_bytes = sizeof *box + (box->arena.used + PAGE - 1) / PAGE * PAGE;
    return box->history_bytes;
}

size_t round_history_bytes(struct round_state *round)
{
    return round_box_of(round)->history_bytes;
}

void round_free(struct round_state *round)
{
    if (!round) return;
    arena_fini(round_arena(round));
    free(round_box_of(round));
}

char *text_cut(struct arena *arena, const char *text, size_t most_bytes)
{
    size_t size = strnlen(text, most_bytes + 1);
    if (size > most_bytes)
        for (size = most_bytes; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80;) size--;
    return arena_text(arena, slice_of(text, size));
}

char *text_copy(struct arena *arena, const char *text)
{
    return text_cut(arena, text, REASON_MAX_BYTES);
}

/* -- the way of a record */

enum anb_status refuse(struct apply *apply, enum refusal refusal, enum anb_status status, const char *format, ...)
{
    char text[sizeof apply->err->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    apply->federation->refused[refusal]++;
    return anb_fail(apply->err, status, "%s", text);
}

enum anb_status out_of_memory(struct apply *apply)
{
    return anb_fail(apply->err, ANB_NO_MEMORY, "no memory for the federation's state");
}

static enum anb_status check_name(struct apply *apply)
{
    const struct head *head = apply->head;
    if (strcmp(head->project, apply->federation->project) != 0)
        return refuse(apply, REFUSAL_WRONG_PROJECT, ANB_DENIED, "a record of project \"%.64s\", not of %s",
                      head->project, apply->federation->project);
    if (!name_is_valid(slice_of_text(head->node)) || head->incarnation < 1 || head->sequence < 1)
        return refuse(apply, REFUSAL_BAD_RECORD, ANB_INVALID, "a record from \"%.64s\" with a broken head", head->node);
    return ANB_OK;
}

static enum anb_status check_sender(struct apply *apply)
{
    const struct head *head = apply->head;
    const struct node_state *node = apply->node;
    if (!node)
        return refuse(apply, REFUSAL_UNKNOWN_NODE, ANB_DENIED, "%s has not announced itself by NodeUp", head->node);
    if (head->incarnation != node->incarnation)
        return refuse(apply, REFUSAL_STALE_INCARNATION, ANB_EXISTS, "%s is at incarnation %lld, the record is of %lld",
                      node->name, (long long)node->incarnation, (long long)head->incarnation);
    if (head->sequence <= node->sequence)
        return refuse(apply, REFUSAL_REPEATED, ANB_EXISTS, "record %lld of %s came again, the last one was %lld",
                      (long long)head->sequence, node->name, (long long)node->sequence);
    if (!node->up) return refuse(apply, REFUSAL_NODE_DOWN, ANB_INVALID, "%s has said that it is down", node->name);
    return ANB_OK;
}

static bool is_decision(enum record_kind kind)
{
    switch (kind) {
    case RECORD_JOB_SUBMITTED:
    case RECORD_JOB_STARTED:
    case RECORD_ROUND_OPENED:
    case RECORD_ROUND_CUT:
    case RECORD_ROUND_CLOSED:
    case RECORD_MODEL_STORED:
    case RECORD_JOB_ENDED:
    case RECORD_JOB_DELETED: return true;
    default: return false;
    }
}

static enum anb_status check_leader(struct apply *apply)
{
    const struct federation *federation = apply->federation;
    if (apply->head->epoch < federation->epoch)
        return refuse(apply, REFUSAL_STALE_EPOCH, ANB_EXISTS, "a decision of epoch %lld, it is %lld now",
                      (long long)apply->head->epoch, (long long)federation->epoch);
    if (federation->leader != apply->node->name || apply->head->epoch != federation->epoch)
        return refuse(apply, REFUSAL_NOT_LEADER, ANB_DENIED, "a decision of %s, which does not lead epoch %lld",
                      apply->node->name, (long long)apply->head->epoch);
    return ANB_OK;
}

/* A record is a sign of life of its own time: a log that is read again makes nobody alive. */
void mark_seen(struct apply *apply)
{
    int64_t seen = apply->head->time_ms < apply->now_ms ? apply->head->time_ms : apply->now_ms;
    if (seen > apply->node->last_seen_ms) apply->node->last_seen_ms = seen;
}

static enum anb_status hand_over(struct apply *apply, const struct record *record)
{
    switch (record->kind) {
    case RECORD_NODE_UP: return apply_node_up(apply, &record->is.node_up);
    case RECORD_NODE_DOWN: return apply_node_down(apply, &record->is.node_down);
    case RECORD_AUDIT_HEAD: return apply_audit_head(apply, &record->is.audit_head);
    case RECORD_VOICE_SHARED: return ANB_OK; /* moves nothing */
    case RECORD_LEADER_CLAIMED: return apply_leader_claimed(apply, &record->is.leader_claimed);
    case RECORD_JOB_SUBMITTED: return apply_job_submitted(apply, &record->is.job_submitted);
    case RECORD_JOB_ANSWERED: return apply_job_answered(apply, &record->is.job_answered);
    case RECORD_JOB_STARTED: return apply_job_started(apply, &record->is.job_started);
    case RECORD_MODEL_STORED: return apply_model_stored(apply, &record->is.model_stored);
    case RECORD_JOB_ENDED: return apply_job_ended(apply, &record->is.job_ended);
    case RECORD_JOB_DELETED: return apply_job_deleted(apply, &record->is.job_deleted);
    case RECORD_ROUND_OPENED: return apply_round_opened(apply, &record->is.round_opened);
    case RECORD_ROUND_CUT: return apply_round_cut(apply, &record->is.round_cut);
    case RECORD_ROUND_CLOSED: return apply_round_closed(apply, &record->is.round_closed);
    case RECORD_STREAM_OPENED: return apply_stream_opened(apply, &record->is.stream_opened);
    case RECORD_STREAM_CLOSED: return apply_stream_closed(apply, &record->is.stream_closed);
    case RECORD_STREAM_KEY_ASKED: return apply_stream_key_asked(apply, &record->is.stream_key_asked);
    case RECORD_STREAM_KEY_GIVEN: return apply_stream_key_given(apply, &record->is.stream_key_given);
    case RECORD_STREAM_ABANDONED: return apply_stream_abandoned(apply, &record->is.stream_abandoned);
    default: return refuse(apply, REFUSAL_NOT_CONTROL, ANB_INVALID, "a record that does not belong in the control log");
    }
}

enum anb_status federation_apply(struct federation *federation, const struct record *record, int64_t offset,
                                 int64_t now_ms, struct anb_error *err)
{
    struct apply apply = {
        .federation = federation, .offset = offset, .now_ms = now_ms, .unheard = record->unheard, .err = err};
    apply.head = record_head_const(record);
    if (!apply.head)
        return refuse(&apply, REFUSAL_NOT_CONTROL, ANB_INVALID, "a chunk does not belong in the control log");
    enum anb_status status = check_name(&apply);
    if (status != ANB_OK) return status;
    apply.node = node_find(federation, apply.head->node);
    if (record->kind == RECORD_NODE_UP) return hand_over(&apply, record);
    status = check_sender(&apply);
    if (status != ANB_OK) return status;
    apply.node->sequence = apply.head->sequence;
    mark_seen(&apply);
    if (is_decision(record->kind)) status = check_leader(&apply);
    return status == ANB_OK ? hand_over(&apply, record) : status;
}

void federation_dismiss(struct federation *federation, const char *name, const char *reason, int64_t offset,
                        int64_t now_ms)
{
    struct anb_error err;
    struct apply apply = {.federation = federation, .offset = offset, .now_ms = now_ms, .err = &err};
    apply.node = node_find(federation, name);
    if (apply.node) dismiss_node(&apply, reason);
}
