/* What the files of the Kafka bus share. The only header, with the .c files named kafka_*, that sees librdkafka.
 *
 * One bus holds one producer and, from its first use on, one handle for questions and topics; each reader holds its own
 * consumer. Locks: `producer_mutex` guards the producer's part of `struct kafka_bus`, `admin_mutex` the other
 * handle.
 * Neither is held while a callback of the bus's user runs. */
#ifndef ANB_BUS_KAFKA_PRIVATE_H
#define ANB_BUS_KAFKA_PRIVATE_H

#include "bus/bus_private.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

/* One record on its way. The list of them makes sure that each is reported once, even those that librdkafka drops
 * without a word when its handle is destroyed. */
struct kafka_delivery {
    struct kafka_delivery *previous, *next;
    bus_delivered *delivered;
    void *context;
    size_t bytes;
};

struct kafka_topic {
    char *name;
    rd_kafka_topic_t *handle;
    int32_t n_partitions; /* for readers: as far as known */
    struct kafka_topic *next;
};

struct kafka_bus {
    struct bus base;
    char *bootstrap_servers, *client_id;
    struct bus_tls tls;  /* own copies; NULL key_file: no TLS */
    int64_t queue_bytes; /* most that may wait */

    pthread_mutex_t producer_mutex;
    pthread_cond_t room;
    rd_kafka_t *producer;
    struct kafka_topic *topics;
    struct kafka_delivery *deliveries;
    int64_t waiting_bytes, waiting_records;
    bool broken;         /* a fatal error: the polling thread is about to make the producer anew */
    atomic_bool closing; /* the polling thread ends */
    pthread_t polling;

    pthread_mutex_t admin_mutex;
    rd_kafka_t *admin;
};

struct kafka_setting {
    const char *name, *value;
};

/* kafka_bus.c: a handle with the settings that all share, then `settings` (ends with a NULL name). */
rd_kafka_t *kafka_client_new(struct kafka_bus *bus, rd_kafka_type_t type, const struct kafka_setting *settings,
                             void (*prepare)(rd_kafka_conf_t *conf), struct anb_error *err);
enum anb_status kafka_status(rd_kafka_resp_err_t error);
enum anb_status kafka_fail(struct anb_error *err, rd_kafka_resp_err_t error, const char *what, const char *topic,
                           int32_t partition);
struct kafka_topic *kafka_topic_get(struct kafka_topic **list, rd_kafka_t *client, const char *name);
void kafka_topics_free(struct kafka_topic **list);

/* kafka_producer.c */
enum anb_status kafka_producer_open(struct kafka_bus *bus, struct anb_error *err);
void kafka_producer_close(struct kafka_bus *bus, int64_t timeout_ms);
enum anb_status kafka_append(struct bus *bus, const struct bus_append *append, struct anb_error *err);
void kafka_wait_room(struct bus *bus, int64_t timeout_ms);

/* kafka_reader.c */
enum anb_status kafka_reader_open(struct bus *bus, enum bus_profile profile, struct bus_reader **reader,
                                  struct anb_error *err);
void kafka_reader_close(struct bus_reader *reader);
enum anb_status kafka_cursor_open(struct bus_reader *reader, const char *topic, int32_t partition, int64_t offset,
                                  struct bus_cursor **cursor, struct anb_error *err);
enum anb_status kafka_cursor_seek(struct bus_cursor *cursor, int64_t offset, struct anb_error *err);
enum anb_status kafka_cursor_next(struct bus_cursor *cursor, int64_t timeout_ms, struct bus_message *message,
                                  struct anb_error *err);
void kafka_cursor_close(struct bus_cursor *cursor);

/* kafka_admin.c */
rd_kafka_t *kafka_admin_of(struct bus *bus, struct anb_error *err); /* made when first asked for; NULL: it failed */
/* The partition's first offset (RD_KAFKA_OFFSET_BEGINNING) or the next one to be given (RD_KAFKA_OFFSET_END). */
rd_kafka_resp_err_t kafka_ask_offset(rd_kafka_t *client, const char *topic, int32_t partition, int64_t which,
                                     int64_t timeout_ms, int64_t *offset);
void kafka_admin_close(struct kafka_bus *bus);
/* True once a question was answered by the embedded broker. */
bool kafka_is_embedded(struct kafka_bus *bus);
enum anb_status kafka_bounds(struct bus *bus, const char *topic, int32_t partition, int64_t timeout_ms, int64_t *first,
                             int64_t *end, struct anb_error *err);
void kafka_trim(struct bus *bus, const char *topic, int32_t partition, int64_t offset);

/* kafka_topics.c */
enum anb_status kafka_topics_ensure(struct bus *bus, const struct bus_topic *topics, size_t n, int64_t timeout_ms,
                                    struct anb_error *err);
enum anb_status kafka_topic_partitions(struct bus *bus, const char *name, int64_t timeout_ms, int32_t *partitions,
                                       struct anb_error *err);

/* kafka_log.c: librdkafka's own lines, into our log */
void kafka_log_attach(rd_kafka_conf_t *conf);

#endif
