/* What the broker needs to carry the bytes of a round when nobody computes: the floor under ./run bench exchange.
 *
 *     bench_floor BOOTSTRAP produce TOPIC CHUNKS
 *     bench_floor BOOTSTRAP consume CHUNKS TOPIC...
 *
 * One producer writes CHUNKS records of full size into the partitions of its topic in turn; one consumer reads them
 * from all its topics in step, as a fold does, and drops them. Only the bus is used, so its settings are the ones under
 * test. After "ready" on stdout, each line on stdin starts one round, answered by "done"; end of file ends the program.
 */
#include "base/clock.h"
#include "bus/bus.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 4, RECORD_BYTES = 983040 + 48, MAX_TOPICS = 64, QUEUE_KIB = 16384, WAIT_MS = 60000 };

static atomic_llong n_delivered, n_failed;

static void delivered(void *context, enum anb_status status, int64_t offset)
{
    (void)context;
    (void)offset;
    atomic_fetch_add(status == ANB_OK ? &n_delivered : &n_failed, 1);
}

static enum anb_status ensure_topic(struct bus *bus, const char *name, struct anb_error *err)
{
    struct bus_topic topic = {.name = name, .partitions = PARTITIONS, .retention_ms = -1, .retention_bytes = -1};
    return bus_topic_ensure(bus, &topic, WAIT_MS, err);
}

static enum anb_status append_chunk(struct bus *bus, const char *topic, int64_t chunk, const void *bytes,
                                    struct anb_error *err)
{
    struct bus_append append = {.topic = topic,
                                .partition = (int32_t)(chunk % PARTITIONS),
                                .value = {.data = bytes, .size = RECORD_BYTES},
                                .delivered = delivered};
    enum anb_status status;
    while ((status = bus_append(bus, &append, err)) == ANB_AGAIN) bus_wait_room(bus, 100);
    return status;
}

static enum anb_status wait_delivered(int64_t wanted, struct anb_error *err)
{
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (atomic_load(&n_delivered) < wanted) {
        if (atomic_load(&n_failed) > 0 || clock_monotonic_ms() > end)
            return anb_fail(err, ANB_UNAVAILABLE, "not all records reached the broker");
        clock_sleep_ms(1);
    }
    return ANB_OK;
}

static bool next_round(void)
{
    char line[16];
    return fgets(line, sizeof line, stdin) != NULL;
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static enum anb_status produce(struct bus *bus, const char *topic, int64_t n_chunks, struct anb_error *err)
{
    enum anb_status status = ensure_topic(bus, topic, err);
    void *bytes = calloc(1, RECORD_BYTES);
    if (!bytes) return anb_fail(err, ANB_NO_MEMORY, "no memory for a record");
    say("ready");
    for (int64_t sent = 0; status == ANB_OK && next_round(); sent += n_chunks) {
        for (int64_t chunk = 0; status == ANB_OK && chunk < n_chunks; chunk++)
            status = append_chunk(bus, topic, chunk, bytes, err);
        if (status == ANB_OK) status = wait_delivered(sent + n_chunks, err);
        if (status == ANB_OK) say("done");
    }
    bus_close(bus, WAIT_MS);
    free(bytes);
    return status;
}

struct intake { /* one topic as a consumer reads it */
    const char *topic;
    struct bus_cursor *cursors[PARTITIONS];
};

static enum anb_status open_intake(struct bus *bus, struct bus_reader *reader, struct intake *intake,
                                   struct anb_error *err)
{
    enum anb_status status = ensure_topic(bus, intake->topic, err);
    for (int32_t p = 0; status == ANB_OK && p < PARTITIONS; p++) {
        int64_t first = 0, end = 0;
        status = bus_bounds(bus, intake->topic, p, WAIT_MS, &first, &end, err);
        if (status == ANB_OK) status = bus_cursor_open(reader, intake->topic, p, end, &intake->cursors[p], err);
    }
    return status;
}

static enum anb_status take_chunk(struct intake *intake, int64_t chunk, struct anb_error *err)
{
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    struct bus_message message;
    enum anb_status status;
    do {
        status = bus_cursor_next(intake->cursors[chunk % PARTITIONS], 1000, &message, err);
        if (status == ANB_OK) bus_message_release(&message);
    } while ((status == ANB_AGAIN || status == ANB_UNAVAILABLE) && clock_monotonic_ms() < end);
    return status;
}

/* Records of the round before are given back to the broker's disk. */
static void trim(struct bus *bus, const struct intake *intakes, int n_topics)
{
    for (int t = 0; t < n_topics; t++)
        for (int32_t p = 0; p < PARTITIONS; p++)
            bus_trim(bus, intakes[t].topic, p, bus_cursor_position(intakes[t].cursors[p]));
}

static enum anb_status consume_round(struct intake *intakes, int n_topics, int64_t n_chunks, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (int64_t chunk = 0; status == ANB_OK && chunk < n_chunks; chunk++)
        for (int t = 0; status == ANB_OK && t < n_topics; t++) status = take_chunk(&intakes[t], chunk, err);
    return status;
}

static enum anb_status consume(struct bus *bus, char **topics, int n_topics, int64_t n_chunks, struct anb_error *err)
{
    struct intake intakes[MAX_TOPICS] = {{0}};
    struct bus_reader *reader = NULL;
    enum anb_status status = bus_reader_open(bus, n_topics > 1 ? BUS_MANY : BUS_BULK, &reader, err);
    for (int t = 0; status == ANB_OK && t < n_topics; t++) {
        intakes[t].topic = topics[t];
        status = open_intake(bus, reader, &intakes[t], err);
    }
    if (status == ANB_OK) say("ready");
    while (status == ANB_OK && next_round()) {
        trim(bus, intakes, n_topics); /* now that all have read the round before */
        status = consume_round(intakes, n_topics, n_chunks, err);
        if (status == ANB_OK) say("done");
    }
    if (reader) bus_reader_close(reader);
    bus_close(bus, WAIT_MS);
    return status;
}

int main(int argc, char **argv)
{
    struct anb_error err;
    struct bus *bus = NULL;
    bool produces = argc == 5 && strcmp(argv[2], "produce") == 0;
    bool consumes = argc >= 5 && argc - 4 <= MAX_TOPICS && strcmp(argv[2], "consume") == 0;
    if (!produces && !consumes) {
        fprintf(stderr, "usage: bench_floor BOOTSTRAP produce TOPIC CHUNKS | consume CHUNKS TOPIC...\n");
        return 2;
    }
    struct bus_kafka_config config = {.bootstrap_servers = argv[1], .client_id = "bench-floor", .queue_kib = QUEUE_KIB};
    enum anb_status status = bus_kafka_open(&config, &bus, &err);
    if (status == ANB_OK && produces) status = produce(bus, argv[3], strtoll(argv[4], NULL, 10), &err);
    if (status == ANB_OK && consumes) status = consume(bus, argv + 4, argc - 4, strtoll(argv[3], NULL, 10), &err);
    if (status != ANB_OK) fprintf(stderr, "bench_floor: %s\n", err.text);
    return status == ANB_OK ? 0 : 1;
}
