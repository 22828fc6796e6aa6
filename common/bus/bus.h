/* The seam to the outside world: a log of topics and partitions, time and chance.
 *
 * bus_kafka.c carries bytes over Apache Kafka, bus_memory.c keeps them in this process for tests. A bus knows topics,
 * partitions and offsets; it does not know what the bytes mean. A bus may be used from any thread. A reader and its
 * cursors belong to one thread at a time. Delivery callbacks run on a thread of the bus and must not block or call the
 * bus. */
#ifndef ANB_BUS_BUS_H
#define ANB_BUS_BUS_H

#include "base/buf.h"
#include "base/id.h"

struct bus;
struct bus_reader;
struct bus_cursor;

struct bus_tls {                             /* PEM files; all are copied, the passphrase is wiped with the bus */
    const char *key_file, *certificate_file; /* of this client */
    const char *root_file;                   /* who signs the brokers' certificates */
    const char *passphrase;                  /* of the key; NULL: it is not encrypted */
};

struct bus_kafka_config {
    const char *bootstrap_servers; /* "host:port,host:port" */
    const char *client_id;         /* the node's name */
    int64_t queue_kib;             /* most bytes waiting to be sent, e.g. 16384 */
    const struct bus_tls *tls;     /* NULL: no TLS */
};

enum anb_status bus_kafka_open(const struct bus_kafka_config *config, struct bus **bus, struct anb_error *err);
/* Waits up to `timeout_ms` for what was appended, then frees. All readers must be closed before. */
void bus_close(struct bus *bus, int64_t timeout_ms);

int64_t bus_now_ms(struct bus *bus); /* wall clock; virtual in tests */
enum anb_status bus_random_id(struct bus *bus, struct id *id, struct anb_error *err);

/* -- append */

typedef void bus_delivered(void *context, enum anb_status status, int64_t offset);

struct bus_append {
    const char *topic;
    int32_t partition;
    struct slice key;
    struct slice value;       /* not copied: must live until `delivered` has run */
    bus_delivered *delivered; /* exactly once if bus_append gave OK; OK with the offset, or the failure */
    void *context;
};

/* Hand a record over; order within a partition is kept, none is repeated. AGAIN: the queue is full, wait with
 * bus_wait_room. FATAL: the producer broke; what was under way is reported as failed (UNAVAILABLE: it may or may not
 * stand in the log) and the bus makes a new one by itself: later appends work, but begin such streams anew. */
enum anb_status bus_append(struct bus *bus, const struct bus_append *append, struct anb_error *err);
/* Wait until appends may succeed again or the time is over; returns at once when there is room. */
void bus_wait_room(struct bus *bus, int64_t timeout_ms);
/* Append and wait for the offset (may be NULL). The value is copied when the wait ends first (TIMEOUT: the record may
 * still arrive). */
enum anb_status bus_append_and_wait(struct bus *bus, const char *topic, int32_t partition, struct slice key,
                                    struct slice value, int64_t timeout_ms, int64_t *offset, struct anb_error *err);

/* -- read */

/* PROMPT: small records at once (control, pulse, telemetry, small models). The others are for large records and keep
 * memory flat; their cursors prefetch one record each. BULK: one object; an answer of the broker brings a record of
 * several partitions, which suits long lines. MANY: many objects in step; an answer brings one record, so that a record
 * that waits for its turn keeps no other one in memory. */
enum bus_profile { BUS_PROMPT, BUS_BULK, BUS_MANY, BUS_PROFILES };

struct bus_message {
    int64_t offset;
    struct slice key;
    struct slice value; /* until bus_message_release; release soon: it may pin more memory than its own. The receiver's
                           own: it may write over it (chunks are decrypted in place) */
    void *keep;         /* the bus's own, as is `release` */
    void (*release)(void *keep);
};

enum anb_status bus_reader_open(struct bus *bus, enum bus_profile profile, struct bus_reader **reader,
                                struct anb_error *err);
void bus_reader_close(struct bus_reader *reader); /* and its cursors */

/* Read one partition from an offset on. The topic must exist. */
enum anb_status bus_cursor_open(struct bus_reader *reader, const char *topic, int32_t partition, int64_t offset,
                                struct bus_cursor **cursor, struct anb_error *err);
enum anb_status bus_cursor_seek(struct bus_cursor *cursor, int64_t offset, struct anb_error *err);
int64_t bus_cursor_position(const struct bus_cursor *cursor); /* offset of the next message wanted */
void bus_cursor_close(struct bus_cursor *cursor);

/* The next message. AGAIN: none within `timeout_ms` (0: look only). NOT_FOUND: the offset is no longer, or not yet, in
 * the log (trimmed). UNAVAILABLE: the broker is away, call again. */
enum anb_status bus_cursor_next(struct bus_cursor *cursor, int64_t timeout_ms, struct bus_message *message,
                                struct anb_error *err);
void bus_message_release(struct bus_message *message);

/* -- topics */

struct bus_topic {
    const char *name;
    int32_t partitions;
    int32_t replication;       /* 0: the broker's default */
    int64_t retention_ms;      /* -1: for ever */
    int64_t retention_bytes;   /* by partition; -1: no bound */
    int64_t max_message_bytes; /* 0: the broker's default */
};

/* Create those of the topics that are not there, all at once; at most BUS_MAX_TOPICS. A topic that is there with fewer
 * partitions than wanted is INVALID. */
enum { BUS_MAX_TOPICS = 16 };
enum anb_status bus_topics_ensure(struct bus *bus, const struct bus_topic *topics, size_t n, int64_t timeout_ms,
                                  struct anb_error *err);
enum anb_status bus_topic_ensure(struct bus *bus, const struct bus_topic *topic, int64_t timeout_ms,
                                 struct anb_error *err); /* the same for one */
/* How many partitions it has; NOT_FOUND when there is no such topic. */
enum anb_status bus_topic_partitions(struct bus *bus, const char *name, int64_t timeout_ms, int32_t *partitions,
                                     struct anb_error *err);
/* First offset still there, and the offset the next record will get. */
enum anb_status bus_bounds(struct bus *bus, const char *topic, int32_t partition, int64_t timeout_ms, int64_t *first,
                           int64_t *end, struct anb_error *err);
/* Forget what lies before `offset`. Returns at once; failures are logged: the log's retention is the net below. */
void bus_trim(struct bus *bus, const char *topic, int32_t partition, int64_t offset);

#endif
