/* The Kafka bus and the embedded broker against each other: the contract, without Java. */
#include "bus/embedded.h"
#include "support/bus_contract.h"

#include <stdio.h>

static struct embedded_broker *broker;

static struct bus *open_bus(void)
{
    struct bus *bus = NULL;
    struct bus_kafka_config config = {embedded_broker_servers(broker), "bus-embedded-test", 8192, NULL};
    CHECK_STATUS(bus_kafka_open(&config, &bus, &test_error), ANB_OK);
    REQUIRE(bus != NULL);
    return bus;
}

struct bus_subject bus_subject = {.open = open_bus};

static void a_topic_is_made_once(void)
{
    CHECK_STATUS(embedded_broker_add_topic(broker, "once", 2, &test_error), ANB_OK);
    CHECK(embedded_broker_add_topic(broker, "once", 2, &test_error) != ANB_OK);
}

static void a_topic_has_the_partitions_it_was_made_with(void)
{
    int32_t partitions = 0;
    struct bus *bus = open_bus();
    CHECK_STATUS(embedded_broker_add_topic(broker, "seven", 7, &test_error), ANB_OK);
    CHECK_STATUS(bus_topic_partitions(bus, "seven", BUS_TEST_WAIT_MS, &partitions, &test_error), ANB_OK);
    CHECK_EQUAL(partitions, 7);
    bus_close(bus, 0);
}

static void a_producers_fatal_error_fails_its_record_and_the_bus_goes_on(void)
{
    struct bus *bus = open_bus();
    const char *topic = bus_test_topic(bus, 1);
    bus_test_append(bus, topic, 0, "before");
    embedded_broker_break_producer(broker);
    CHECK_STATUS(bus_append_and_wait(bus, topic, 0, (struct slice){0}, slice_of_text("broken"), BUS_TEST_WAIT_MS, NULL,
                                     &test_error),
                 ANB_UNAVAILABLE);
    CHECK_EQUAL(bus_test_append(bus, topic, 0, "after"), 1);
    bus_close(bus, 0);
}

/* More than it keeps of one partition: the oldest records go, and a reader is told. */
static void what_the_broker_has_forgotten_is_not_found(void)
{
    static unsigned char record[900000];
    struct bus *bus = open_bus();
    const char *topic = bus_test_topic(bus, 1);
    for (int i = 0; i < 10; i++)
        CHECK_STATUS(bus_append_and_wait(bus, topic, 0, (struct slice){0}, slice_of(record, sizeof record),
                                         BUS_TEST_WAIT_MS, NULL, &test_error),
                     ANB_OK);
    struct bus_reader *reader = NULL;
    struct bus_message message = {0};
    CHECK_STATUS(bus_reader_open(bus, BUS_BULK, &reader, &test_error), ANB_OK);
    struct bus_cursor *cursor = bus_test_cursor(reader, topic, 0, 0);
    CHECK_STATUS(bus_cursor_next(cursor, BUS_TEST_WAIT_MS, &message, &test_error), ANB_NOT_FOUND);
    int64_t first = 0, end = 0;
    CHECK_STATUS(bus_bounds(bus, topic, 0, BUS_TEST_WAIT_MS, &first, &end, &test_error), ANB_OK);
    CHECK_EQUAL(end, 10);
    CHECK_STATUS(bus_cursor_seek(cursor, first, &test_error), ANB_OK);
    CHECK_STATUS(bus_cursor_next(cursor, BUS_TEST_WAIT_MS, &message, &test_error), ANB_OK);
    bus_message_release(&message);
    bus_reader_close(reader);
    bus_close(bus, 0);
}

int main(int argc, char **argv)
{
    static const struct test_entry tests[] = {
        BUS_CONTRACT_TESTS,
        TEST(a_topic_is_made_once),
        TEST(a_topic_has_the_partitions_it_was_made_with),
        TEST(a_producers_fatal_error_fails_its_record_and_the_bus_goes_on),
        TEST(what_the_broker_has_forgotten_is_not_found),
    };
    if (embedded_broker_start(&broker, &test_error) != ANB_OK) {
        puts(test_error.text);
        return 1;
    }
    int status = test_main("bus_embedded", tests, (int)(sizeof tests / sizeof *tests), argc, argv);
    embedded_broker_stop(broker);
    return status;
}
