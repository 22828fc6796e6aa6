#include "cli/format.h"
#include "support/test.h"

#include <string.h>

static void bytes_have_the_unit_that_keeps_them_short(void)
{
    char text[FORMAT_BYTES];
    CHECK_TEXT(format_bytes(0, text), "0 B");
    CHECK_TEXT(format_bytes(1023, text), "1023 B");
    CHECK_TEXT(format_bytes(1024, text), "1.0 KiB");
    CHECK_TEXT(format_bytes(983040, text), "960 KiB");
    CHECK_TEXT(format_bytes(1048575, text), "1.0 MiB");
    CHECK_TEXT(format_bytes(2621440, text), "2.5 MiB");
    CHECK_TEXT(format_bytes(INT64_MAX, text), "8192 PiB");
}

static void durations_lose_digits_as_they_grow(void)
{
    char text[FORMAT_BYTES];
    CHECK_TEXT(format_duration(-1, text), "-");
    CHECK_TEXT(format_duration(0, text), "0.0s");
    CHECK_TEXT(format_duration(1500, text), "1.5s");
    CHECK_TEXT(format_duration(10000, text), "10s");
    CHECK_TEXT(format_duration(192000, text), "3m12s");
    CHECK_TEXT(format_duration(7500000, text), "2h5m");
    CHECK_TEXT(format_duration(792000000, text), "9d4h");
    CHECK(strlen(format_duration(INT64_MAX, text)) < FORMAT_BYTES);
}

static void metrics_have_four_digits(void)
{
    char text[FORMAT_BYTES];
    CHECK_TEXT(format_metric(0.933333, text), "0.9333");
    CHECK_TEXT(format_metric(12.5, text), "12.5");
}

static const char *harmless(const char *text, struct buf *out)
{
    buf_clear(out);
    CHECK_STATUS(format_foreign(text, out, &test_error), ANB_OK);
    return buf_text(out);
}

static void control_characters_of_both_sets_become_question_marks(void)
{
    struct buf out;
    buf_init(&out, 256);
    CHECK_TEXT(harmless("", &out), "");
    CHECK_TEXT(harmless("plain", &out), "plain");
    CHECK_TEXT(harmless("\033[2J", &out), "?[2J");
    CHECK_TEXT(harmless("a\r\nb\x7f", &out), "a??b?");
    CHECK_TEXT(harmless("a\tb", &out), "a b");
    CHECK_TEXT(harmless("\xc2\x9b"
                        "31m",
                        &out),
               "?31m");
    CHECK_TEXT(harmless("Z\xc3\xbcrich \xc2\xa0", &out), "Z\xc3\xbcrich \xc2\xa0");
    CHECK_TEXT(harmless("\xc2", &out), "\xc2");
    buf_fini(&out);
}

static void width_counts_characters_not_bytes(void)
{
    CHECK_EQUAL(format_width(""), 0);
    CHECK_EQUAL(format_width("abc"), 3);
    CHECK_EQUAL(format_width("Z\xc3\xbcrich"), 6);
}

TEST_MAIN("cli-format", TEST(bytes_have_the_unit_that_keeps_them_short), TEST(durations_lose_digits_as_they_grow),
          TEST(metrics_have_four_digits), TEST(control_characters_of_both_sets_become_question_marks),
          TEST(width_counts_characters_not_bytes))
