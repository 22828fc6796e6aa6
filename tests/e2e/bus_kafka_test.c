/* The contract of bus.h against the broker that ANABRANCH_TEST_BOOTSTRAP names ("host:port"). The embedded broker is
 * known by ANABRANCH_TEST_EMBEDDED=1: what it cannot do is left out. */
#include "support/bus_contract.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEST_SKIPPED = 77 };

static struct bus *open_bus(void)
{
    struct bus *bus = NULL;
    struct bus_kafka_config config = {getenv("ANABRANCH_TEST_BOOTSTRAP"), "bus-kafka-test", 8192, NULL};
    CHECK_STATUS(bus_kafka_open(&config, &bus, &test_error), ANB_OK);
    REQUIRE(bus != NULL);
    return bus;
}

struct bus_subject bus_subject = {.open = open_bus, .trims = true, .knows_absence = true, .limits_records = true};

static void a_bus_without_servers_is_refused(void)
{
    struct bus *bus = NULL;
    CHECK_STATUS(bus_kafka_open(&(struct bus_kafka_config){"", "x", 1024, NULL}, &bus, &test_error), ANB_INVALID);
    CHECK_STATUS(bus_kafka_open(&(struct bus_kafka_config){"127.0.0.1:1", "x", 0, NULL}, &bus, &test_error),
                 ANB_INVALID);
    CHECK(bus == NULL);
}

static void a_missing_broker_is_told_in_time(void)
{
    struct bus *bus = NULL;
    struct bus_reader *reader = NULL;
    struct bus_cursor *cursor = NULL;
    int32_t partitions = 0;
    CHECK_STATUS(bus_kafka_open(&(struct bus_kafka_config){"127.0.0.1:1", "x", 1024, NULL}, &bus, &test_error), ANB_OK);
    CHECK(bus_topic_partitions(bus, "any", 100, &partitions, &test_error) != ANB_OK);
    CHECK_STATUS(bus_append_and_wait(bus, "any", 0, (struct slice){0}, slice_of_text("x"), 100, NULL, &test_error),
                 ANB_TIMEOUT);
    CHECK_STATUS(bus_reader_open(bus, BUS_PROMPT, &reader, &test_error), ANB_OK);
    CHECK(bus_cursor_open(reader, "any", 0, 0, &cursor, &test_error) != ANB_OK);
    bus_reader_close(reader);
    bus_close(bus, 100);
}

int main(int argc, char **argv)
{
    static const struct test_entry tests[] = {
        TEST(a_bus_without_servers_is_refused),
        TEST(a_missing_broker_is_told_in_time),
        BUS_CONTRACT_TESTS,
    };
    if (!getenv("ANABRANCH_TEST_BOOTSTRAP")) {
        puts("bus_kafka: skipped, ANABRANCH_TEST_BOOTSTRAP names no broker");
        return TEST_SKIPPED;
    }
    if (getenv("ANABRANCH_TEST_EMBEDDED")) bus_subject = (struct bus_subject){.open = open_bus};
    return test_main("bus_kafka", tests, (int)(sizeof tests / sizeof *tests), argc, argv);
}
