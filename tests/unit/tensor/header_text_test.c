#include "tensor/header_text.h"

#include "support/test.h"

#include <string.h>

static struct reader reader_of(const char *text)
{
    struct reader reader;
    test_error.text[0] = 0;
    reader_init(&reader, slice_of_text(text), &test_error);
    return reader;
}

static void first_fault_stays_and_stops_every_later_read(void)
{
    struct reader reader = reader_of("x\"text\" 5 [ ]");
    char text[8];
    size_t size = 99;
    int64_t count = 99;
    CHECK(!reader_expect(&reader, '{'));
    CHECK_TEXT(test_error.text, "header byte 0: '{' is expected");
    CHECK(!reader_fail(&reader, "another"));
    reader.at++;
    CHECK(!reader_text(&reader, text, sizeof text, &size));
    CHECK(!reader_count(&reader, &count));
    CHECK(!reader_take(&reader, '"'));
    CHECK(!reader_more(&reader, ']', 0));
    CHECK(!reader_end(&reader));
    CHECK_EQUAL(reader.status, ANB_INVALID);
    CHECK_TEXT(test_error.text, "header byte 0: '{' is expected");
    CHECK(size == 99 && count == 99);
}

static void text_that_does_not_fit_is_refused_at_the_last_byte_of_room(void)
{
    for (size_t room = 1; room < 6; room++) {
        struct reader reader = reader_of("\"ab\\u00e9\""); /* 4 bytes and a NUL */
        char text[8] = "";
        size_t size = 0;
        CHECK_EQUAL(reader_text(&reader, text, room, &size), room == 5);
        if (room == 5) CHECK_TEXT(text, "ab\xc3\xa9");
    }
}

static void lists_end_at_their_mark_and_need_commas_between(void)
{
    struct reader reader = reader_of(" [ 1 , 2 ] ");
    int64_t count = 0, sum = 0;
    CHECK(reader_expect(&reader, '['));
    for (size_t n = 0; reader_more(&reader, ']', n); n++) sum += reader_count(&reader, &count) ? count : 0;
    CHECK_EQUAL(sum, 3);
    CHECK(reader_end(&reader));
    reader = reader_of("[1 2]");
    CHECK(reader_expect(&reader, '[') && reader_more(&reader, ']', 0) && reader_count(&reader, &count));
    CHECK(!reader_more(&reader, ']', 1));
    CHECK_EQUAL(reader.status, ANB_INVALID);
}

static void counts_reach_to_the_largest_and_not_beyond(void)
{
    static const struct {
        const char *text;
        int64_t count; /* -1: refused */
    } cases[] = {{"0", 0},   {"9223372036854775807", INT64_MAX},
                 {"10", 10}, {"9223372036854775808", -1},
                 {"00", -1}, {"99999999999999999999999999", -1},
                 {"", -1},   {"+1", -1},
                 {"-0", -1}, {"x", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reader reader = reader_of(cases[i].text);
        int64_t count = -1;
        CHECK_EQUAL(reader_count(&reader, &count), cases[i].count >= 0);
        CHECK_EQUAL(count, cases[i].count);
    }
}

static void every_character_comes_back_from_its_quotes(void)
{
    char all[128];
    for (int i = 0; i < 127; i++) all[i] = (char)(i + 1);
    all[127] = 0;
    struct buf quoted;
    buf_init(&quoted, 4096);
    CHECK_STATUS(header_quote(&quoted, all, &test_error), ANB_OK);
    char text[256];
    size_t size = 0;
    struct reader reader = reader_of(buf_text(&quoted));
    CHECK(reader_text(&reader, text, sizeof text, &size));
    CHECK_EQUAL(size, 127);
    CHECK_TEXT(text, all);
    CHECK(reader_end(&reader));
    buf_fini(&quoted);
}

static void quotes_are_as_python_and_rust_write_them(void)
{
    struct buf quoted;
    buf_init(&quoted, 64);
    CHECK_STATUS(header_quote(&quoted, "\b\f\n\r\t\"\\/\x1f\x7f\xc3\xa9", &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&quoted), "\"\\b\\f\\n\\r\\t\\\"\\\\/\\u001f\x7f\xc3\xa9\"");
    CHECK_STATUS(header_quote(&quoted, "more than the ceiling of the buf allows", &test_error), ANB_TOO_LARGE);
    buf_fini(&quoted);
}

TEST_MAIN("header_text", TEST(first_fault_stays_and_stops_every_later_read),
          TEST(text_that_does_not_fit_is_refused_at_the_last_byte_of_room),
          TEST(lists_end_at_their_mark_and_need_commas_between), TEST(counts_reach_to_the_largest_and_not_beyond),
          TEST(every_character_comes_back_from_its_quotes), TEST(quotes_are_as_python_and_rust_write_them))
