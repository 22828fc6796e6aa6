/* wire_encode and wire_decode: what is refused, then what comes back. */
#include "support/records.h"
#include "support/test.h"
#include "wire/frame.h"
#include "wire/walk.h"
#include "wire/wire.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 20, FLIPS = 100000 };

static struct arena makers, readers;
static struct buf out;

static void begin(size_t reader_bytes)
{
    arena_init(&makers, ARENA_BYTES);
    arena_init(&readers, reader_bytes);
    buf_init(&out, 4 * CONTROL_RECORD_MAX_BYTES);
}

static void end(void)
{
    arena_fini(&makers);
    arena_fini(&readers);
    buf_fini(&out);
}

static struct record make(enum record_kind kind, uint64_t seed)
{
    struct random random = {seed};
    struct record record;
    random_record(&random, kind, &makers, &record);
    return record;
}

static struct record node_down(const char *reason)
{
    struct record record = {.kind = RECORD_NODE_DOWN};
    record.is.node_down = (struct node_down){.head = {.project = "p", .node = "n"}, .reason = reason};
    return record;
}

static void refuse_bytes(const void *bytes, size_t size, enum anb_status expected, const char *words)
{
    struct record got;
    begin(ARENA_BYTES);
    CHECK_STATUS(wire_decode(slice_of(bytes, size), &readers, &got, &test_error), expected);
    CHECK(strstr(test_error.text, words) != NULL);
    if (!strstr(test_error.text, words)) printf("no \"%s\" in: %s\n", words, test_error.text);
    CHECK_EQUAL(readers.used, 0);
    end();
}

/* A NodeDown record whose datum is `datum`. */
static void refuse_node_down(const char *datum, size_t size, const char *words)
{
    unsigned char bytes[256];
    frame_write(RECORD_NODE_DOWN, bytes);
    memcpy(bytes + FRAME_BYTES, datum, size);
    refuse_bytes(bytes, FRAME_BYTES + size, ANB_CORRUPT, words);
}

/* A JobStarted record, whose head and job are empty, and whose sites are `sites`. */
static void refuse_job_started(const char *sites, size_t size, const char *words)
{
    unsigned char bytes[256] = {0};
    frame_write(RECORD_JOB_STARTED, bytes);
    memcpy(bytes + FRAME_BYTES + 7, sites, size);
    refuse_bytes(bytes, FRAME_BYTES + 7 + size, ANB_CORRUPT, words);
}

static void bytes_without_a_header_are_refused(void)
{
    refuse_bytes("", 0, ANB_CORRUPT, "not a record");
    refuse_bytes("\xc3", 1, ANB_CORRUPT, "not a record");
    refuse_bytes("{\"json\": \"text\"}", 16, ANB_CORRUPT, "not a record");
}

static void unknown_fingerprint_is_refused_by_its_number(void)
{
    refuse_bytes("\xc3\x01\x08\x07\x06\x05\x04\x03\x02\x01 and more", 19, ANB_CORRUPT, "0102030405060708");
}

static void text_of_8_gib_in_40_bytes_is_refused(void)
{
    char datum[40] = {0};
    varint_write((int64_t)8 << 30, (unsigned char *)datum);
    refuse_node_down(datum, sizeof datum, "8589934592 bytes are announced");
}

static void negative_length_is_refused(void)
{
    refuse_node_down("\x01", 1, "-1 is not within 0..");
}

static void number_longer_than_64_bits_is_refused(void)
{
    refuse_node_down("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "longer than 64 bits");
    refuse_node_down("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, "longer than 64 bits");
    refuse_node_down("\x02p\x02n\xff\xff", 6, "field incarnation, byte 4 of 6: a number is cut off");
}

static void text_with_nul_or_broken_utf8_is_refused(void)
{
    refuse_node_down("\x04p\0\x02n\0\0\0\0\0", 10, "NUL character");
    refuse_node_down("\x04\xc3\x28\x02n\0\0\0\0\0", 10, "not UTF-8");
}

static void bytes_left_over_are_refused(void)
{
    refuse_node_down("\x02p\x02n\0\0\0\0\0\0", 10, "1 bytes are left over");
}

static void enum_without_symbol_is_refused(void)
{
    unsigned char bytes[FRAME_BYTES + 8] = {0};
    frame_write(RECORD_NODE_UP, bytes);
    bytes[FRAME_BYTES + 6] = 6; /* role 3 of 0..2 */
    refuse_bytes(bytes, sizeof bytes, ANB_CORRUPT, "field role, byte 7 of 8: 3 is not within 0..2");
    bytes[FRAME_BYTES + 6] = 1;
    refuse_bytes(bytes, sizeof bytes, ANB_CORRUPT, "-1 is not within 0..2");
}

static void truth_value_of_2_is_refused(void)
{
    unsigned char bytes[FRAME_BYTES + 9] = {0};
    frame_write(RECORD_JOB_ANSWERED, bytes);
    bytes[FRAME_BYTES + 7] = 2;
    refuse_bytes(bytes, sizeof bytes, ANB_CORRUPT, "field accepted");
}

static void int_out_of_range_is_refused(void)
{
    unsigned char bytes[FRAME_BYTES + 64] = {0};
    frame_write(RECORD_STREAM_ABANDONED, bytes);
    size_t round_at = FRAME_BYTES + 6 + ID_BYTES + 1;
    size_t size = round_at + varint_write((int64_t)INT32_MAX + 1, bytes + round_at) + 2;
    refuse_bytes(bytes, size, ANB_CORRUPT, "field round");
}

static void array_blocks_that_lie_are_refused(void)
{
    refuse_job_started("\x80\x80\x80\x80\x10", 5, "is not within"); /* 2^31 items */
    refuse_job_started("\x04\x02y", 3, "cut off");                  /* two items, one there */
    refuse_job_started("\x03\x06\x02y\x02z\0", 7, "an array block has 4 bytes, not 3");
    refuse_job_started("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, "is not within"); /* INT64_MIN items */
}

static void arrays_in_blocks_of_any_form_are_read(void)
{
    unsigned char bytes[FRAME_BYTES + 32] = {0};
    struct record got;
    static const char sites[] = "\x02\x02x\x03\x08\x02y\x02z\0"; /* one item, then two in a block of 4 bytes */
    begin(ARENA_BYTES);
    frame_write(RECORD_JOB_STARTED, bytes);
    memcpy(bytes + FRAME_BYTES + 7, sites, sizeof sites - 1);
    CHECK_STATUS(wire_decode(slice_of(bytes, FRAME_BYTES + 7 + sizeof sites - 1), &readers, &got, &test_error), ANB_OK);
    REQUIRE(got.is.job_started.n_sites == 3);
    CHECK_TEXT(got.is.job_started.sites[0], "x");
    CHECK_TEXT(got.is.job_started.sites[2], "z");
    end();
}

/* Two empty texts take 2 bytes in a record and 48 in memory: nothing takes more for its size. */
static void any_control_record_fits_into_1_mib(void)
{
    static struct note reported[WIRE_MAX_ITEMS + 1];
    begin(1 << 20);
    struct record record = make(RECORD_SAID, 1), got;
    for (size_t i = 0; i <= WIRE_MAX_ITEMS; i++) reported[i] = (struct note){"", ""};
    record.is.said.n_metrics = record.is.said.n_reasons = 0;
    record.is.said.reported = reported;
    record.is.said.n_reported = WIRE_MAX_ITEMS;
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_OK);
    CHECK_STATUS(wire_decode(buf_slice(&out), &readers, &got, &test_error), ANB_OK);
    CHECK(records_equal(&record, &got));
    record.is.said.n_reported++;
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, "more than 16384 array items") || strstr(test_error.text, "not within"));
    end();
}

static void missing_text_is_not_encoded(void)
{
    begin(ARENA_BYTES);
    struct record record = node_down(NULL);
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, "NodeDown") && strstr(test_error.text, "reason"));
    CHECK_EQUAL(out.size, 0);
    end();
}

static void text_that_is_not_utf8_is_not_encoded(void)
{
    begin(ARENA_BYTES);
    struct record record = node_down("\xff");
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_INVALID);
    CHECK_EQUAL(test_error.status, ANB_INVALID);
    CHECK_EQUAL(out.size, 0);
    end();
}

static void enum_without_symbol_is_not_encoded(void)
{
    begin(ARENA_BYTES);
    struct record record = make(RECORD_NODE_UP, 1);
    record.is.node_up.role = (enum role)3;
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_INVALID);
    record.kind = N_RECORD_KINDS;
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_INVALID);
    end();
}

static void control_record_above_64_kib_is_refused_both_ways(void)
{
    static char reason[CONTROL_RECORD_MAX_BYTES + 1];
    static unsigned char bytes[CONTROL_RECORD_MAX_BYTES + 1];
    memset(reason, 'x', sizeof reason - 1);
    begin(ARENA_BYTES);
    struct record record = node_down(reason);
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_TOO_LARGE);
    end();
    frame_write(RECORD_NODE_DOWN, bytes);
    refuse_bytes(bytes, sizeof bytes, ANB_TOO_LARGE, "at most 65536");
}

/* A model for 1,000 sites with the longest names fits; what is above the kind's limit does not. */
static void an_opening_has_room_for_a_thousand_receivers(void)
{
    enum { N = 1003, TOO_MANY = 1700 };
    static struct receiver receivers[TOO_MANY];
    static const char name[] = "a-name-as-long-as-names-of-nodes-may-be-aaaaaaaa";
    for (int i = 0; i < TOO_MANY; i++) receivers[i].node = name;
    CHECK_EQUAL(strlen(name), NAME_MAX_BYTES);
    begin(ARENA_BYTES);
    struct record record = make(RECORD_STREAM_OPENED, 1), got;
    record.is.stream_opened.receivers = receivers;
    record.is.stream_opened.n_receivers = N;
    buf_init(&out, OPENING_RECORD_MAX_BYTES);
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_OK);
    CHECK(out.size > CONTROL_RECORD_MAX_BYTES);
    CHECK_STATUS(wire_decode(buf_slice(&out), &readers, &got, &test_error), ANB_OK);
    CHECK_EQUAL(got.is.stream_opened.n_receivers, N);
    record.is.stream_opened.n_receivers = TOO_MANY;
    buf_fini(&out);
    buf_init(&out, 2 * OPENING_RECORD_MAX_BYTES);
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_TOO_LARGE);
    end();
}

static void record_beyond_the_bufs_ceiling_is_not_encoded(void)
{
    begin(ARENA_BYTES);
    struct record record = node_down("a reason");
    buf_init(&out, 12);
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_TOO_LARGE);
    CHECK_EQUAL(out.size, 0);
    end();
}

static void record_that_needs_more_than_the_arena_is_too_large(void)
{
    begin(32);
    struct record record = node_down("a reason that does not fit into 32 bytes"), got;
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_OK);
    CHECK_STATUS(wire_decode(buf_slice(&out), &readers, &got, &test_error), ANB_TOO_LARGE);
    CHECK(readers.used <= 32);
    end();
}

/* Every place where memory can run out. */
static void every_smaller_arena_is_too_small_and_never_passed(void)
{
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        begin(ARENA_BYTES);
        struct record record = make((enum record_kind)kind, 13), got;
        CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_OK);
        CHECK_STATUS(wire_decode(buf_slice(&out), &readers, &got, &test_error), ANB_OK);
        for (size_t needed = readers.used, ceiling = 0; ceiling < needed; ceiling += 16) {
            arena_fini(&readers);
            arena_init(&readers, ceiling);
            CHECK_STATUS(wire_decode(buf_slice(&out), &readers, &got, &test_error), ANB_TOO_LARGE);
            CHECK(readers.used <= ceiling);
        }
        end();
    }
}

static void every_kind_comes_back_as_it_was(void)
{
    for (int i = 0; i < 200 * N_RECORD_KINDS; i++) {
        begin(ARENA_BYTES);
        struct record record = make((enum record_kind)(i % N_RECORD_KINDS), (uint64_t)i), got;
        CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_OK);
        CHECK_STATUS(wire_decode(buf_slice(&out), &readers, &got, &test_error), ANB_OK);
        CHECK(records_equal(&record, &got));
        end();
    }
}

static void records_are_appended_behind_each_other(void)
{
    begin(ARENA_BYTES);
    struct record first = node_down("first"), second = node_down("second"), got;
    CHECK_STATUS(wire_encode(&first, &out, &test_error), ANB_OK);
    size_t size = out.size;
    CHECK_STATUS(wire_encode(&second, &out, &test_error), ANB_OK);
    struct slice behind = slice_of(out.data + size, out.size - size);
    CHECK_STATUS(wire_decode(behind, &readers, &got, &test_error), ANB_OK);
    CHECK_TEXT(got.is.node_down.reason, "second");
    end();
}

static void every_truncation_of_every_kind_is_refused(void)
{
    begin(ARENA_BYTES);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        struct record record = make((enum record_kind)kind, 7), got;
        buf_clear(&out);
        REQUIRE(wire_encode(&record, &out, NULL) == ANB_OK);
        for (size_t size = 0; size < out.size; size++)
            CHECK_EQUAL(wire_decode(slice_of(out.data, size), &readers, &got, NULL), ANB_CORRUPT);
    }
    end();
}

/* What still decodes must encode again; nothing may take more than the arena has. */
static void decode_flipped(struct slice bytes)
{
    struct record got;
    arena_reset(&readers);
    enum anb_status status = wire_decode(bytes, &readers, &got, &test_error);
    CHECK(readers.used <= readers.ceiling);
    if (status != ANB_OK) return;
    out.size = 0;
    CHECK_STATUS(wire_encode(&got, &out, &test_error), ANB_OK);
}

static void flipped_bits_never_crash_nor_pass_the_ceiling(void)
{
    static unsigned char bytes[CONTROL_RECORD_MAX_BYTES];
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        begin(8192);
        struct random random = {(uint64_t)kind};
        struct record record = make((enum record_kind)kind, 11);
        REQUIRE(wire_encode(&record, &out, NULL) == ANB_OK);
        size_t size = out.size;
        memcpy(bytes, out.data, size);
        for (int i = 0; i < FLIPS; i++) {
            size_t at = FRAME_BYTES + random_below(&random, size - FRAME_BYTES);
            unsigned char mask = (unsigned char)(1 << random_below(&random, 8));
            bytes[at] ^= mask;
            decode_flipped(slice_of(bytes, size));
            bytes[at] ^= mask;
        }
        end();
    }
}

static void heads_are_found_in_every_kind_but_chunk_and_said(void)
{
    begin(ARENA_BYTES);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        struct record record = make((enum record_kind)kind, 3);
        struct head *head = record_head(&record);
        CHECK_EQUAL(head == NULL, kind == RECORD_CHUNK || kind == RECORD_SAID);
        CHECK(record_head_const(&record) == head);
        CHECK(!head || ((void *)head == (void *)&record.is && head->project != NULL));
    }
    CHECK_TEXT(record_name(RECORD_STREAM_OPENED), "StreamOpened");
    end();
}

static void *work(void *failures)
{
    struct arena arena;
    struct buf bytes;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&bytes, CONTROL_RECORD_MAX_BYTES);
    for (int i = 0; i < 500; i++) {
        struct random random = {(uint64_t)i};
        struct record record, got;
        arena_reset(&arena);
        buf_clear(&bytes);
        random_record(&random, (enum record_kind)(i % N_RECORD_KINDS), &arena, &record);
        bool same = wire_encode(&record, &bytes, NULL) == ANB_OK &&
                    wire_decode(buf_slice(&bytes), &arena, &got, NULL) == ANB_OK && records_equal(&record, &got);
        *(int *)failures += !same;
    }
    arena_fini(&arena);
    buf_fini(&bytes);
    return NULL;
}

static void threads_may_encode_and_decode_at_once(void)
{
    pthread_t threads[4];
    int failures[4] = {0};
    for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, work, &failures[i]) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQUAL(failures[i], 0);
    }
}

TEST_MAIN("wire", TEST(bytes_without_a_header_are_refused), TEST(unknown_fingerprint_is_refused_by_its_number),
          TEST(text_of_8_gib_in_40_bytes_is_refused), TEST(negative_length_is_refused),
          TEST(number_longer_than_64_bits_is_refused), TEST(text_with_nul_or_broken_utf8_is_refused),
          TEST(bytes_left_over_are_refused), TEST(enum_without_symbol_is_refused), TEST(truth_value_of_2_is_refused),
          TEST(int_out_of_range_is_refused), TEST(array_blocks_that_lie_are_refused),
          TEST(arrays_in_blocks_of_any_form_are_read), TEST(any_control_record_fits_into_1_mib),
          TEST(missing_text_is_not_encoded), TEST(text_that_is_not_utf8_is_not_encoded),
          TEST(enum_without_symbol_is_not_encoded), TEST(control_record_above_64_kib_is_refused_both_ways),
          TEST(an_opening_has_room_for_a_thousand_receivers), TEST(record_beyond_the_bufs_ceiling_is_not_encoded),
          TEST(record_that_needs_more_than_the_arena_is_too_large),
          TEST(every_smaller_arena_is_too_small_and_never_passed), TEST(every_kind_comes_back_as_it_was),
          TEST(records_are_appended_behind_each_other), TEST(every_truncation_of_every_kind_is_refused),
          TEST(flipped_bits_never_crash_nor_pass_the_ceiling), TEST(heads_are_found_in_every_kind_but_chunk_and_said),
          TEST(threads_may_encode_and_decode_at_once))
