/* What every bus gives: one table of functions, and the few pieces its implementations share.
 *
 * An implementation's structs begin with these. The table's functions get arguments that bus.c has checked. Any
 * thread, as bus.h says for each function. */
#ifndef ANB_BUS_BUS_PRIVATE_H
#define ANB_BUS_BUS_PRIVATE_H

#include "base/condition.h"
#include "bus/bus.h"

#include <pthread.h>

struct bus_ops {
    void (*close)(struct bus *bus, int64_t timeout_ms);
    int64_t (*now_ms)(struct bus *bus);
    enum anb_status (*random_id)(struct bus *bus, struct id *id, struct anb_error *err);

    enum anb_status (*append)(struct bus *bus, const struct bus_append *append, struct anb_error *err);
    void (*wait_room)(struct bus *bus, int64_t timeout_ms);

    enum anb_status (*reader_open)(struct bus *bus, enum bus_profile profile, struct bus_reader **reader,
                                   struct anb_error *err);
    void (*reader_close)(struct bus_reader *reader); /* its cursors are closed already */
    enum anb_status (*cursor_open)(struct bus_reader *reader, const char *topic, int32_t partition, int64_t offset,
                                   struct bus_cursor **cursor, struct anb_error *err);
    enum anb_status (*cursor_seek)(struct bus_cursor *cursor, int64_t offset, struct anb_error *err);
    enum anb_status (*cursor_next)(struct bus_cursor *cursor, int64_t timeout_ms, struct bus_message *message,
                                   struct anb_error *err);
    void (*cursor_close)(struct bus_cursor *cursor);

    enum anb_status (*topics_ensure)(struct bus *bus, const struct bus_topic *topics, size_t n, int64_t timeout_ms,
                                     struct anb_error *err);
    enum anb_status (*topic_partitions)(struct bus *bus, const char *name, int64_t timeout_ms, int32_t *partitions,
                                        struct anb_error *err);
    enum anb_status (*bounds)(struct bus *bus, const char *topic, int32_t partition, int64_t timeout_ms, int64_t *first,
                              int64_t *end, struct anb_error *err);
    void (*trim)(struct bus *bus, const char *topic, int32_t partition, int64_t offset);
};

struct bus {
    const struct bus_ops *ops;
};

struct bus_reader {
    const struct bus_ops *ops;
    struct bus_cursor *cursors; /* a list: bus.c links and unlinks */
};

struct bus_cursor {
    const struct bus_ops *ops;
    struct bus_reader *reader;
    struct bus_cursor *next;
    int64_t position;
};

/* What Kafka's brokers take for one batch unless they are told otherwise, and what a record's frame takes of it. */
enum { BUS_DEFAULT_MAX_MESSAGE_BYTES = 1048588, BUS_RECORD_FRAME_BYTES = 100 };

enum anb_status bus_no_memory(struct anb_error *err, const char *what);
enum anb_status bus_too_few_partitions(struct anb_error *err, const struct bus_topic *wanted, int32_t n_partitions);

#endif
