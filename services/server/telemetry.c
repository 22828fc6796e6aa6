#include "server/telemetry.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "wire/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 256,
    WAIT_MS = 25,
    SAVE_MS = 1000,
    ADMIN_TIMEOUT_MS = 5000,
    RETRY_MS = 500,
    LOOK_MS = 500,
    ARENA_BYTES = 256 << 10
};

struct telemetry_reader {
    struct node *node;
    struct job_logs *logs;
    struct http *http;
    char topic[160], control[160], path[4096];
    struct bus_reader *reader;
    struct bus_cursor *cursors[JOB_LOG_MAX_PARTITIONS];
    int32_t n_cursors;
    struct arena arena;
    int64_t saved_ms, next_look_ms;
    bool is_unsaved;
    atomic_ullong lines, refused, full, failed;
    atomic_bool stop;
    bool is_started;
    pthread_t thread;
};

/* -- where it stopped */

static int64_t saved_offset(const struct doc *saved, int32_t partition)
{
    return doc_int(doc_at(doc_get(saved, "offsets"), (size_t)partition), -1);
}

static struct doc *load_offsets(const struct telemetry_reader *reader)
{
    struct buf text;
    struct doc *saved = NULL;
    buf_init(&text, 65536);
    if (file_read(reader->path, &text, NULL) == ANB_OK) doc_parse_json(buf_slice(&text), reader->path, &saved, NULL);
    buf_fini(&text);
    return saved;
}

static void save_offsets(struct telemetry_reader *reader)
{
    struct buf text;
    struct anb_error err;
    struct doc *root = doc_new_map(), *offsets = doc_set_list(root, "offsets");
    for (int32_t p = 0; p < reader->n_cursors; p++) doc_add_int(offsets, bus_cursor_position(reader->cursors[p]));
    buf_init(&text, 65536);
    enum anb_status status =
        root ? doc_write_json(root, false, &text, &err) : anb_fail(&err, ANB_NO_MEMORY, "no memory");
    if (status == ANB_OK) status = file_write(reader->path, buf_slice(&text), &err);
    if (status != ANB_OK) log_event(LOG_WARN, "telemetry-place-unsaved", "reason=%s", err.text);
    reader->saved_ms = clock_monotonic_ms();
    reader->is_unsaved = false;
    doc_free(root);
    buf_fini(&text);
}

static enum anb_status open_cursor(struct telemetry_reader *reader, const struct doc *saved, int32_t p,
                                   struct anb_error *err)
{
    int64_t first, end;
    enum anb_status status = bus_bounds(node_bus(reader->node), reader->topic, p, ADMIN_TIMEOUT_MS, &first, &end, err);
    if (status != ANB_OK) return status;
    int64_t offset = saved_offset(saved, p);
    if (offset < first || offset > end) offset = first;
    return bus_cursor_open(reader->reader, reader->topic, p, offset, &reader->cursors[p], err);
}

static enum anb_status open_cursors(struct telemetry_reader *reader, struct anb_error *err)
{
    struct bus *bus = node_bus(reader->node);
    enum anb_status status = bus_topic_partitions(bus, reader->topic, ADMIN_TIMEOUT_MS, &reader->n_cursors, err);
    if (status == ANB_OK && reader->n_cursors > JOB_LOG_MAX_PARTITIONS)
        status =
            anb_fail(err, ANB_INVALID, "topic %s has more than %d partitions", reader->topic, JOB_LOG_MAX_PARTITIONS);
    if (status == ANB_OK) status = bus_reader_open(bus, BUS_PROMPT, &reader->reader, err);
    struct doc *saved = load_offsets(reader);
    for (int32_t p = 0; status == ANB_OK && p < reader->n_cursors; p++) status = open_cursor(reader, saved, p, err);
    doc_free(saved);
    return status;
}

/* -- the lines */

static bool is_ours(struct telemetry_reader *reader, const struct telemetry *record)
{
    if (strcmp(record->head.project, node_project(reader->node)) != 0) return false;
    const struct federation *federation = node_lock(reader->node);
    bool known = federation_job(federation, record->job) != NULL;
    node_unlock(reader->node);
    return known && job_id_is_valid(record->job);
}

/* The first lines of a node may come before the server has read that it is up: look that far, once in a while. */
static bool hear(struct telemetry_reader *reader, struct slice bytes, struct record *record)
{
    int64_t first, end, now_ms = clock_monotonic_ms();
    enum anb_status status = node_hear(reader->node, bytes, &reader->arena, record, NULL);
    if (status != ANB_NOT_FOUND || now_ms < reader->next_look_ms) return status == ANB_OK;
    reader->next_look_ms = now_ms + LOOK_MS;
    if (bus_bounds(node_bus(reader->node), reader->control, 0, ADMIN_TIMEOUT_MS, &first, &end, NULL) != ANB_OK)
        return false;
    node_wait(reader->node, end - 1, LOOK_MS);
    return node_hear(reader->node, bytes, &reader->arena, record, NULL) == ANB_OK;
}

/* True when a line was added. */
static bool take(struct telemetry_reader *reader, const struct bus_message *message, int32_t partition)
{
    struct record record;
    struct slice bytes;
    struct anb_error err;
    arena_reset(&reader->arena);
    if (node_read(reader->node, message->value, &reader->arena, &record, &bytes, NULL) != ANB_OK ||
        record.kind != RECORD_TELEMETRY || !is_ours(reader, &record.is.telemetry) || !hear(reader, bytes, &record)) {
        reader->refused++;
        return false;
    }
    switch (job_logs_append(reader->logs, &record.is.telemetry, partition, message->offset, &err)) {
    case ANB_OK: reader->lines++; return true;
    case ANB_EXISTS: return false;
    case ANB_TOO_LARGE: reader->full++; return false;
    default:
        if (reader->failed++ == 0)
            log_event(LOG_ERROR, "log-line-lost", "job=%s reason=%s", record.is.telemetry.job, err.text);
        return false;
    }
}

/* The records were trimmed away before they were read: go on with what is there. */
static void skip_lost(struct telemetry_reader *reader, int32_t p)
{
    int64_t first, end, was = bus_cursor_position(reader->cursors[p]);
    struct bus *bus = node_bus(reader->node);
    if (bus_bounds(bus, reader->topic, p, ADMIN_TIMEOUT_MS, &first, &end, NULL) != ANB_OK) return;
    log_event(LOG_WARN, "telemetry-lost", "partition=%d from=%lld to=%lld", p, (long long)was, (long long)first);
    bus_cursor_seek(reader->cursors[p], first, NULL);
}

/* True when lines came. */
static bool read_partition(struct telemetry_reader *reader, int32_t p)
{
    struct bus_message message;
    bool came = false;
    for (int i = 0; i < BATCH && !atomic_load(&reader->stop); i++) {
        enum anb_status status = bus_cursor_next(reader->cursors[p], i == 0 ? WAIT_MS : 0, &message, NULL);
        if (status == ANB_NOT_FOUND) skip_lost(reader, p);
        if (status == ANB_UNAVAILABLE) clock_sleep_ms(RETRY_MS);
        if (status != ANB_OK) break;
        if (take(reader, &message, p)) came = true;
        reader->is_unsaved = true;
        bus_message_release(&message);
    }
    return came;
}

static void close_cursors(struct telemetry_reader *reader)
{
    if (reader->reader) bus_reader_close(reader->reader);
    reader->reader = NULL;
    reader->n_cursors = 0;
}

/* The broker may be slow to show the topic: that must not hold the server's start up. */
static void open_with_patience(struct telemetry_reader *reader)
{
    struct anb_error err;
    while (!atomic_load(&reader->stop) && open_cursors(reader, &err) != ANB_OK) {
        log_event(LOG_WARN, "telemetry-not-read", "reason=%s", err.text);
        close_cursors(reader);
        clock_sleep_ms(RETRY_MS);
    }
}

static void *run(void *context)
{
    struct telemetry_reader *reader = context;
    open_with_patience(reader);
    while (!atomic_load(&reader->stop)) {
        bool came = false;
        for (int32_t p = 0; p < reader->n_cursors; p++)
            if (read_partition(reader, p)) came = true;
        if (came) http_wake(reader->http);
        if (reader->is_unsaved && clock_monotonic_ms() - reader->saved_ms >= SAVE_MS) save_offsets(reader);
    }
    if (reader->is_unsaved) save_offsets(reader);
    close_cursors(reader);
    return NULL;
}

enum anb_status telemetry_new(struct node *node, struct job_logs *logs, const char *folder,
                              struct telemetry_reader **reader, struct anb_error *err)
{
    struct telemetry_reader *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for the telemetry reader");
    made->node = node;
    made->logs = logs;
    arena_init(&made->arena, ARENA_BYTES);
    snprintf(made->topic, sizeof made->topic, "%s.telemetry", node_project(node));
    snprintf(made->control, sizeof made->control, "%s.control", node_project(node));
    snprintf(made->path, sizeof made->path, "%s/telemetry.json", folder);
    *reader = made;
    return ANB_OK;
}

enum anb_status telemetry_start(struct telemetry_reader *reader, struct http *http, struct anb_error *err)
{
    reader->http = http;
    if (pthread_create(&reader->thread, NULL, run, reader) != 0)
        return anb_fail(err, ANB_IO, "cannot start the telemetry thread");
    reader->is_started = true;
    return ANB_OK;
}

void telemetry_free(struct telemetry_reader *reader)
{
    if (!reader) return;
    atomic_store(&reader->stop, true);
    if (reader->is_started) pthread_join(reader->thread, NULL);
    arena_fini(&reader->arena);
    free(reader);
}

void telemetry_count(struct telemetry_reader *reader, struct telemetry_counters *counters)
{
    *counters = (struct telemetry_counters){atomic_load(&reader->lines), atomic_load(&reader->refused),
                                            atomic_load(&reader->full), atomic_load(&reader->failed)};
}
