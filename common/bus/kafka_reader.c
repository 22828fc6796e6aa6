/* Reading: one consumer for each reader, and for each cursor a partition with a queue of its own. A consumer can read a
 * partition only once, so a second cursor on one gets a further consumer.
 *
 * This is librdkafka's simple consumer (rd_kafka_consume_start_queue), not `assign`: it has no group, so it asks for no
 * coordinator and needs no right on a group; starting and stopping one partition does not touch the others, while
 * every incremental_assign passes through the group machinery of all. A seek stops the partition and starts it on a
 * fresh queue: nothing fetched for the old place can come out of it.
 *
 * The stall: when its queues are full, librdkafka before 2.2 sleeps up to 1 s and is not woken by a consumer that
 * empties them. Asking for the end of the awaited partition wakes the thread of that partition's leader. So a
 * wait that follows closely on a message asks after 2, 8, 32 and 128 ms. From 2.2 on fetch.queue.backoff.ms does it. */
#include "bus/kafka_private.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    ASK_MS = 5000,       /* for the broker to tell about a topic when its first cursor opens */
    NUDGE_FIRST_MS = 2,  /* first wait before a nudge; then four times as long, */
    NUDGE_LAST_MS = 128, /* up to this */
    STALL_MS = 2000,     /* so long after a message a stall may last; later waits are true ones */
    NUDGE_TIMEOUT_MS = 200,
};

static const struct kafka_setting common_settings[] = {
    {"enable.auto.commit", "false"},         {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"}, /* a record that is gone must be told, not skipped */
    {"isolation.level", "read_uncommitted"}, {"allow.auto.create.topics", "false"},
    {"fetch.error.backoff.ms", "50"},        {NULL, NULL},
};

/* The broker answers a waiting fetch as soon as there is a record, so a hop does not depend on the longest wait. What
 * does: a cursor opened or moved meanwhile is fetched only after it, and an idle reader asks that often. */
static const struct kafka_setting prompt_settings[] = {
    {"fetch.wait.max.ms", "50"},
    {"fetch.max.bytes", "4194304"},
    {"queued.max.messages.kbytes", "1024"},
    {"queued.min.messages", "10000"},
    {NULL, NULL},
};

/* One record of 960 KiB in each answer for a partition and at most one answer waiting: what keeps the memory flat. */
static const struct kafka_setting large_settings[] = {
    {"fetch.wait.max.ms", "5"},
    {"queued.max.messages.kbytes", "1"},
    {"queued.min.messages", "1"},
    {"fetch.message.max.bytes", "983600"},
    {"fetch.max.bytes", "4194304"},
    {"check.crcs", "false"}, /* the chunks' own tags prove more */
    {NULL, NULL},
};

/* The records of one answer lie in one block, which the last of them frees. With four in an answer, what was kept for
 * each record that waited depended on which ones came together: peaks crept up by a quarter, the longer the higher. */
static const struct kafka_setting one_record_in_an_answer = {"fetch.max.bytes", "1000000"};

struct kafka_consumer {
    rd_kafka_t *handle;
    struct kafka_topic *topics;
    struct kafka_consumer *next;
};

struct kafka_reader {
    struct bus_reader base;
    struct kafka_bus *bus;
    enum bus_profile profile;
    struct kafka_consumer *consumers;
    bool needs_nudges;
};

struct kafka_cursor {
    struct bus_cursor base;
    struct kafka_consumer *consumer;
    struct kafka_topic *topic;
    int32_t partition;
    rd_kafka_queue_t *queue;
    enum anb_status stopped; /* OK, or why nothing more comes until a seek */
    int64_t last_message_ms;
    int64_t next_nudge_ms, nudge_wait_ms;
};

/* -- readers */

static int merge_settings(struct kafka_setting *into, const struct kafka_setting *from, int n)
{
    for (; from->name; from++) into[n++] = *from;
    return n;
}

static enum anb_status add_consumer(struct kafka_reader *reader, struct kafka_consumer **added, struct anb_error *err)
{
    struct kafka_setting settings[24] = {{NULL, NULL}};
    int n = merge_settings(settings, common_settings, 0);
    n = merge_settings(settings, reader->profile == BUS_PROMPT ? prompt_settings : large_settings, n);
    if (reader->profile == BUS_MANY) settings[n++] = one_record_in_an_answer;
    if (reader->profile == BUS_PROMPT && kafka_is_embedded(reader->bus))
        settings[n++] = (struct kafka_setting){"fetch.wait.max.ms", "5"}; /* it does not wake a fetch that waits */
    if (!reader->needs_nudges) settings[n] = (struct kafka_setting){"fetch.queue.backoff.ms", "1"};
    struct kafka_consumer *consumer = calloc(1, sizeof *consumer);
    if (!consumer) return bus_no_memory(err, "a consumer");
    consumer->handle = kafka_client_new(reader->bus, RD_KAFKA_CONSUMER, settings, NULL, err);
    if (!consumer->handle) {
        free(consumer);
        return ANB_INVALID;
    }
    struct kafka_consumer **end = &reader->consumers;
    while (*end) end = &(*end)->next;
    *added = *end = consumer;
    return ANB_OK;
}

enum anb_status kafka_reader_open(struct bus *bus, enum bus_profile profile, struct bus_reader **reader,
                                  struct anb_error *err)
{
    struct kafka_consumer *first;
    struct kafka_reader *opened = calloc(1, sizeof *opened);
    if (!opened) return bus_no_memory(err, "a reader");
    opened->base.ops = bus->ops;
    opened->bus = (struct kafka_bus *)bus;
    opened->profile = profile;
    opened->needs_nudges = rd_kafka_version() < 0x02020000;
    enum anb_status status = add_consumer(opened, &first, err);
    if (status == ANB_OK)
        *reader = &opened->base;
    else
        free(opened);
    return status;
}

void kafka_reader_close(struct bus_reader *base)
{
    struct kafka_reader *reader = (struct kafka_reader *)base;
    while (reader->consumers) {
        struct kafka_consumer *consumer = reader->consumers;
        reader->consumers = consumer->next;
        kafka_topics_free(&consumer->topics);
        rd_kafka_destroy(consumer->handle);
        free(consumer);
    }
    free(reader);
}

/* -- opening, seeking, closing */

/* Also makes the partition's leader known, so that the first fetch goes out at once. */
static enum anb_status check_partition(struct kafka_consumer *consumer, struct kafka_topic *topic, int32_t partition,
                                       struct anb_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (partition < topic->n_partitions) return ANB_OK;
    rd_kafka_resp_err_t error = rd_kafka_metadata(consumer->handle, 0, topic->handle, &metadata, ASK_MS);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = metadata->topics[0].err;
        topic->n_partitions = metadata->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(metadata);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && partition >= topic->n_partitions)
        error = RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return ANB_OK;
    return kafka_fail(err, error, "cannot read", topic->name, partition);
}

static enum anb_status start(struct kafka_cursor *cursor, int64_t offset, struct anb_error *err)
{
    cursor->queue = rd_kafka_queue_new(cursor->consumer->handle);
    if (rd_kafka_consume_start_queue(cursor->topic->handle, cursor->partition, offset, cursor->queue) != 0) {
        rd_kafka_resp_err_t error = rd_kafka_last_error();
        rd_kafka_queue_destroy(cursor->queue);
        cursor->queue = NULL;
        return kafka_fail(err, error, "cannot start reading", cursor->topic->name, cursor->partition);
    }
    cursor->stopped = ANB_OK;
    cursor->last_message_ms = clock_monotonic_ms();
    cursor->nudge_wait_ms = NUDGE_FIRST_MS;
    cursor->next_nudge_ms = cursor->last_message_ms + NUDGE_FIRST_MS;
    return ANB_OK;
}

static void stop(struct kafka_cursor *cursor)
{
    if (!cursor->queue) return;
    rd_kafka_consume_stop(cursor->topic->handle, cursor->partition);
    rd_kafka_queue_destroy(cursor->queue);
    cursor->queue = NULL;
}

static bool is_busy(const struct kafka_reader *reader, const struct kafka_consumer *consumer, const char *topic,
                    int32_t partition)
{
    for (const struct bus_cursor *c = reader->base.cursors; c; c = c->next) {
        const struct kafka_cursor *cursor = (const struct kafka_cursor *)c;
        if (cursor->consumer == consumer && cursor->partition == partition && strcmp(cursor->topic->name, topic) == 0)
            return true;
    }
    return false;
}

static enum anb_status find_consumer(struct kafka_reader *reader, const char *topic, int32_t partition,
                                     struct kafka_consumer **found, struct anb_error *err)
{
    for (struct kafka_consumer *consumer = reader->consumers; consumer; consumer = consumer->next) {
        if (is_busy(reader, consumer, topic, partition)) continue;
        *found = consumer;
        return ANB_OK;
    }
    return add_consumer(reader, found, err);
}

enum anb_status kafka_cursor_open(struct bus_reader *base, const char *name, int32_t partition, int64_t offset,
                                  struct bus_cursor **cursor, struct anb_error *err)
{
    struct kafka_consumer *consumer;
    enum anb_status status = find_consumer((struct kafka_reader *)base, name, partition, &consumer, err);
    if (status != ANB_OK) return status;
    struct kafka_topic *topic = kafka_topic_get(&consumer->topics, consumer->handle, name);
    if (!topic) return anb_fail(err, ANB_INVALID, "%s: not a topic's name", name);
    status = check_partition(consumer, topic, partition, err);
    if (status != ANB_OK) return status;
    struct kafka_cursor *opened = calloc(1, sizeof *opened);
    if (!opened) return bus_no_memory(err, "a cursor");
    *opened = (struct kafka_cursor){.consumer = consumer, .topic = topic, .partition = partition};
    status = start(opened, offset, err);
    if (status == ANB_OK)
        *cursor = &opened->base;
    else
        free(opened);
    return status;
}

enum anb_status kafka_cursor_seek(struct bus_cursor *base, int64_t offset, struct anb_error *err)
{
    struct kafka_cursor *cursor = (struct kafka_cursor *)base;
    stop(cursor);
    return start(cursor, offset, err);
}

void kafka_cursor_close(struct bus_cursor *base)
{
    stop((struct kafka_cursor *)base);
    free(base);
}

/* -- messages */

static void release(void *keep)
{
    rd_kafka_message_destroy(keep);
}

static void nudge_if_due(struct kafka_cursor *cursor, int64_t now_ms)
{
    const struct kafka_reader *reader = (const struct kafka_reader *)cursor->base.reader;
    if (!reader->needs_nudges || now_ms < cursor->next_nudge_ms || now_ms - cursor->last_message_ms > STALL_MS) return;
    int64_t end;
    kafka_ask_offset(cursor->consumer->handle, cursor->topic->name, cursor->partition, RD_KAFKA_OFFSET_END,
                     NUDGE_TIMEOUT_MS, &end);
    if (cursor->nudge_wait_ms < NUDGE_LAST_MS) cursor->nudge_wait_ms *= 4;
    cursor->next_nudge_ms = clock_monotonic_ms() + cursor->nudge_wait_ms;
}

/* How long to wait before something has to be done: the deadline, or the next nudge. */
static int64_t wait_ms(const struct kafka_cursor *cursor, int64_t now_ms, int64_t deadline_ms)
{
    const struct kafka_reader *reader = (const struct kafka_reader *)cursor->base.reader;
    int64_t until_ms = deadline_ms;
    bool nudges = reader->needs_nudges && now_ms - cursor->last_message_ms <= STALL_MS;
    if (nudges && cursor->next_nudge_ms < until_ms) until_ms = cursor->next_nudge_ms;
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

/* The payload lies in the response's buffer, each message in bytes of its own, and nothing in librdkafka looks at it
 * again: its checksum was checked, or not, when the response was taken apart. So who receives it may write over it. */
static enum anb_status give(struct kafka_cursor *cursor, rd_kafka_message_t *got, struct bus_message *message)
{
    cursor->last_message_ms = clock_monotonic_ms();
    cursor->nudge_wait_ms = NUDGE_FIRST_MS;
    cursor->next_nudge_ms = cursor->last_message_ms + NUDGE_FIRST_MS;
    *message = (struct bus_message){.offset = got->offset,
                                    .key = slice_of(got->key, got->key_len),
                                    .value = slice_of(got->payload, got->len),
                                    .keep = got,
                                    .release = release};
    return ANB_OK;
}

static enum anb_status fail_stopped(const struct kafka_cursor *cursor, struct anb_error *err)
{
    return anb_fail(err, cursor->stopped, "%s[%d]: offset %lld is not in the log", cursor->topic->name,
                    cursor->partition, (long long)cursor->base.position);
}

/* An event in the partition's queue instead of a record. librdkafka goes on by itself after all but a lost offset. */
static enum anb_status explain(struct kafka_cursor *cursor, rd_kafka_message_t *got, struct anb_error *err)
{
    rd_kafka_resp_err_t error = got->err;
    rd_kafka_message_destroy(got);
    if (error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || error == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        cursor->stopped = ANB_NOT_FOUND;
        return fail_stopped(cursor, err);
    }
    enum anb_status status = kafka_status(error);
    kafka_fail(err, error, "cannot read now", cursor->topic->name, cursor->partition);
    return status == ANB_DENIED || status == ANB_TOO_LARGE ? status : ANB_UNAVAILABLE;
}

enum anb_status kafka_cursor_next(struct bus_cursor *base, int64_t timeout_ms, struct bus_message *message,
                                  struct anb_error *err)
{
    struct kafka_cursor *cursor = (struct kafka_cursor *)base;
    int64_t now_ms = clock_monotonic_ms(), deadline_ms = now_ms + timeout_ms;
    if (cursor->stopped != ANB_OK) return fail_stopped(cursor, err);
    if (!cursor->queue)
        return anb_fail(err, ANB_UNAVAILABLE, "%s: the last seek failed, seek again", cursor->topic->name);
    for (;;) {
        rd_kafka_message_t *got = rd_kafka_consume_queue(cursor->queue, (int)wait_ms(cursor, now_ms, deadline_ms));
        if (got && got->err) return explain(cursor, got, err);
        if (got && got->offset >= base->position) return give(cursor, got, message);
        if (got) rd_kafka_message_destroy(got); /* the batch began before the offset that was asked for */
        now_ms = clock_monotonic_ms();
        if (!got && now_ms >= deadline_ms)
            return anb_fail(err, ANB_AGAIN, "%s[%d]: no message yet", cursor->topic->name, cursor->partition);
        if (!got) nudge_if_due(cursor, now_ms);
    }
}
