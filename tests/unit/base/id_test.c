#include "base/id.h"

#include "support/test.h"

#include <string.h>

static bool valid(const char *name)
{
    return name_is_valid(slice_of_text(name));
}

static void names_that_could_cut_a_topic_are_refused(void)
{
    CHECK(!valid(""));
    CHECK(!valid("a.b"));
    CHECK(!valid("-a"));
    CHECK(!valid("a-"));
    CHECK(!valid("-"));
    CHECK(!valid("A"));
    CHECK(!valid("a_b"));
    CHECK(!valid("a b"));
    CHECK(!valid("a\n"));
    CHECK(!valid("\xc3\xa9"));
    CHECK(!name_is_valid(slice_of("a\0b", 3)));
    CHECK(!name_is_valid(slice_of(NULL, 0)));
}

static void names_have_1_to_48_characters(void)
{
    char name[50];
    memset(name, 'n', sizeof name);
    CHECK(name_is_valid(slice_of(name, 1)));
    CHECK(name_is_valid(slice_of(name, 48)));
    CHECK(!name_is_valid(slice_of(name, 49)));
    CHECK(valid("site-1"));
    CHECK(valid("0--9"));
}

static void bad_name_is_named_with_the_rule(void)
{
    CHECK_STATUS(name_check("node", "Site 1", &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, "node \"Site 1\"") && strstr(test_error.text, "1 to 48"));
    CHECK_STATUS(name_check("node", NULL, &test_error), ANB_INVALID);
    CHECK_STATUS(name_check("node", "site-1", &test_error), ANB_OK);
}

static void text_that_is_not_exactly_so_many_digits_is_not_decoded(void)
{
    unsigned char bytes[2] = {7, 7};
    CHECK(!hex_decode("", bytes, 2));
    CHECK(!hex_decode("abc", bytes, 2));
    CHECK(!hex_decode("abcde", bytes, 2));
    CHECK(!hex_decode("abcg", bytes, 2));
    CHECK(!hex_decode("0xab", bytes, 2));
    CHECK(bytes[0] == 7 && bytes[1] == 7); /* results are written on success only */
}

static void digits_decode_in_both_cases_and_encode_in_lower_case(void)
{
    unsigned char bytes[8];
    char text[17];
    CHECK(hex_decode("0123456789ABCdef", bytes, 8));
    CHECK_TEXT(hex_encode(bytes, 8, text), "0123456789abcdef");
    CHECK(hex_decode("", bytes, 0));
    CHECK_TEXT(hex_encode(bytes, 0, text), "");
}

static void random_ids_differ(void)
{
    struct id ids[100];
    for (int i = 0; i < 100; i++) {
        CHECK_STATUS(id_random(&ids[i], &test_error), ANB_OK);
        CHECK(!id_is_zero(&ids[i]));
        for (int j = 0; j < i; j++) CHECK(!id_equal(&ids[i], &ids[j]));
    }
}

static void id_is_shown_as_32_digits(void)
{
    struct id id = {{0}};
    char text[ID_TEXT_BYTES];
    CHECK(id_is_zero(&id));
    id.bytes[15] = 0xf0;
    CHECK(!id_is_zero(&id));
    CHECK_TEXT(id_text(&id, text), "000000000000000000000000000000f0");
}

TEST_MAIN("id", TEST(names_that_could_cut_a_topic_are_refused), TEST(names_have_1_to_48_characters),
          TEST(bad_name_is_named_with_the_rule), TEST(text_that_is_not_exactly_so_many_digits_is_not_decoded),
          TEST(digits_decode_in_both_cases_and_encode_in_lower_case), TEST(random_ids_differ),
          TEST(id_is_shown_as_32_digits))
