/* What a broker's death does to the Kafka bus: nothing, but a pause.
 *
 * ANABRANCH_TEST_BOOTSTRAP names the broker, ANABRANCH_TEST_RESTART is a shell command that ends it without a warning
 * and starts it again, e.g. "deploy/kafka/kafka.sh kill build/k && deploy/kafka/kafka.sh start build/k 21000". */
#include "base/clock.h"
#include "support/bus_contract.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_SKIPPED = 77, PARTITIONS = 4, WAIT_MS = 120000 };

struct bus_subject bus_subject;

struct flow {
    struct bus *bus;
    const char *topic;
    int n_records;
    size_t record_bytes;
    unsigned char *records; /* each with its number and bytes of its own */
    atomic_int ok, failed;
};

static void count(void *context, enum anb_status status, int64_t offset)
{
    struct flow *flow = context;
    (void)offset;
    atomic_fetch_add(status == ANB_OK ? &flow->ok : &flow->failed, 1);
}

static unsigned char *record_at(const struct flow *flow, int i)
{
    return flow->records + (size_t)i * flow->record_bytes;
}

static void *append_all(void *context)
{
    struct flow *flow = context;
    for (int i = 0; i < flow->n_records; i++) {
        struct bus_append append = {.topic = flow->topic,
                                    .partition = i % PARTITIONS,
                                    .value = slice_of(record_at(flow, i), flow->record_bytes),
                                    .delivered = count,
                                    .context = flow};
        while (bus_append(flow->bus, &append, NULL) != ANB_OK) bus_wait_room(flow->bus, 1000);
        if (i % 16 == 0) clock_sleep_ms(2);
    }
    return NULL;
}

static void *restart_broker(void *command)
{
    return system(command) == 0 ? NULL : command;
}

/* UNAVAILABLE and AGAIN are what a broker that is away looks like. */
static enum anb_status next_in_time(struct bus_cursor *cursor, struct bus_message *message)
{
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    enum anb_status status;
    do {
        status = bus_cursor_next(cursor, 1000, message, &test_error);
    } while ((status == ANB_AGAIN || status == ANB_UNAVAILABLE) && clock_monotonic_ms() < deadline_ms);
    return status;
}

static void read_all(struct flow *flow, struct bus_cursor **cursors, pthread_t *restarting)
{
    bool right = true;
    for (int i = 0; i < flow->n_records && right; i++) {
        struct bus_message message = {0};
        if (i == flow->n_records / 3)
            REQUIRE(pthread_create(restarting, NULL, restart_broker, getenv("ANABRANCH_TEST_RESTART")) == 0);
        CHECK_STATUS(next_in_time(cursors[i % PARTITIONS], &message), ANB_OK);
        right = message.offset == i / PARTITIONS &&
                slice_equal(message.value, slice_of(record_at(flow, i), flow->record_bytes));
        bus_message_release(&message);
    }
    CHECK(right);
}

static void wait_for_reports(struct flow *flow)
{
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    while (atomic_load(&flow->ok) + atomic_load(&flow->failed) < flow->n_records && clock_monotonic_ms() < deadline_ms)
        clock_sleep_ms(5);
    CHECK_EQUAL(atomic_load(&flow->ok), flow->n_records);
    CHECK_EQUAL(atomic_load(&flow->failed), 0);
}

static void fill(struct flow *flow)
{
    flow->records = malloc((size_t)flow->n_records * flow->record_bytes);
    REQUIRE(flow->records != NULL);
    for (int i = 0; i < flow->n_records; i++) {
        memset(record_at(flow, i), i, flow->record_bytes);
        memcpy(record_at(flow, i), &i, sizeof i);
    }
}

static void flow_through_a_restart(enum bus_profile profile, int n_records, size_t record_bytes)
{
    struct flow flow = {.n_records = n_records, .record_bytes = record_bytes};
    struct bus_kafka_config config = {getenv("ANABRANCH_TEST_BOOTSTRAP"), "bus-restart-test", 8192, NULL};
    struct bus_reader *reader = NULL;
    struct bus_cursor *cursors[PARTITIONS];
    pthread_t appending, restarting;
    void *restart_failed = NULL;
    fill(&flow);
    CHECK_STATUS(bus_kafka_open(&config, &flow.bus, &test_error), ANB_OK);
    flow.topic = bus_test_topic(flow.bus, PARTITIONS);
    CHECK_STATUS(bus_reader_open(flow.bus, profile, &reader, &test_error), ANB_OK);
    for (int p = 0; p < PARTITIONS; p++) cursors[p] = bus_test_cursor(reader, flow.topic, p, 0);
    REQUIRE(pthread_create(&appending, NULL, append_all, &flow) == 0);
    read_all(&flow, cursors, &restarting);
    wait_for_reports(&flow);
    pthread_join(appending, NULL);
    pthread_join(restarting, &restart_failed);
    CHECK(restart_failed == NULL);
    bus_reader_close(reader);
    bus_close(flow.bus, WAIT_MS);
    free(flow.records);
}

static void large_records_pass_a_broker_restart_once_and_in_order(void)
{
    flow_through_a_restart(BUS_BULK, 400, 983040 + 200);
}

static void small_records_pass_a_broker_restart_once_and_in_order(void)
{
    flow_through_a_restart(BUS_PROMPT, 40000, 200);
}

int main(int argc, char **argv)
{
    static const struct test_entry tests[] = {
        TEST(large_records_pass_a_broker_restart_once_and_in_order),
        TEST(small_records_pass_a_broker_restart_once_and_in_order),
    };
    if (!getenv("ANABRANCH_TEST_BOOTSTRAP") || !getenv("ANABRANCH_TEST_RESTART")) {
        puts("bus_restart: skipped, ANABRANCH_TEST_RESTART does not say how to restart the broker");
        return TEST_SKIPPED;
    }
    return test_main("bus_restart", tests, (int)(sizeof tests / sizeof *tests), argc, argv);
}
