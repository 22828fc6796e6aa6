/* Documents: lookups that never fail, and building. */
#include "base/doc.h"

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_json(const struct doc *doc, const char *expected)
{
    struct buf out;
    buf_init(&out, 1000);
    CHECK_STATUS(doc_write_json(doc, false, &out, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&out), expected);
    buf_fini(&out);
}

static void lookups_in_nothing_give_the_fallback(void)
{
    CHECK_EQUAL(doc_kind(NULL), DOC_NULL);
    CHECK_EQUAL(doc_line(NULL), 0);
    CHECK(doc_get(NULL, "a") == NULL);
    CHECK(doc_at(NULL, 0) == NULL);
    CHECK_EQUAL(doc_size(NULL), 0);
    CHECK(doc_key_at(NULL, 0) == NULL);
    CHECK_EQUAL(doc_key_line_at(NULL, 0), 0);
    CHECK_TEXT(doc_text(NULL, "other"), "other");
    CHECK_EQUAL(doc_int(NULL, 5), 5);
    CHECK_EQUAL(doc_real(NULL, 0.5), 0.5);
    CHECK(doc_bool(NULL, true));
    doc_free(NULL);
}

static void parts_of_another_kind_give_the_fallback(void)
{
    struct doc *map = doc_new_map();
    doc_set_text(map, "text", "1");
    doc_set_real(map, "real", 1.5);
    doc_set_int(map, "int", 1);
    CHECK_EQUAL(doc_int(doc_get(map, "text"), 7), 7);
    CHECK_EQUAL(doc_int(doc_get(map, "real"), 7), 7);
    CHECK(!doc_bool(doc_get(map, "int"), false));
    CHECK_TEXT(doc_text(doc_get(map, "int"), "-"), "-");
    CHECK_EQUAL(doc_real(doc_get(map, "int"), 7), 1.0); /* integers are reals, too */
    CHECK(doc_get(doc_get(map, "int"), "x") == NULL);
    CHECK_EQUAL(doc_size(doc_get(map, "text")), 0);
    CHECK(doc_at(map, 3) == NULL);
    doc_free(map);
}

static void setting_into_nothing_gives_nothing(void)
{
    struct doc *map = doc_new_map();
    struct doc *number = doc_set_int(map, "n", 1);
    CHECK(doc_set_int(NULL, "a", 1) == NULL);
    CHECK(doc_set_text(doc_set_map(NULL, "m"), "a", "b") == NULL);
    CHECK(doc_add_text(number, "a number has no parts") == NULL);
    CHECK_EQUAL(doc_size(map), 1);
    doc_free(map);
}

static void numbers_json_cannot_say_become_null(void)
{
    struct doc *list = doc_new_list();
    doc_add_real(list, NAN);
    doc_add_real(list, INFINITY);
    doc_add_real(list, 0.5);
    check_json(list, "[null,null,0.5]");
    doc_free(list);
}

static void text_that_is_not_utf8_is_not_written(void)
{
    struct buf out;
    buf_init(&out, 1000);
    struct doc *map = doc_new_map();
    doc_set_text(map, "a", "\xff");
    CHECK_STATUS(doc_write_json(map, false, &out, &test_error), ANB_INVALID);
    CHECK_EQUAL(out.size, 0);
    doc_free(map);
    buf_fini(&out);
}

static void json_beyond_the_ceiling_leaves_the_buf_as_it_was(void)
{
    struct buf out;
    buf_init(&out, 12);
    CHECK_STATUS(buf_append_text(&out, "before", &test_error), ANB_OK);
    struct doc *map = doc_new_map();
    doc_set_text(map, "key", "a value that is longer than that");
    CHECK_STATUS(doc_write_json(map, true, &out, &test_error), ANB_TOO_LARGE);
    CHECK_TEXT(buf_text(&out), "before");
    doc_free(map);
    buf_fini(&out);
}

static struct doc *build(void)
{
    struct doc *map = doc_new_map();
    doc_set_text(map, "z", "first");
    doc_set_text(map, "nothing", NULL);
    struct doc *inner = doc_set_map(map, "a");
    doc_set_int(inner, "n", INT64_MIN);
    doc_set_bool(inner, "yes", true);
    struct doc *list = doc_set_list(map, "list");
    doc_add_int(list, 1);
    doc_add_text(list, "\xc3\xa9\n");
    doc_add_text(doc_add_list(list), "deep");
    doc_set_real(doc_add_map(list), "half", 0.5);
    return map;
}

static const char built[] = "{\"z\":\"first\",\"nothing\":null,\"a\":{\"n\":-9223372036854775808,\"yes\":true},"
                            "\"list\":[1,\"\xc3\xa9\\n\",[\"deep\"],{\"half\":0.5}]}";

static void built_documents_are_written_in_their_order(void)
{
    struct doc *map = build();
    check_json(map, built);
    CHECK_TEXT(doc_key_at(map, 2), "a");
    CHECK(doc_bool(doc_get(doc_get(map, "a"), "yes"), false));
    doc_free(map);
}

static void copies_live_on_their_own(void)
{
    struct doc *map = build(), *other = doc_new_map();
    doc_set_copy(other, "copy", map);
    doc_set_copy(other, "none", NULL);
    doc_free(map);
    struct buf expected;
    buf_init(&expected, 1000);
    CHECK_STATUS(buf_printf(&expected, &test_error, "{\"copy\":%s,\"none\":null}", built), ANB_OK);
    check_json(other, buf_text(&expected));
    buf_fini(&expected);
    doc_free(other);
}

static void kinds_have_words_for_sentences(void)
{
    CHECK_TEXT(doc_kind_word(DOC_NULL), "nothing");
    CHECK_TEXT(doc_kind_word(DOC_LIST), "a list");
    CHECK_TEXT(doc_kind_word(DOC_MAP), "a map");
}

TEST_MAIN("doc", TEST(lookups_in_nothing_give_the_fallback), TEST(parts_of_another_kind_give_the_fallback),
          TEST(setting_into_nothing_gives_nothing), TEST(numbers_json_cannot_say_become_null),
          TEST(text_that_is_not_utf8_is_not_written), TEST(json_beyond_the_ceiling_leaves_the_buf_as_it_was),
          TEST(built_documents_are_written_in_their_order), TEST(copies_live_on_their_own),
          TEST(kinds_have_words_for_sentences))
