#include "base/buf.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static void bytes_beyond_the_ceiling_are_refused_and_nothing_changes(void)
{
    struct buf buf;
    buf_init(&buf, 5);
    CHECK_STATUS(buf_append_text(&buf, "12345", &test_error), ANB_OK);
    CHECK_STATUS(buf_append_text(&buf, "6", &test_error), ANB_TOO_LARGE);
    CHECK_STATUS(buf_printf(&buf, &test_error, "%d", 6), ANB_TOO_LARGE);
    CHECK_STATUS(buf_reserve(&buf, SIZE_MAX, &test_error), ANB_TOO_LARGE);
    CHECK_TEXT(buf_text(&buf), "12345");
    buf_fini(&buf);
}

static void no_ceiling_makes_sizes_overflow(void)
{
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    CHECK_STATUS(buf_append_text(&buf, "1", &test_error), ANB_OK);
    CHECK_STATUS(buf_reserve(&buf, SIZE_MAX, &test_error), ANB_TOO_LARGE);
    CHECK_STATUS(buf_reserve(&buf, SIZE_MAX - 1, &test_error), ANB_TOO_LARGE);
    CHECK_EQUAL(buf.size, 1);
    buf_fini(&buf);
}

static void memory_never_grows_beyond_the_ceiling(void)
{
    struct buf buf;
    buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++) CHECK_STATUS(buf_append(&buf, slice_of("x", 1), &test_error), ANB_OK);
    CHECK(buf.capacity <= 1001); /* one for the NUL */
    CHECK_EQUAL(strlen(buf_text(&buf)), 1000);
    buf_fini(&buf);
}

static void empty_bufs_have_an_empty_text(void)
{
    struct buf buf;
    buf_init(&buf, 10);
    CHECK_TEXT(buf_text(&buf), "");
    CHECK_STATUS(buf_append(&buf, slice_of(NULL, 0), &test_error), ANB_OK);
    CHECK_STATUS(buf_append_text(&buf, NULL, &test_error), ANB_OK);
    CHECK_EQUAL(buf_slice(&buf).size, 0);
    char *text = buf_take_text(&buf);
    REQUIRE(text != NULL);
    CHECK_TEXT(text, "");
    free(text);
    buf_fini(&buf);
}

static void appended_and_printed_texts_stand_behind_each_other(void)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        CHECK_STATUS(buf_append_text(&buf, "ab", &test_error), ANB_OK);
        CHECK_STATUS(buf_printf(&buf, &test_error, "%03d,", i), ANB_OK);
    }
    CHECK_EQUAL(buf.size, 6000);
    CHECK(strncmp(buf_text(&buf), "ab000,ab001,", 12) == 0);
    buf_fini(&buf);
}

static void taken_text_belongs_to_the_taker_and_the_buf_is_empty(void)
{
    struct buf buf;
    buf_init(&buf, 100);
    CHECK_STATUS(buf_append_text(&buf, "river", &test_error), ANB_OK);
    char *text = buf_take_text(&buf);
    CHECK_TEXT(text, "river");
    CHECK_EQUAL(buf.size, 0);
    CHECK_EQUAL(buf.ceiling, 100);
    free(text);
    buf_fini(&buf);
}

static void cleared_buf_keeps_its_memory(void)
{
    struct buf buf;
    buf_init(&buf, 100);
    CHECK_STATUS(buf_append_text(&buf, "river", &test_error), ANB_OK);
    unsigned char *memory = buf.data;
    buf_clear(&buf);
    CHECK_STATUS(buf_append_text(&buf, "sea", &test_error), ANB_OK);
    CHECK(buf.data == memory);
    CHECK_TEXT(buf_text(&buf), "sea");
    buf_fini(&buf);
}

static void slices_are_equal_by_their_bytes(void)
{
    CHECK(slice_equal(slice_of_text("ab"), slice_of("abc", 2)));
    CHECK(!slice_equal(slice_of_text("ab"), slice_of_text("ac")));
    CHECK(!slice_equal(slice_of_text("ab"), slice_of_text("abc")));
    CHECK(slice_equal(slice_of(NULL, 0), slice_of_text("")));
}

TEST_MAIN("buf", TEST(bytes_beyond_the_ceiling_are_refused_and_nothing_changes), TEST(no_ceiling_makes_sizes_overflow),
          TEST(memory_never_grows_beyond_the_ceiling), TEST(empty_bufs_have_an_empty_text),
          TEST(appended_and_printed_texts_stand_behind_each_other),
          TEST(taken_text_belongs_to_the_taker_and_the_buf_is_empty), TEST(cleared_buf_keeps_its_memory),
          TEST(slices_are_equal_by_their_bytes))
