/* A bus in this process, for unit tests and for whole federations on a virtual clock.
 *
 * Deterministic: what is appended is delivered at once, on the caller's thread, unless faults are set. Several `struct
 * bus` can share one log, as several nodes share a broker; closing one node's bus leaves the log. Any thread. */
#ifndef ANB_BUS_MEMORY_H
#define ANB_BUS_MEMORY_H

#include "bus/bus.h"

struct memory_log; /* what a broker would hold */

/* `now_ms` and `seed` give time and chance; now_ms may be NULL (the wall clock). */
struct memory_log *memory_log_new(int64_t (*now_ms)(void *context), void *context, uint64_t seed);
void memory_log_free(struct memory_log *log); /* after all its buses are closed */

enum anb_status bus_memory_open(struct memory_log *log, struct bus **bus, struct anb_error *err);

/* Faults, each drawn from the seed. */
struct memory_faults {
    uint32_t fail_append_per_million; /* `delivered` gets UNAVAILABLE, nothing is written */
    uint32_t repeat_per_million;      /* the record is written twice */
    uint32_t full_per_million;        /* bus_append gives AGAIN */
    uint32_t hide_per_million;        /* bus_cursor_next gives AGAIN though something is there */
    const char *damaged_topic;        /* the last byte of every record appended to it is altered; NULL: none */
};
void memory_log_set_faults(struct memory_log *log, const struct memory_faults *faults);

/* For tests that look at the log itself, or write what no honest node would. */
int64_t memory_log_end(struct memory_log *log, const char *topic, int32_t partition);
enum anb_status memory_log_put(struct memory_log *log, const char *topic, int32_t partition, struct slice value);
enum anb_status memory_log_get(struct memory_log *log, const char *topic, int32_t partition, int64_t offset,
                               struct buf *out);

#endif
