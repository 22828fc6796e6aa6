#include "bus/memory.h"
#include "support/bus_contract.h"

static struct memory_log *shared_log;

static struct bus *open_on(struct memory_log *log)
{
    struct bus *bus = NULL;
    CHECK_STATUS(bus_memory_open(log, &bus, &test_error), ANB_OK);
    REQUIRE(bus != NULL);
    return bus;
}

static struct bus *open_shared(void)
{
    return open_on(shared_log);
}

struct bus_subject bus_subject = {.open = open_shared, .trims = true, .knows_absence = true, .limits_records = true};

static int64_t at_noon(void *context)
{
    (void)context;
    return 43200000;
}

static struct bus_reader *reader_of(struct bus *bus)
{
    struct bus_reader *reader = NULL;
    CHECK_STATUS(bus_reader_open(bus, BUS_PROMPT, &reader, &test_error), ANB_OK);
    REQUIRE(reader != NULL);
    return reader;
}

struct world {
    struct memory_log *log;
    struct bus *bus;
    const char *topic;
};

static struct world world_with(struct memory_faults faults)
{
    struct world world = {.log = memory_log_new(at_noon, NULL, 7)};
    world.bus = open_on(world.log);
    world.topic = bus_test_topic(world.bus, 1);
    memory_log_set_faults(world.log, &faults);
    return world;
}

static void world_end(struct world *world)
{
    bus_close(world->bus, 0);
    memory_log_free(world->log);
}

static void a_failed_append_writes_nothing(void)
{
    struct world world = world_with((struct memory_faults){.fail_append_per_million = 1000000});
    CHECK_STATUS(
        bus_append_and_wait(world.bus, world.topic, 0, (struct slice){0}, slice_of_text("x"), 1000, NULL, &test_error),
        ANB_UNAVAILABLE);
    CHECK_EQUAL(memory_log_end(world.log, world.topic, 0), 0);
    world_end(&world);
}

static void a_full_queue_refuses_until_the_time_is_over(void)
{
    struct world world = world_with((struct memory_faults){.full_per_million = 1000000});
    CHECK_STATUS(
        bus_append_and_wait(world.bus, world.topic, 0, (struct slice){0}, slice_of_text("x"), 5, NULL, &test_error),
        ANB_AGAIN);
    CHECK_EQUAL(memory_log_end(world.log, world.topic, 0), 0);
    world_end(&world);
}

static void a_queue_that_is_sometimes_full_takes_everything_in_the_end(void)
{
    struct world world = world_with((struct memory_faults){.full_per_million = 500000});
    for (int i = 0; i < 100; i++) CHECK_EQUAL(bus_test_append(world.bus, world.topic, 0, "x"), i);
    world_end(&world);
}

static void a_repeated_record_stands_twice_in_the_log(void)
{
    struct world world = world_with((struct memory_faults){.repeat_per_million = 1000000});
    CHECK_EQUAL(bus_test_append(world.bus, world.topic, 0, "twice"), 0);
    struct bus_reader *reader = reader_of(world.bus);
    struct bus_cursor *cursor = bus_test_cursor(reader, world.topic, 0, 0);
    bus_test_expect(cursor, 0, "twice");
    bus_test_expect(cursor, 1, "twice");
    bus_reader_close(reader);
    world_end(&world);
}

static void a_hidden_record_comes_later(void)
{
    struct world world = world_with((struct memory_faults){.hide_per_million = 1000000});
    bus_test_append(world.bus, world.topic, 0, "shy");
    struct bus_reader *reader = reader_of(world.bus);
    struct bus_cursor *cursor = bus_test_cursor(reader, world.topic, 0, 0);
    struct bus_message message = {0};
    CHECK_STATUS(bus_cursor_next(cursor, 0, &message, &test_error), ANB_AGAIN);
    memory_log_set_faults(world.log, &(struct memory_faults){0});
    bus_test_expect(cursor, 0, "shy");
    bus_reader_close(reader);
    world_end(&world);
}

static void reading_the_log_itself_knows_its_ends(void)
{
    struct world world = world_with((struct memory_faults){0});
    struct buf out;
    buf_init(&out, 100);
    CHECK_STATUS(memory_log_put(world.log, "nowhere", 0, slice_of_text("x")), ANB_NOT_FOUND);
    CHECK_STATUS(memory_log_put(world.log, world.topic, -1, slice_of_text("x")), ANB_INVALID);
    CHECK_STATUS(memory_log_put(world.log, world.topic, 0, slice_of_text("forged")), ANB_OK);
    CHECK_STATUS(memory_log_get(world.log, world.topic, 0, 1, &out), ANB_NOT_FOUND);
    CHECK_STATUS(memory_log_get(world.log, world.topic, 0, 0, &out), ANB_OK);
    CHECK_TEXT(buf_text(&out), "forged");
    CHECK_EQUAL(memory_log_end(world.log, world.topic, 1), -1);
    buf_fini(&out);
    world_end(&world);
}

static void retention_by_bytes_forgets_the_oldest(void)
{
    struct world world = world_with((struct memory_faults){0});
    struct bus_topic topic = {"small", 1, 0, -1, 100, 0};
    CHECK_STATUS(bus_topic_ensure(world.bus, &topic, 0, &test_error), ANB_OK);
    for (int i = 0; i < 100; i++) bus_test_append(world.bus, "small", 0, "ten bytes!");
    int64_t first = 0, end = 0;
    CHECK_STATUS(bus_bounds(world.bus, "small", 0, 0, &first, &end, &test_error), ANB_OK);
    CHECK_EQUAL(end, 100);
    CHECK(first >= 88 && first <= 93);
    world_end(&world);
}

static void several_buses_share_one_log(void)
{
    struct world world = world_with((struct memory_faults){0});
    struct bus *other = open_on(world.log);
    struct bus_reader *reader = reader_of(other);
    bus_test_append(world.bus, world.topic, 0, "from one to the other");
    bus_test_expect(bus_test_cursor(reader, world.topic, 0, 0), 0, "from one to the other");
    bus_reader_close(reader);
    bus_close(other, 0);
    world_end(&world);
}

static void time_and_chance_come_from_the_log(void)
{
    struct world a = world_with((struct memory_faults){0}), b = world_with((struct memory_faults){0});
    struct id first, second, other;
    CHECK_STATUS(bus_random_id(a.bus, &first, &test_error), ANB_OK);
    CHECK_STATUS(bus_random_id(a.bus, &second, &test_error), ANB_OK);
    CHECK_STATUS(bus_random_id(b.bus, &other, &test_error), ANB_OK);
    CHECK(id_equal(&first, &other));
    CHECK(!id_equal(&first, &second));
    CHECK_EQUAL(bus_now_ms(a.bus), 43200000);
    world_end(&a);
    world_end(&b);
}

int main(int argc, char **argv)
{
    static const struct test_entry tests[] = {
        BUS_CONTRACT_TESTS,
        TEST(a_failed_append_writes_nothing),
        TEST(a_full_queue_refuses_until_the_time_is_over),
        TEST(a_queue_that_is_sometimes_full_takes_everything_in_the_end),
        TEST(a_repeated_record_stands_twice_in_the_log),
        TEST(a_hidden_record_comes_later),
        TEST(reading_the_log_itself_knows_its_ends),
        TEST(retention_by_bytes_forgets_the_oldest),
        TEST(several_buses_share_one_log),
        TEST(time_and_chance_come_from_the_log),
    };
    shared_log = memory_log_new(NULL, NULL, 1);
    int status = test_main("bus_memory", tests, (int)(sizeof tests / sizeof *tests), argc, argv);
    memory_log_free(shared_log);
    return status;
}
