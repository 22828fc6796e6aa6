/* The log behind the memory bus: topics, partitions and records under one lock.
 *
 * Private to bus_memory.c and memory_log.c. Each function takes the log's lock by itself unless its name ends in
 * _locked. Topics are never removed, so a partition's address stays good as long as the log. */
#ifndef ANB_BUS_MEMORY_LOG_H
#define ANB_BUS_MEMORY_LOG_H

#include "bus/bus_private.h"
#include "bus/memory.h"

struct memory_record {
    size_t key_size, value_size;
    unsigned char bytes[]; /* key, then value */
};

struct memory_partition {
    int64_t first; /* offset of records[0] */
    struct memory_record **records;
    size_t n_records, capacity;
    size_t bytes;
};

struct memory_topic {
    char *name;
    int32_t n_partitions;
    int64_t retention_bytes, max_message_bytes;
    struct memory_partition *partitions;
    struct memory_topic *next;
};

struct memory_log {
    pthread_mutex_t mutex;
    pthread_cond_t grown;
    int64_t (*now_ms)(void *context);
    void *now_context;
    uint64_t random; /* state of the generator */
    struct memory_faults faults;
    struct memory_topic *topics;
};

struct memory_topic *memory_topic_find_locked(struct memory_log *log, const char *name);
struct memory_partition *memory_partition_find_locked(struct memory_log *log, const char *topic, int32_t partition);
enum anb_status memory_topic_add_locked(struct memory_log *log, const struct bus_topic *topic, struct anb_error *err);
enum anb_status memory_append_locked(struct memory_log *log, const char *topic, int32_t partition, struct slice key,
                                     struct slice value, int64_t *offset);
void memory_trim_locked(struct memory_partition *partition, int64_t offset);

uint64_t memory_random_locked(struct memory_log *log);
bool memory_draw_locked(struct memory_log *log, uint32_t per_million); /* true that often */

/* NULL: no memory. Free with free(). */
struct memory_record *memory_record_new(struct slice key, struct slice value);

#endif
