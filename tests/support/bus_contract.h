/* What bus.h promises, as tests that any bus must pass.
 *
 * The test program says what its bus can do in `bus_subject` and lists BUS_CONTRACT_TESTS among its own tests. Topics
 * get fresh names, so that a broker can be used again. */
#ifndef ANB_TEST_SUPPORT_BUS_CONTRACT_H
#define ANB_TEST_SUPPORT_BUS_CONTRACT_H

#include "bus/bus.h"
#include "support/test.h"

struct bus_subject {
    struct bus *(*open)(void);
    bool trims;          /* bus_trim has an effect */
    bool knows_absence;  /* a missing topic stays missing when it is asked for */
    bool limits_records; /* refuses records that are too large */
};
extern struct bus_subject bus_subject; /* defined by the test program */

enum { BUS_TEST_WAIT_MS = 20000 };

/* A topic of that many partitions under a fresh name. */
const char *bus_test_topic(struct bus *bus, int32_t partitions);
int64_t bus_test_append(struct bus *bus, const char *topic, int32_t partition, const char *text);
struct bus_cursor *bus_test_cursor(struct bus_reader *reader, const char *topic, int32_t partition, int64_t offset);
/* The next message must be this text at this offset. */
void bus_test_expect(struct bus_cursor *cursor, int64_t offset, const char *text);

void a_record_without_a_delivery_callback_is_refused(void);
void a_record_for_a_missing_topic_is_not_delivered(void);
void a_record_for_a_missing_partition_is_not_delivered(void);
void a_record_above_the_topics_limit_is_refused(void);
void a_missing_topic_cannot_be_read(void);
void a_negative_offset_cannot_be_read(void);
void an_offset_beyond_the_end_is_not_found(void);
void a_trimmed_offset_is_not_found_until_the_cursor_seeks(void);
void a_topic_with_fewer_partitions_than_wanted_is_invalid(void);
void nothing_to_read_is_again(void);
void records_come_in_order_with_their_keys(void);
void an_empty_record_is_a_record(void);
void every_append_is_reported_once_with_its_offset(void);
void a_waiting_cursor_wakes_when_a_record_comes(void);
void a_cursor_seeks_back_and_forth(void);
void cursors_of_one_reader_do_not_disturb_each_other(void);
void two_cursors_read_one_partition(void);
void a_message_outlives_its_cursor(void);
void bounds_follow_appends_and_trims(void);
void ensuring_a_topic_again_changes_nothing(void);
void topics_are_made_together_beside_those_that_are_there(void);
void one_bad_topic_of_a_list_is_told_by_name(void);
void large_records_pass_a_bulk_reader(void);
void large_records_pass_a_reader_of_many(void);

#define BUS_CONTRACT_TESTS                                                                                             \
    TEST(a_record_without_a_delivery_callback_is_refused), TEST(a_record_for_a_missing_topic_is_not_delivered),        \
        TEST(a_record_for_a_missing_partition_is_not_delivered), TEST(a_record_above_the_topics_limit_is_refused),     \
        TEST(a_missing_topic_cannot_be_read), TEST(a_negative_offset_cannot_be_read),                                  \
        TEST(an_offset_beyond_the_end_is_not_found), TEST(a_trimmed_offset_is_not_found_until_the_cursor_seeks),       \
        TEST(a_topic_with_fewer_partitions_than_wanted_is_invalid), TEST(nothing_to_read_is_again),                    \
        TEST(records_come_in_order_with_their_keys), TEST(an_empty_record_is_a_record),                                \
        TEST(every_append_is_reported_once_with_its_offset), TEST(a_waiting_cursor_wakes_when_a_record_comes),         \
        TEST(a_cursor_seeks_back_and_forth), TEST(cursors_of_one_reader_do_not_disturb_each_other),                    \
        TEST(two_cursors_read_one_partition), TEST(a_message_outlives_its_cursor),                                     \
        TEST(bounds_follow_appends_and_trims), TEST(ensuring_a_topic_again_changes_nothing),                           \
        TEST(topics_are_made_together_beside_those_that_are_there), TEST(one_bad_topic_of_a_list_is_told_by_name),     \
        TEST(large_records_pass_a_bulk_reader), TEST(large_records_pass_a_reader_of_many)

#endif
