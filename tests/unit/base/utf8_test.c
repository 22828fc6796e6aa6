#include "base/utf8.h"

#include "support/test.h"

#include <string.h>

static bool valid(const char *text)
{
    return utf8_is_valid(slice_of_text(text));
}

static void what_rfc_3629_forbids_is_not_valid(void)
{
    CHECK(!valid("\x80"));             /* a byte of the middle */
    CHECK(!valid("\xc0\x80"));         /* NUL in two bytes */
    CHECK(!valid("\xc1\xbf"));         /* overlong */
    CHECK(!valid("\xe0\x9f\xbf"));     /* overlong */
    CHECK(!valid("\xf0\x8f\xbf\xbf")); /* overlong */
    CHECK(!valid("\xed\xa0\x80"));     /* a surrogate */
    CHECK(!valid("\xed\xbf\xbf"));     /* a surrogate */
    CHECK(!valid("\xf4\x90\x80\x80")); /* above U+10FFFF */
    CHECK(!valid("\xf5\x80\x80\x80"));
    CHECK(!valid("\xff"));
}

static void characters_that_are_cut_off_are_not_valid(void)
{
    CHECK(!valid("a\xc3"));
    CHECK(!valid("\xe2\x82"));
    CHECK(!valid("\xf0\x9f\x8c"));
    CHECK(!valid("\xe2\x82z"));
    CHECK(!utf8_is_valid(slice_of("\xe2\x82\xac", 2)));
}

static void first_and_last_character_of_each_length_is_valid(void)
{
    CHECK(valid(""));
    CHECK(valid("\x01\x7f"));
    CHECK(valid("\xc2\x80\xdf\xbf"));
    CHECK(valid("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
    CHECK(valid("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    CHECK(utf8_is_valid(slice_of("\0", 1)));
    CHECK(utf8_is_valid(slice_of(NULL, 0)));
}

static void repaired_text_is_valid_and_keeps_what_was(void)
{
    char text[] = "ok \xff caf\xc3\xa9 \xe2\x82 \xf0\x9f\x8c\x8a \xc3";
    utf8_repair(text);
    CHECK_TEXT(text, "ok ? caf\xc3\xa9 ?? \xf0\x9f\x8c\x8a ?");
    CHECK(valid(text));
}

static void every_pair_of_bytes_is_valid_after_repair(void)
{
    for (int a = 1; a < 256; a++)
        for (int b = 1; b < 256; b++) {
            char text[] = {(char)a, (char)b, 'x', 0};
            utf8_repair(text);
            CHECK(valid(text));
            CHECK_EQUAL(strlen(text), 3);
        }
}

TEST_MAIN("utf8", TEST(what_rfc_3629_forbids_is_not_valid), TEST(characters_that_are_cut_off_are_not_valid),
          TEST(first_and_last_character_of_each_length_is_valid), TEST(repaired_text_is_valid_and_keeps_what_was),
          TEST(every_pair_of_bytes_is_valid_after_repair))
