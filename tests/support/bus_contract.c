#include "support/bus_contract.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *bus_test_topic(struct bus *bus, int32_t partitions)
{
    static char name[64];
    char text[ID_TEXT_BYTES];
    struct id id;
    REQUIRE(id_random(&id, NULL) == ANB_OK);
    snprintf(name, sizeof name, "contract.%s", id_text(&id, text));
    struct bus_topic topic = {name, partitions, 0, -1, -1, 0};
    CHECK_STATUS(bus_topic_ensure(bus, &topic, BUS_TEST_WAIT_MS, &test_error), ANB_OK);
    return name;
}

int64_t bus_test_append(struct bus *bus, const char *topic, int32_t partition, const char *text)
{
    int64_t offset = -1;
    CHECK_STATUS(bus_append_and_wait(bus, topic, partition, slice_of_text("key"), slice_of_text(text), BUS_TEST_WAIT_MS,
                                     &offset, &test_error),
                 ANB_OK);
    return offset;
}

struct bus_cursor *bus_test_cursor(struct bus_reader *reader, const char *topic, int32_t partition, int64_t offset)
{
    struct bus_cursor *cursor = NULL;
    CHECK_STATUS(bus_cursor_open(reader, topic, partition, offset, &cursor, &test_error), ANB_OK);
    REQUIRE(cursor != NULL);
    return cursor;
}

void bus_test_expect(struct bus_cursor *cursor, int64_t offset, const char *text)
{
    struct bus_message message = {0};
    CHECK_STATUS(bus_cursor_next(cursor, BUS_TEST_WAIT_MS, &message, &test_error), ANB_OK);
    CHECK_EQUAL(message.offset, offset);
    CHECK(slice_equal(message.value, slice_of_text(text)));
    bus_message_release(&message);
    CHECK_EQUAL(bus_cursor_position(cursor), offset + 1);
}

static struct bus_reader *open_reader(struct bus *bus, enum bus_profile profile)
{
    struct bus_reader *reader = NULL;
    CHECK_STATUS(bus_reader_open(bus, profile, &reader, &test_error), ANB_OK);
    REQUIRE(reader != NULL);
    return reader;
}

static void close_all(struct bus *bus, struct bus_reader *reader)
{
    bus_reader_close(reader);
    bus_close(bus, BUS_TEST_WAIT_MS);
}

/* The status of the first answer that is not AGAIN. */
static enum anb_status outcome(struct bus_cursor *cursor)
{
    struct bus_message message = {0};
    enum anb_status status = bus_cursor_next(cursor, BUS_TEST_WAIT_MS, &message, &test_error);
    bus_message_release(&message);
    return status;
}

/* -- what is refused */

void a_record_without_a_delivery_callback_is_refused(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_append append = {.topic = "contract.none", .value = slice_of_text("x")};
    CHECK_STATUS(bus_append(bus, &append, &test_error), ANB_INVALID);
    bus_close(bus, 0);
}

void a_record_for_a_missing_topic_is_not_delivered(void)
{
    if (!bus_subject.knows_absence) return;
    struct bus *bus = bus_subject.open();
    CHECK_STATUS(bus_append_and_wait(bus, "contract.missing", 0, (struct slice){0}, slice_of_text("x"),
                                     BUS_TEST_WAIT_MS, NULL, &test_error),
                 ANB_NOT_FOUND);
    bus_close(bus, 0);
}

void a_record_for_a_missing_partition_is_not_delivered(void)
{
    struct bus *bus = bus_subject.open();
    CHECK_STATUS(bus_append_and_wait(bus, bus_test_topic(bus, 1), 17, (struct slice){0}, slice_of_text("x"),
                                     BUS_TEST_WAIT_MS, NULL, &test_error),
                 ANB_NOT_FOUND);
    bus_close(bus, 0);
}

void a_record_above_the_topics_limit_is_refused(void)
{
    if (!bus_subject.limits_records) return;
    struct bus *bus = bus_subject.open();
    const char *topic = bus_test_topic(bus, 1);
    size_t size = 2 << 20;
    void *bytes = calloc(1, size);
    CHECK_STATUS(bus_append_and_wait(bus, topic, 0, (struct slice){0}, slice_of(bytes, size), BUS_TEST_WAIT_MS, NULL,
                                     &test_error),
                 ANB_TOO_LARGE);
    free(bytes);
    CHECK_EQUAL(bus_test_append(bus, topic, 0, "the bus goes on"), 0);
    bus_close(bus, 0);
}

void a_missing_topic_cannot_be_read(void)
{
    if (!bus_subject.knows_absence) return;
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    struct bus_cursor *cursor = NULL;
    int32_t partitions = 0;
    CHECK_STATUS(bus_cursor_open(reader, "contract.missing", 0, 0, &cursor, &test_error), ANB_NOT_FOUND);
    CHECK_STATUS(bus_topic_partitions(bus, "contract.missing", BUS_TEST_WAIT_MS, &partitions, &test_error),
                 ANB_NOT_FOUND);
    CHECK(cursor == NULL);
    close_all(bus, reader);
}

void a_negative_offset_cannot_be_read(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    const char *topic = bus_test_topic(bus, 1);
    struct bus_cursor *cursor = NULL;
    CHECK_STATUS(bus_cursor_open(reader, topic, 0, -1, &cursor, &test_error), ANB_INVALID);
    cursor = bus_test_cursor(reader, topic, 0, 0);
    CHECK_STATUS(bus_cursor_seek(cursor, -2, &test_error), ANB_INVALID);
    CHECK_EQUAL(bus_cursor_position(cursor), 0);
    close_all(bus, reader);
}

void an_offset_beyond_the_end_is_not_found(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    const char *topic = bus_test_topic(bus, 1);
    bus_test_append(bus, topic, 0, "zero");
    struct bus_cursor *cursor = bus_test_cursor(reader, topic, 0, 100);
    CHECK_STATUS(outcome(cursor), ANB_NOT_FOUND);
    CHECK_STATUS(outcome(cursor), ANB_NOT_FOUND);
    CHECK_EQUAL(bus_cursor_position(cursor), 100);
    CHECK_STATUS(bus_cursor_seek(cursor, 0, &test_error), ANB_OK);
    bus_test_expect(cursor, 0, "zero");
    close_all(bus, reader);
}

static void wait_until_trimmed(struct bus *bus, const char *topic, int64_t wanted)
{
    int64_t deadline_ms = clock_monotonic_ms() + BUS_TEST_WAIT_MS, first = -1, end = -1;
    do {
        CHECK_STATUS(bus_bounds(bus, topic, 0, BUS_TEST_WAIT_MS, &first, &end, &test_error), ANB_OK);
        if (first != wanted) clock_sleep_ms(5);
    } while (first != wanted && clock_monotonic_ms() < deadline_ms);
    CHECK_EQUAL(first, wanted);
}

void a_trimmed_offset_is_not_found_until_the_cursor_seeks(void)
{
    if (!bus_subject.trims) return;
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    const char *topic = bus_test_topic(bus, 1);
    for (int i = 0; i < 5; i++) bus_test_append(bus, topic, 0, i == 3 ? "three" : "other");
    bus_trim(bus, topic, 0, 3);
    wait_until_trimmed(bus, topic, 3);
    struct bus_cursor *cursor = bus_test_cursor(reader, topic, 0, 1);
    CHECK_STATUS(outcome(cursor), ANB_NOT_FOUND);
    CHECK_STATUS(outcome(cursor), ANB_NOT_FOUND);
    CHECK_STATUS(bus_cursor_seek(cursor, 3, &test_error), ANB_OK);
    bus_test_expect(cursor, 3, "three");
    close_all(bus, reader);
}

void a_topic_with_fewer_partitions_than_wanted_is_invalid(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_topic topic = {bus_test_topic(bus, 2), 100, 0, -1, -1, 0};
    CHECK_STATUS(bus_topic_ensure(bus, &topic, BUS_TEST_WAIT_MS, &test_error), ANB_INVALID);
    topic.partitions = 0;
    CHECK_STATUS(bus_topic_ensure(bus, &topic, BUS_TEST_WAIT_MS, &test_error), ANB_INVALID);
    bus_close(bus, 0);
}

/* -- append and read */

void nothing_to_read_is_again(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    struct bus_cursor *cursor = bus_test_cursor(reader, bus_test_topic(bus, 1), 0, 0);
    struct bus_message message = {0};
    CHECK_STATUS(bus_cursor_next(cursor, 0, &message, &test_error), ANB_AGAIN);
    CHECK_STATUS(bus_cursor_next(cursor, 30, &message, &test_error), ANB_AGAIN);
    close_all(bus, reader);
}

void records_come_in_order_with_their_keys(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    const char *topic = bus_test_topic(bus, 1);
    struct bus_cursor *cursor = bus_test_cursor(reader, topic, 0, 0);
    char text[32];
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "record %d", i);
        CHECK_EQUAL(bus_test_append(bus, topic, 0, text), i);
    }
    for (int i = 0; i < 50; i++) {
        struct bus_message message = {0};
        snprintf(text, sizeof text, "record %d", i);
        CHECK_STATUS(bus_cursor_next(cursor, BUS_TEST_WAIT_MS, &message, &test_error), ANB_OK);
        CHECK_EQUAL(message.offset, i);
        CHECK(slice_equal(message.key, slice_of_text("key")));
        CHECK(slice_equal(message.value, slice_of_text(text)));
        bus_message_release(&message);
    }
    close_all(bus, reader);
}

void an_empty_record_is_a_record(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    const char *topic = bus_test_topic(bus, 1);
    CHECK_STATUS(
        bus_append_and_wait(bus, topic, 0, (struct slice){0}, (struct slice){0}, BUS_TEST_WAIT_MS, NULL, &test_error),
        ANB_OK);
    bus_test_expect(bus_test_cursor(reader, topic, 0, 0), 0, "");
    close_all(bus, reader);
}

struct tally {
    atomic_int ok, failed;
    atomic_llong sum;
};

static void count_delivery(void *context, enum anb_status status, int64_t offset)
{
    struct tally *tally = context;
    atomic_fetch_add(&tally->sum, status == ANB_OK ? offset : 0);
    atomic_fetch_add(status == ANB_OK ? &tally->ok : &tally->failed, 1);
}

static void append_when_room(struct bus *bus, const struct bus_append *append)
{
    enum anb_status status;
    while ((status = bus_append(bus, append, &test_error)) == ANB_AGAIN) bus_wait_room(bus, 1000);
    CHECK_STATUS(status, ANB_OK);
}

static void wait_for_deliveries(struct tally *tally, int n)
{
    int64_t deadline_ms = clock_monotonic_ms() + 3 * BUS_TEST_WAIT_MS;
    while (atomic_load(&tally->ok) + atomic_load(&tally->failed) < n && clock_monotonic_ms() < deadline_ms)
        clock_sleep_ms(1);
}

void every_append_is_reported_once_with_its_offset(void)
{
    enum { N = 2000 };
    struct bus *bus = bus_subject.open();
    const char *topic = bus_test_topic(bus, 1);
    struct tally tally = {0};
    struct bus_append append = {
        .topic = topic, .value = slice_of_text("same"), .delivered = count_delivery, .context = &tally};
    for (int i = 0; i < N; i++) append_when_room(bus, &append);
    wait_for_deliveries(&tally, N);
    bus_close(bus, BUS_TEST_WAIT_MS);
    CHECK_EQUAL(atomic_load(&tally.ok), N);
    CHECK_EQUAL(atomic_load(&tally.failed), 0);
    CHECK_EQUAL(atomic_load(&tally.sum), (long long)N * (N - 1) / 2);
}

struct late_append {
    struct bus *bus;
    const char *topic;
    enum anb_status status;
};

static void *append_later(void *context)
{
    struct late_append *late = context;
    clock_sleep_ms(50);
    late->status = bus_append_and_wait(late->bus, late->topic, 0, (struct slice){0}, slice_of_text("late"),
                                       BUS_TEST_WAIT_MS, NULL, NULL);
    return NULL;
}

void a_waiting_cursor_wakes_when_a_record_comes(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    struct late_append late = {bus, bus_test_topic(bus, 1), ANB_TIMEOUT};
    struct bus_cursor *cursor = bus_test_cursor(reader, late.topic, 0, 0);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, append_later, &late) == 0);
    bus_test_expect(cursor, 0, "late");
    pthread_join(thread, NULL);
    CHECK_EQUAL(late.status, ANB_OK);
    close_all(bus, reader);
}

/* -- cursors */

void a_cursor_seeks_back_and_forth(void)
{
    static const char *const texts[] = {"zero", "one", "two", "three"};
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    const char *topic = bus_test_topic(bus, 1);
    for (int i = 0; i < 4; i++) bus_test_append(bus, topic, 0, texts[i]);
    struct bus_cursor *cursor = bus_test_cursor(reader, topic, 0, 2);
    bus_test_expect(cursor, 2, "two");
    for (int i = 0; i < 12; i++) {
        int64_t at = i * 7 % 4;
        CHECK_STATUS(bus_cursor_seek(cursor, at, &test_error), ANB_OK);
        CHECK_EQUAL(bus_cursor_position(cursor), at);
        bus_test_expect(cursor, at, texts[at]);
    }
    CHECK_STATUS(bus_cursor_seek(cursor, 4, &test_error), ANB_OK);
    bus_test_append(bus, topic, 0, "four");
    bus_test_expect(cursor, 4, "four");
    close_all(bus, reader);
}

void cursors_of_one_reader_do_not_disturb_each_other(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_BULK);
    const char *topic = bus_test_topic(bus, 4);
    struct bus_cursor *cursors[4];
    char text[32];
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "%d of %d", i / 4, i % 4);
        bus_test_append(bus, topic, i % 4, text);
    }
    for (int p = 0; p < 4; p++) { /* one more with each step; each is read in its own order */
        cursors[p] = bus_test_cursor(reader, topic, p, 0);
        for (int i = 0; i <= p; i++) {
            snprintf(text, sizeof text, "%d of %d", p - i, i);
            bus_test_expect(cursors[i], p - i, text);
        }
    }
    bus_cursor_close(cursors[0]);
    struct bus_cursor *again = bus_test_cursor(reader, topic, 0, 9);
    bus_test_expect(again, 9, "9 of 0");
    bus_test_expect(cursors[1], 3, "3 of 1");
    bus_test_expect(cursors[3], 1, "1 of 3");
    close_all(bus, reader);
}

void two_cursors_read_one_partition(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    const char *topic = bus_test_topic(bus, 1);
    bus_test_append(bus, topic, 0, "zero");
    bus_test_append(bus, topic, 0, "one");
    struct bus_cursor *ahead = bus_test_cursor(reader, topic, 0, 0);
    bus_test_expect(ahead, 0, "zero");
    bus_test_expect(ahead, 1, "one");
    struct bus_cursor *behind = bus_test_cursor(reader, topic, 0, 0);
    bus_test_expect(behind, 0, "zero");
    bus_test_append(bus, topic, 0, "two");
    bus_test_expect(ahead, 2, "two");
    bus_cursor_close(ahead);
    bus_test_expect(behind, 1, "one");
    bus_test_expect(behind, 2, "two");
    close_all(bus, reader);
}

void a_message_outlives_its_cursor(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, BUS_PROMPT);
    const char *topic = bus_test_topic(bus, 1);
    bus_test_append(bus, topic, 0, "kept");
    struct bus_cursor *cursor = bus_test_cursor(reader, topic, 0, 0);
    struct bus_message message = {0};
    CHECK_STATUS(bus_cursor_next(cursor, BUS_TEST_WAIT_MS, &message, &test_error), ANB_OK);
    bus_trim(bus, topic, 0, 1);
    bus_cursor_close(cursor);
    CHECK(slice_equal(message.value, slice_of_text("kept")));
    bus_message_release(&message);
    bus_message_release(&message); /* a released message is empty */
    close_all(bus, reader);
}

/* -- topics */

void bounds_follow_appends_and_trims(void)
{
    struct bus *bus = bus_subject.open();
    const char *topic = bus_test_topic(bus, 1);
    int64_t first = -1, end = -1;
    CHECK_STATUS(bus_bounds(bus, topic, 0, BUS_TEST_WAIT_MS, &first, &end, &test_error), ANB_OK);
    CHECK_EQUAL(first, 0);
    CHECK_EQUAL(end, 0);
    for (int i = 0; i < 3; i++) bus_test_append(bus, topic, 0, "x");
    CHECK_STATUS(bus_bounds(bus, topic, 0, BUS_TEST_WAIT_MS, &first, &end, &test_error), ANB_OK);
    CHECK_EQUAL(end, 3);
    if (bus_subject.trims) {
        bus_trim(bus, topic, 0, 2);
        wait_until_trimmed(bus, topic, 2);
    }
    CHECK_STATUS(bus_bounds(bus, topic, 77, BUS_TEST_WAIT_MS, &first, &end, &test_error), ANB_NOT_FOUND);
    bus_close(bus, 0);
}

void ensuring_a_topic_again_changes_nothing(void)
{
    struct bus *bus = bus_subject.open();
    struct bus_topic topic = {bus_test_topic(bus, 4), 4, 0, -1, -1, 0};
    bus_test_append(bus, topic.name, 3, "there");
    CHECK_STATUS(bus_topic_ensure(bus, &topic, BUS_TEST_WAIT_MS, &test_error), ANB_OK);
    topic.partitions = 2; /* more are there than wanted: fine */
    CHECK_STATUS(bus_topic_ensure(bus, &topic, BUS_TEST_WAIT_MS, &test_error), ANB_OK);
    int32_t partitions = 0;
    CHECK_STATUS(bus_topic_partitions(bus, topic.name, BUS_TEST_WAIT_MS, &partitions, &test_error), ANB_OK);
    CHECK_EQUAL(partitions, 4);
    int64_t first = -1, end = -1;
    CHECK_STATUS(bus_bounds(bus, topic.name, 3, BUS_TEST_WAIT_MS, &first, &end, &test_error), ANB_OK);
    CHECK_EQUAL(end, 1);
    bus_close(bus, 0);
}

void topics_are_made_together_beside_those_that_are_there(void)
{
    struct bus *bus = bus_subject.open();
    char names[2][80];
    const char *there = bus_test_topic(bus, 4);
    for (int i = 0; i < 2; i++) snprintf(names[i], sizeof names[i], "%s-%d", there, i);
    bus_test_append(bus, there, 0, "kept");
    const struct bus_topic topics[] = {
        {names[0], 4, 0, -1, -1, 0}, {there, 4, 0, -1, -1, 0}, {names[1], 4, 0, -1, -1, 0}};
    CHECK_STATUS(bus_topics_ensure(bus, topics, 3, BUS_TEST_WAIT_MS, &test_error), ANB_OK);
    for (int i = 0; i < 3; i++) {
        int64_t first = -1, end = -1;
        CHECK_STATUS(bus_bounds(bus, topics[i].name, 3, BUS_TEST_WAIT_MS, &first, &end, &test_error), ANB_OK);
        CHECK_EQUAL(end, 0);
        bus_test_append(bus, topics[i].name, 3, "taken at once");
    }
    bus_close(bus, 0);
}

void one_bad_topic_of_a_list_is_told_by_name(void)
{
    struct bus *bus = bus_subject.open();
    const char *there = bus_test_topic(bus, 2);
    char name[80];
    snprintf(name, sizeof name, "%s-new", there);
    struct bus_topic topics[BUS_MAX_TOPICS + 1] = {{name, 4, 0, -1, -1, 0}, {there, 100, 0, -1, -1, 0}};
    CHECK_STATUS(bus_topics_ensure(bus, topics, 2, BUS_TEST_WAIT_MS, &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, there) != NULL);
    CHECK_STATUS(bus_topics_ensure(bus, topics, BUS_MAX_TOPICS + 1, BUS_TEST_WAIT_MS, &test_error), ANB_INVALID);
    CHECK_STATUS(bus_topics_ensure(bus, topics, 0, BUS_TEST_WAIT_MS, &test_error), ANB_OK);
    bus_close(bus, 0);
}

/* Fewer than the embedded broker keeps of one partition. */
enum { LARGE_BYTES = 983040 + 200, LARGE_RECORDS = 16 };

static void append_large(struct bus *bus, const char *topic, unsigned char *bytes, struct tally *tally)
{
    for (int i = 0; i < LARGE_RECORDS; i++) {
        unsigned char *record = bytes + (size_t)i * LARGE_BYTES;
        memset(record, i + 1, LARGE_BYTES);
        struct bus_append append = {.topic = topic,
                                    .partition = i % 4,
                                    .value = slice_of(record, LARGE_BYTES),
                                    .delivered = count_delivery,
                                    .context = tally};
        append_when_room(bus, &append);
    }
    wait_for_deliveries(tally, LARGE_RECORDS);
}

static void pass_large_records(enum bus_profile profile)
{
    struct bus *bus = bus_subject.open();
    struct bus_reader *reader = open_reader(bus, profile);
    const char *topic = bus_test_topic(bus, 4);
    unsigned char *bytes = malloc((size_t)LARGE_RECORDS * LARGE_BYTES);
    REQUIRE(bytes != NULL);
    struct tally tally = {0};
    append_large(bus, topic, bytes, &tally);
    CHECK_EQUAL(atomic_load(&tally.ok), LARGE_RECORDS);
    struct bus_cursor *cursors[4];
    for (int p = 0; p < 4; p++) cursors[p] = bus_test_cursor(reader, topic, p, 0);
    for (int i = 0; i < LARGE_RECORDS; i++) {
        struct bus_message message = {0};
        CHECK_STATUS(bus_cursor_next(cursors[i % 4], BUS_TEST_WAIT_MS, &message, &test_error), ANB_OK);
        CHECK(slice_equal(message.value, slice_of(bytes + (size_t)i * LARGE_BYTES, LARGE_BYTES)));
        bus_message_release(&message);
    }
    close_all(bus, reader);
    free(bytes);
}

void large_records_pass_a_bulk_reader(void)
{
    pass_large_records(BUS_BULK);
}

void large_records_pass_a_reader_of_many(void)
{
    pass_large_records(BUS_MANY);
}
