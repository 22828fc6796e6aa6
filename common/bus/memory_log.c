#include "bus/memory_log.h"

#include <stdlib.h>
#include <string.h>

struct memory_log *memory_log_new(int64_t (*now_ms)(void *context), void *context, uint64_t seed)
{
    struct memory_log *log = calloc(1, sizeof *log);
    if (!log) return NULL;
    pthread_mutex_init(&log->mutex, NULL);
    condition_init(&log->grown);
    log->now_ms = now_ms;
    log->now_context = context;
    log->random = seed;
    return log;
}

static void topic_free(struct memory_topic *topic)
{
    for (int32_t p = 0; topic->partitions && p < topic->n_partitions; p++) {
        memory_trim_locked(&topic->partitions[p], INT64_MAX);
        free(topic->partitions[p].records);
    }
    free(topic->partitions);
    free(topic->name);
    free(topic);
}

void memory_log_free(struct memory_log *log)
{
    if (!log) return;
    while (log->topics) {
        struct memory_topic *topic = log->topics;
        log->topics = topic->next;
        topic_free(topic);
    }
    pthread_cond_destroy(&log->grown);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

void memory_log_set_faults(struct memory_log *log, const struct memory_faults *faults)
{
    pthread_mutex_lock(&log->mutex);
    log->faults = *faults;
    pthread_mutex_unlock(&log->mutex);
}

/* splitmix64: any seed is good, the same everywhere */
uint64_t memory_random_locked(struct memory_log *log)
{
    uint64_t z = log->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

bool memory_draw_locked(struct memory_log *log, uint32_t per_million)
{
    return per_million > 0 && memory_random_locked(log) % 1000000 < per_million;
}

/* -- topics */

struct memory_topic *memory_topic_find_locked(struct memory_log *log, const char *name)
{
    struct memory_topic *topic = log->topics;
    while (topic && strcmp(topic->name, name) != 0) topic = topic->next;
    return topic;
}

struct memory_partition *memory_partition_find_locked(struct memory_log *log, const char *topic, int32_t partition)
{
    struct memory_topic *found = memory_topic_find_locked(log, topic);
    if (!found || partition < 0 || partition >= found->n_partitions) return NULL;
    return &found->partitions[partition];
}

enum anb_status memory_topic_add_locked(struct memory_log *log, const struct bus_topic *topic, struct anb_error *err)
{
    struct memory_topic *added = calloc(1, sizeof *added);
    if (!added) return bus_no_memory(err, topic->name);
    added->name = strdup(topic->name);
    added->n_partitions = topic->partitions;
    added->partitions = calloc((size_t)topic->partitions, sizeof *added->partitions);
    if (!added->name || !added->partitions) {
        topic_free(added);
        return bus_no_memory(err, topic->name);
    }
    added->retention_bytes = topic->retention_bytes;
    added->max_message_bytes = topic->max_message_bytes ? topic->max_message_bytes : BUS_DEFAULT_MAX_MESSAGE_BYTES;
    added->next = log->topics;
    log->topics = added;
    return ANB_OK;
}

/* -- records */

static size_t record_bytes(const struct memory_record *record)
{
    return record->key_size + record->value_size;
}

struct memory_record *memory_record_new(struct slice key, struct slice value)
{
    struct memory_record *record = malloc(sizeof *record + key.size + value.size);
    if (!record) return NULL;
    record->key_size = key.size;
    record->value_size = value.size;
    if (key.size > 0) memcpy(record->bytes, key.data, key.size);
    if (value.size > 0) memcpy(record->bytes + key.size, value.data, value.size);
    return record;
}

void memory_trim_locked(struct memory_partition *partition, int64_t offset)
{
    size_t gone = 0;
    while (gone < partition->n_records && partition->first + (int64_t)gone < offset) {
        partition->bytes -= record_bytes(partition->records[gone]);
        free(partition->records[gone++]);
    }
    if (gone == 0) return;
    partition->first += (int64_t)gone;
    partition->n_records -= gone;
    memmove(partition->records, partition->records + gone, partition->n_records * sizeof(void *));
}

/* A quarter more than the bound may stay, so that not every append moves the table. */
static void apply_retention(const struct memory_topic *topic, struct memory_partition *partition)
{
    if (topic->retention_bytes < 0) return;
    size_t bound = (size_t)topic->retention_bytes;
    if (partition->bytes <= bound + bound / 4) return;
    size_t bytes = partition->bytes, gone = 0;
    while (gone + 1 < partition->n_records && bytes > bound) bytes -= record_bytes(partition->records[gone++]);
    memory_trim_locked(partition, partition->first + (int64_t)gone);
}

static enum anb_status push_record(struct memory_partition *partition, struct slice key, struct slice value)
{
    if (partition->n_records == partition->capacity) {
        size_t capacity = partition->capacity ? partition->capacity * 2 : 16;
        void *records = realloc(partition->records, capacity * sizeof(void *));
        if (!records) return ANB_NO_MEMORY;
        partition->records = records;
        partition->capacity = capacity;
    }
    struct memory_record *record = memory_record_new(key, value);
    if (!record) return ANB_NO_MEMORY;
    partition->records[partition->n_records++] = record;
    partition->bytes += record_bytes(record);
    return ANB_OK;
}

static void damage_last(struct memory_partition *partition)
{
    struct memory_record *record = partition->records[partition->n_records - 1];
    record->bytes[record->key_size + record->value_size - 1] ^= 1;
}

enum anb_status memory_append_locked(struct memory_log *log, const char *topic, int32_t partition, struct slice key,
                                     struct slice value, int64_t *offset)
{
    struct memory_topic *found = memory_topic_find_locked(log, topic);
    if (!found || partition >= found->n_partitions) return ANB_NOT_FOUND;
    if ((int64_t)(key.size + value.size) + BUS_RECORD_FRAME_BYTES > found->max_message_bytes) return ANB_TOO_LARGE;
    struct memory_partition *into = &found->partitions[partition];
    *offset = into->first + (int64_t)into->n_records;
    enum anb_status status = push_record(into, key, value);
    if (status == ANB_OK && memory_draw_locked(log, log->faults.repeat_per_million))
        status = push_record(into, key, value);
    if (status == ANB_OK && log->faults.damaged_topic && strcmp(log->faults.damaged_topic, topic) == 0)
        damage_last(into);
    apply_retention(found, into);
    pthread_cond_broadcast(&log->grown);
    return status;
}

/* -- for tests */

int64_t memory_log_end(struct memory_log *log, const char *topic, int32_t partition)
{
    pthread_mutex_lock(&log->mutex);
    const struct memory_partition *found = memory_partition_find_locked(log, topic, partition);
    int64_t end = found ? found->first + (int64_t)found->n_records : -1;
    pthread_mutex_unlock(&log->mutex);
    return end;
}

enum anb_status memory_log_put(struct memory_log *log, const char *topic, int32_t partition, struct slice value)
{
    int64_t offset;
    if (partition < 0) return ANB_INVALID;
    pthread_mutex_lock(&log->mutex);
    enum anb_status status = memory_append_locked(log, topic, partition, (struct slice){0}, value, &offset);
    pthread_mutex_unlock(&log->mutex);
    return status;
}

enum anb_status memory_log_get(struct memory_log *log, const char *topic, int32_t partition, int64_t offset,
                               struct buf *out)
{
    enum anb_status status = ANB_NOT_FOUND;
    pthread_mutex_lock(&log->mutex);
    const struct memory_partition *found = memory_partition_find_locked(log, topic, partition);
    if (found && offset >= found->first && offset < found->first + (int64_t)found->n_records) {
        const struct memory_record *record = found->records[offset - found->first];
        status = buf_append(out, slice_of(record->bytes + record->key_size, record->value_size), NULL);
    }
    pthread_mutex_unlock(&log->mutex);
    return status;
}
