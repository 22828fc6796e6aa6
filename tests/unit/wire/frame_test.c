/* Variable-length integers and the single-object header. */
#include "support/records.h"
#include "support/test.h"
#include "wire/frame.h"

#include <string.h>

static bool reads(const char *bytes, size_t size, int64_t expected)
{
    struct slice rest = slice_of(bytes, size);
    int64_t value;
    return varint_read(&rest, &value) && value == expected && rest.size == 0;
}

static void refuse(const char *bytes, size_t size)
{
    struct slice rest = slice_of(bytes, size);
    int64_t value = 77;
    CHECK(!varint_read(&rest, &value));
    CHECK_EQUAL(value, 77);
    CHECK_EQUAL(rest.size, size);
}

static void varints_that_are_cut_off_or_too_long_are_refused(void)
{
    refuse("", 0);
    refuse("\x80", 1);
    refuse("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    refuse("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
    refuse("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11);
}

static void varints_are_zigzag_as_avro_says(void)
{
    CHECK(reads("\x00", 1, 0));
    CHECK(reads("\x01", 1, -1));
    CHECK(reads("\x02", 1, 1));
    CHECK(reads("\x7f", 1, -64));
    CHECK(reads("\x80\x01", 2, 64));
    CHECK(reads("\x80\x00", 2, 0)); /* longer than needed, but a number */
    CHECK(reads("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, INT64_MIN));
    CHECK(reads("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, INT64_MAX));
}

static void written_varints_read_back(void)
{
    struct random random = {1};
    for (int i = 0; i < 100000; i++) {
        unsigned char bytes[VARINT_MAX_BYTES];
        int64_t value = (int64_t)(random_next(&random) >> random_below(&random, 64));
        if (i % 2) value = -value;
        CHECK(reads((const char *)bytes, varint_write(value, bytes), value));
    }
}

static void headers_open_as_the_kind_they_were_written_for(void)
{
    for (int i = 0; i < N_RECORD_KINDS; i++) {
        unsigned char bytes[FRAME_BYTES + 1];
        enum record_kind kind;
        struct slice datum;
        frame_write((enum record_kind)i, bytes);
        CHECK_STATUS(frame_open(slice_of(bytes, sizeof bytes), &kind, &datum, &test_error), ANB_OK);
        CHECK_EQUAL((int)kind, i);
        CHECK_EQUAL(datum.size, 1);
        CHECK_STATUS(frame_open(slice_of(bytes, FRAME_BYTES - 1), &kind, &datum, &test_error), ANB_CORRUPT);
        bytes[0] ^= 1;
        CHECK_STATUS(frame_open(slice_of(bytes, sizeof bytes), &kind, &datum, &test_error), ANB_CORRUPT);
    }
}

TEST_MAIN("frame", TEST(varints_that_are_cut_off_or_too_long_are_refused), TEST(varints_are_zigzag_as_avro_says),
          TEST(written_varints_read_back), TEST(headers_open_as_the_kind_they_were_written_for))
