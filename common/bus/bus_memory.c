/* The bus over a memory_log. An append is in the log, and its delivery reported, before bus_append returns; a cursor
 * sees it at once. */
#include "bus/memory_log.h"

#include "base/clock.h"

#include <stdlib.h>

struct memory_bus {
    struct bus base;
    struct memory_log *log;
};

struct memory_reader {
    struct bus_reader base;
    struct memory_log *log;
};

struct memory_cursor {
    struct bus_cursor base;
    struct memory_log *log;
    struct memory_partition *partition;
};

static struct memory_log *log_of(struct bus *bus)
{
    return ((struct memory_bus *)bus)->log;
}

static void memory_close(struct bus *bus, int64_t timeout_ms)
{
    (void)timeout_ms;
    free(bus);
}

static int64_t memory_now_ms(struct bus *bus)
{
    struct memory_log *log = log_of(bus);
    return log->now_ms ? log->now_ms(log->now_context) : clock_wall_ms();
}

static enum anb_status memory_random_id(struct bus *bus, struct id *id, struct anb_error *err)
{
    (void)err;
    struct memory_log *log = log_of(bus);
    pthread_mutex_lock(&log->mutex);
    for (int i = 0; i < ID_BYTES; i++) id->bytes[i] = (unsigned char)(memory_random_locked(log) >> 56);
    pthread_mutex_unlock(&log->mutex);
    return ANB_OK;
}

static enum anb_status memory_append(struct bus *bus, const struct bus_append *append, struct anb_error *err)
{
    struct memory_log *log = log_of(bus);
    enum anb_status status = ANB_UNAVAILABLE;
    int64_t offset = -1;
    pthread_mutex_lock(&log->mutex);
    bool full = memory_draw_locked(log, log->faults.full_per_million);
    if (!full && !memory_draw_locked(log, log->faults.fail_append_per_million))
        status = memory_append_locked(log, append->topic, append->partition, append->key, append->value, &offset);
    pthread_mutex_unlock(&log->mutex);
    if (full) return anb_fail(err, ANB_AGAIN, "the queue is full: wait for room");
    append->delivered(append->context, status, offset);
    return ANB_OK;
}

/* There is always room: a full queue is a fault that the next append draws anew. */
static void memory_wait_room(struct bus *bus, int64_t timeout_ms)
{
    (void)bus;
    (void)timeout_ms;
}

/* -- read */

static enum anb_status memory_reader_open(struct bus *bus, enum bus_profile profile, struct bus_reader **reader,
                                          struct anb_error *err)
{
    (void)profile;
    struct memory_reader *opened = calloc(1, sizeof *opened);
    if (!opened) return bus_no_memory(err, "a reader");
    opened->base.ops = bus->ops;
    opened->log = log_of(bus);
    *reader = &opened->base;
    return ANB_OK;
}

static void memory_reader_close(struct bus_reader *reader)
{
    free(reader);
}

static enum anb_status memory_cursor_open(struct bus_reader *reader, const char *topic, int32_t partition,
                                          int64_t offset, struct bus_cursor **cursor, struct anb_error *err)
{
    (void)offset;
    struct memory_log *log = ((struct memory_reader *)reader)->log;
    pthread_mutex_lock(&log->mutex);
    struct memory_partition *found = memory_partition_find_locked(log, topic, partition);
    pthread_mutex_unlock(&log->mutex);
    if (!found) return anb_fail(err, ANB_NOT_FOUND, "%s[%d]: there is no such topic or partition", topic, partition);
    struct memory_cursor *opened = calloc(1, sizeof *opened);
    if (!opened) return bus_no_memory(err, "a cursor");
    opened->log = log;
    opened->partition = found;
    *cursor = &opened->base;
    return ANB_OK;
}

static enum anb_status memory_cursor_seek(struct bus_cursor *cursor, int64_t offset, struct anb_error *err)
{
    (void)cursor;
    (void)offset;
    (void)err;
    return ANB_OK;
}

static enum anb_status look_locked(struct memory_cursor *cursor, struct bus_message *message, struct anb_error *err)
{
    const struct memory_partition *partition = cursor->partition;
    int64_t at = cursor->base.position, end = partition->first + (int64_t)partition->n_records;
    if (at < partition->first || at > end)
        return anb_fail(err, ANB_NOT_FOUND, "offset %lld is not in the log, which holds %lld to %lld", (long long)at,
                        (long long)partition->first, (long long)end);
    if (at == end) return anb_fail(err, ANB_AGAIN, "no message yet at offset %lld", (long long)at);
    const struct memory_record *held = partition->records[at - partition->first];
    struct memory_record *record = memory_record_new(slice_of(held->bytes, held->key_size),
                                                     slice_of(held->bytes + held->key_size, held->value_size));
    if (!record) return bus_no_memory(err, "a message");
    *message = (struct bus_message){.offset = at,
                                    .key = slice_of(record->bytes, record->key_size),
                                    .value = slice_of(record->bytes + record->key_size, record->value_size),
                                    .keep = record,
                                    .release = free};
    return ANB_OK;
}

static enum anb_status memory_cursor_next(struct bus_cursor *base, int64_t timeout_ms, struct bus_message *message,
                                          struct anb_error *err)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    struct memory_log *log = cursor->log;
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&log->mutex);
    bool hidden = memory_draw_locked(log, log->faults.hide_per_million), in_time = timeout_ms > 0;
    enum anb_status status = hidden ? anb_fail(err, ANB_AGAIN, "no message yet") : look_locked(cursor, message, err);
    while (status == ANB_AGAIN && in_time && !hidden) {
        in_time = condition_wait(&log->grown, &log->mutex, deadline_ms);
        status = look_locked(cursor, message, err);
    }
    pthread_mutex_unlock(&log->mutex);
    return status;
}

static void memory_cursor_close(struct bus_cursor *cursor)
{
    free(cursor);
}

/* -- topics */

static enum anb_status ensure_locked(struct memory_log *log, const struct bus_topic *topic, struct anb_error *err)
{
    const struct memory_topic *found = memory_topic_find_locked(log, topic->name);
    if (!found) return memory_topic_add_locked(log, topic, err);
    if (found->n_partitions < topic->partitions) return bus_too_few_partitions(err, topic, found->n_partitions);
    return ANB_OK;
}

static enum anb_status memory_topics_ensure(struct bus *bus, const struct bus_topic *topics, size_t n,
                                            int64_t timeout_ms, struct anb_error *err)
{
    (void)timeout_ms;
    struct memory_log *log = log_of(bus);
    enum anb_status status = ANB_OK;
    pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < n && status == ANB_OK; i++) status = ensure_locked(log, &topics[i], err);
    pthread_mutex_unlock(&log->mutex);
    return status;
}

static enum anb_status memory_topic_partitions(struct bus *bus, const char *name, int64_t timeout_ms,
                                               int32_t *partitions, struct anb_error *err)
{
    (void)timeout_ms;
    struct memory_log *log = log_of(bus);
    pthread_mutex_lock(&log->mutex);
    const struct memory_topic *found = memory_topic_find_locked(log, name);
    if (found) *partitions = found->n_partitions;
    pthread_mutex_unlock(&log->mutex);
    return found ? ANB_OK : anb_fail(err, ANB_NOT_FOUND, "there is no topic %s", name);
}

static enum anb_status memory_bounds(struct bus *bus, const char *topic, int32_t partition, int64_t timeout_ms,
                                     int64_t *first, int64_t *end, struct anb_error *err)
{
    (void)timeout_ms;
    struct memory_log *log = log_of(bus);
    pthread_mutex_lock(&log->mutex);
    const struct memory_partition *found = memory_partition_find_locked(log, topic, partition);
    if (found) {
        *first = found->first;
        *end = found->first + (int64_t)found->n_records;
    }
    pthread_mutex_unlock(&log->mutex);
    if (found) return ANB_OK;
    return anb_fail(err, ANB_NOT_FOUND, "%s[%d]: there is no such topic or partition", topic, partition);
}

static void memory_trim(struct bus *bus, const char *topic, int32_t partition, int64_t offset)
{
    struct memory_log *log = log_of(bus);
    pthread_mutex_lock(&log->mutex);
    struct memory_partition *found = memory_partition_find_locked(log, topic, partition);
    if (found) memory_trim_locked(found, offset);
    pthread_mutex_unlock(&log->mutex);
}

static const struct bus_ops memory_ops = {
    .close = memory_close,
    .now_ms = memory_now_ms,
    .random_id = memory_random_id,
    .append = memory_append,
    .wait_room = memory_wait_room,
    .reader_open = memory_reader_open,
    .reader_close = memory_reader_close,
    .cursor_open = memory_cursor_open,
    .cursor_seek = memory_cursor_seek,
    .cursor_next = memory_cursor_next,
    .cursor_close = memory_cursor_close,
    .topics_ensure = memory_topics_ensure,
    .topic_partitions = memory_topic_partitions,
    .bounds = memory_bounds,
    .trim = memory_trim,
};

enum anb_status bus_memory_open(struct memory_log *log, struct bus **bus, struct anb_error *err)
{
    struct memory_bus *opened = calloc(1, sizeof *opened);
    if (!opened) return bus_no_memory(err, "a bus");
    opened->base.ops = &memory_ops;
    opened->log = log;
    *bus = &opened->base;
    return ANB_OK;
}
