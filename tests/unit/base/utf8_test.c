#include "base/utf8.h"

#include "support/test.h"

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

static void length_of_the_first_character_is_told(void)
{
    CHECK_EQUAL(utf8_character_bytes(slice_of_text("")), 0);
    CHECK_EQUAL(utf8_character_bytes(slice_of_text("ab")), 1);
    CHECK_EQUAL(utf8_character_bytes(slice_of_text("\xc3\xa9x")), 2);
    CHECK_EQUAL(utf8_character_bytes(slice_of_text("\xe2\x82\xac")), 3);
    CHECK_EQUAL(utf8_character_bytes(slice_of_text("\xf0\x9f\x8c\x8a")), 4);
    CHECK_EQUAL(utf8_character_bytes(slice_of_text("\xffx")), 0);
}

/* A decoder of another make: by the code point. */
static bool is_character(const unsigned char *bytes, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t point = bytes[0] & (0xff >> (size + 1));
    if ((uint32_t)bytes[0] >> (7 - size) != (1u << (size + 1)) - 2) return false;
    for (size_t i = 1; i < size; i++) {
        if (bytes[i] >> 6 != 2) return false;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    return point >= least[size] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

static void every_three_bytes_are_judged_as_by_their_code_point(void)
{
    for (uint32_t i = 0; i < 1u << 24; i++) {
        unsigned char bytes[] = {(unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i};
        size_t expected = bytes[0] < 0x80 ? 1 : is_character(bytes, 2) ? 2 : is_character(bytes, 3) ? 3 : 0;
        if (utf8_character_bytes(slice_of(bytes, 3)) != expected) CU_FAIL("see the loop");
    }
}

static void repaired_text_is_valid_and_keeps_what_was(void)
{
    char text[] = "ok \xff caf\xc3\xa9 \xe2\x82 \xf0\x9f\x8c\x8a \xc3";
    utf8_repair(text);
    CHECK_TEXT(text, "ok ? caf\xc3\xa9 ?? \xf0\x9f\x8c\x8a ?");
    CHECK(valid(text));
}

TEST_MAIN("utf8", TEST(what_rfc_3629_forbids_is_not_valid), TEST(characters_that_are_cut_off_are_not_valid),
          TEST(first_and_last_character_of_each_length_is_valid), TEST(length_of_the_first_character_is_told),
          TEST(repaired_text_is_valid_and_keeps_what_was), TEST(every_three_bytes_are_judged_as_by_their_code_point))
