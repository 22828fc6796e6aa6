/* The functions of bus.h: each checks what it was given and calls the implementation. What is the same for all buses
 * stands here: the list of a reader's cursors, and waiting for an append. */
#include "bus/bus_private.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum anb_status bus_no_memory(struct anb_error *err, const char *what)
{
    return anb_fail(err, ANB_NO_MEMORY, "no memory for %s", what);
}

enum anb_status bus_too_few_partitions(struct anb_error *err, const struct bus_topic *wanted, int32_t n_partitions)
{
    return anb_fail(err, ANB_INVALID, "topic %s has %d partitions and %d are wanted: delete the topic, or want fewer",
                    wanted->name, n_partitions, wanted->partitions);
}

void bus_close(struct bus *bus, int64_t timeout_ms)
{
    if (bus) bus->ops->close(bus, timeout_ms);
}

int64_t bus_now_ms(struct bus *bus)
{
    return bus->ops->now_ms(bus);
}

enum anb_status bus_random_id(struct bus *bus, struct id *id, struct anb_error *err)
{
    return bus->ops->random_id(bus, id, err);
}

/* -- append */

enum anb_status bus_append(struct bus *bus, const struct bus_append *append, struct anb_error *err)
{
    if (!append->delivered || !append->topic || append->partition < 0)
        return anb_fail(err, ANB_INVALID, "an append needs a topic, a partition and a delivery callback");
    return bus->ops->append(bus, append, err);
}

void bus_wait_room(struct bus *bus, int64_t timeout_ms)
{
    bus->ops->wait_room(bus, timeout_ms);
}

/* Shared by the caller that waits and the delivery that may come later than it; the last one frees it. */
struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    int references;
    bool done;
    enum anb_status status;
    int64_t offset;
    unsigned char value[];
};

static struct waiter *waiter_new(struct slice value)
{
    struct waiter *waiter = malloc(sizeof *waiter + value.size);
    if (!waiter) return NULL;
    *waiter = (struct waiter){.references = 2};
    pthread_mutex_init(&waiter->mutex, NULL);
    condition_init(&waiter->condition);
    if (value.size > 0) memcpy(waiter->value, value.data, value.size);
    return waiter;
}

static void waiter_free(struct waiter *waiter)
{
    pthread_cond_destroy(&waiter->condition);
    pthread_mutex_destroy(&waiter->mutex);
    free(waiter);
}

static void waiter_delivered(void *context, enum anb_status status, int64_t offset)
{
    struct waiter *waiter = context;
    pthread_mutex_lock(&waiter->mutex);
    waiter->status = status;
    waiter->offset = offset;
    waiter->done = true;
    bool last = --waiter->references == 0;
    pthread_cond_signal(&waiter->condition);
    pthread_mutex_unlock(&waiter->mutex);
    if (last) waiter_free(waiter);
}

/* Waits, lets go of the waiter, and says how the append ended. */
static enum anb_status waiter_wait(struct waiter *waiter, int64_t deadline_ms, int64_t *offset)
{
    pthread_mutex_lock(&waiter->mutex);
    while (!waiter->done && condition_wait(&waiter->condition, &waiter->mutex, deadline_ms)) {}
    enum anb_status status = waiter->done ? waiter->status : ANB_TIMEOUT;
    if (status == ANB_OK && offset) *offset = waiter->offset;
    bool last = --waiter->references == 0;
    pthread_mutex_unlock(&waiter->mutex);
    if (last) waiter_free(waiter);
    return status;
}

/* FATAL, too, is a reason to wait: the record was not taken, and the bus repairs itself. */
static enum anb_status append_when_room(struct bus *bus, const struct bus_append *append, int64_t deadline_ms,
                                        struct anb_error *err)
{
    for (;;) {
        enum anb_status status = bus_append(bus, append, err);
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        if ((status != ANB_AGAIN && status != ANB_FATAL) || left_ms <= 0) return status;
        bus_wait_room(bus, left_ms);
    }
}

enum anb_status bus_append_and_wait(struct bus *bus, const char *topic, int32_t partition, struct slice key,
                                    struct slice value, int64_t timeout_ms, int64_t *offset, struct anb_error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    struct waiter *waiter = waiter_new(value);
    if (!waiter) return bus_no_memory(err, "a record");
    struct bus_append append = {topic, partition, key, slice_of(waiter->value, value.size), waiter_delivered, waiter};
    enum anb_status status = append_when_room(bus, &append, deadline_ms, err);
    if (status != ANB_OK) {
        waiter_free(waiter);
        return status;
    }
    status = waiter_wait(waiter, deadline_ms, offset);
    if (status == ANB_OK) return ANB_OK;
    return anb_fail(err, status, "%s[%d]: the record was not acknowledged%s", topic, partition,
                    status == ANB_TIMEOUT ? " in time; it may still arrive" : "");
}

/* -- read */

enum anb_status bus_reader_open(struct bus *bus, enum bus_profile profile, struct bus_reader **reader,
                                struct anb_error *err)
{
    return bus->ops->reader_open(bus, profile, reader, err);
}

void bus_reader_close(struct bus_reader *reader)
{
    if (!reader) return;
    while (reader->cursors) bus_cursor_close(reader->cursors);
    reader->ops->reader_close(reader);
}

enum anb_status bus_cursor_open(struct bus_reader *reader, const char *topic, int32_t partition, int64_t offset,
                                struct bus_cursor **cursor, struct anb_error *err)
{
    if (partition < 0 || offset < 0)
        return anb_fail(err, ANB_INVALID, "%s[%d]: cannot read from offset %lld", topic, partition, (long long)offset);
    struct bus_cursor *opened = NULL;
    enum anb_status status = reader->ops->cursor_open(reader, topic, partition, offset, &opened, err);
    if (status != ANB_OK) return status;
    opened->ops = reader->ops;
    opened->reader = reader;
    opened->position = offset;
    opened->next = reader->cursors;
    reader->cursors = opened;
    *cursor = opened;
    return ANB_OK;
}

enum anb_status bus_cursor_seek(struct bus_cursor *cursor, int64_t offset, struct anb_error *err)
{
    if (offset < 0) return anb_fail(err, ANB_INVALID, "cannot seek to offset %lld", (long long)offset);
    enum anb_status status = cursor->ops->cursor_seek(cursor, offset, err);
    if (status == ANB_OK) cursor->position = offset;
    return status;
}

int64_t bus_cursor_position(const struct bus_cursor *cursor)
{
    return cursor->position;
}

void bus_cursor_close(struct bus_cursor *cursor)
{
    if (!cursor) return;
    struct bus_cursor **link = &cursor->reader->cursors;
    while (*link != cursor) link = &(*link)->next;
    *link = cursor->next;
    cursor->ops->cursor_close(cursor);
}

enum anb_status bus_cursor_next(struct bus_cursor *cursor, int64_t timeout_ms, struct bus_message *message,
                                struct anb_error *err)
{
    enum anb_status status = cursor->ops->cursor_next(cursor, timeout_ms < 0 ? 0 : timeout_ms, message, err);
    if (status == ANB_OK) cursor->position = message->offset + 1;
    return status;
}

void bus_message_release(struct bus_message *message)
{
    if (message->keep) message->release(message->keep);
    *message = (struct bus_message){0};
}

/* -- topics */

enum anb_status bus_topics_ensure(struct bus *bus, const struct bus_topic *topics, size_t n, int64_t timeout_ms,
                                  struct anb_error *err)
{
    if (n > BUS_MAX_TOPICS)
        return anb_fail(err, ANB_INVALID, "%zu topics at once are too many, at most %d", n, BUS_MAX_TOPICS);
    for (size_t i = 0; i < n; i++)
        if (!topics[i].name || topics[i].partitions < 1)
            return anb_fail(err, ANB_INVALID, "a topic needs a name and at least one partition");
    return n > 0 ? bus->ops->topics_ensure(bus, topics, n, timeout_ms, err) : ANB_OK;
}

enum anb_status bus_topic_ensure(struct bus *bus, const struct bus_topic *topic, int64_t timeout_ms,
                                 struct anb_error *err)
{
    return bus_topics_ensure(bus, topic, 1, timeout_ms, err);
}

enum anb_status bus_topic_partitions(struct bus *bus, const char *name, int64_t timeout_ms, int32_t *partitions,
                                     struct anb_error *err)
{
    return bus->ops->topic_partitions(bus, name, timeout_ms, partitions, err);
}

enum anb_status bus_bounds(struct bus *bus, const char *topic, int32_t partition, int64_t timeout_ms, int64_t *first,
                           int64_t *end, struct anb_error *err)
{
    return bus->ops->bounds(bus, topic, partition, timeout_ms, first, end, err);
}

void bus_trim(struct bus *bus, const char *topic, int32_t partition, int64_t offset)
{
    bus->ops->trim(bus, topic, partition, offset);
}
