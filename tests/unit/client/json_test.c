/* The C library's small JSON reader and writer. */
#include "json.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool skips(const char *text)
{
    struct json_cursor cursor = json_over(text, strlen(text));
    json_skip(&cursor);
    return json_done(&cursor);
}

static void what_is_no_json_is_bad(void)
{
    static const char *const texts[] = {"",           "{",         "[1",          "{\"a\"}",     "{\"a\":}",
                                        "{\"a\":1,}", "[1,]",      "[,1]",        "\"a",         "\"\\",
                                        "\"\\x\"",    "\"\\u12\"", "{a:1}",       "[1 2]",       "\"\n\"",
                                        "{\"a\" 1}",  "1 2",       "\"\\ud800\"", "\"\\u0000\"", "{\"a\":tru{\"b\":1}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (skips(texts[i])) fprintf(stderr, "taken: %s\n", texts[i]);
        CHECK(!skips(texts[i]));
    }
}

static void depth_has_a_limit(void)
{
    char deep[201];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = '\0';
    CHECK(!skips(deep));
    deep[120] = '\0';
    CHECK(skips(deep + 80));
}

static void every_kind_of_value_is_skipped(void)
{
    CHECK(skips(" { \"a\" : [ 1 , -2.5e3 , true , null , { } , [ ] , \"x\\\"y\" ] , \"b\" : { \"c\" : \"\" } } "));
}

static void texts_are_unescaped(void)
{
    const char *text = "\"a\\n\\u00e9\\ud83d\\ude00\\\\\"";
    struct json_cursor cursor = json_over(text, strlen(text));
    char *read = json_text(&cursor);
    CHECK_TEXT(read, "a\n\xc3\xa9\xf0\x9f\x98\x80\\");
    CHECK(json_done(&cursor));
    free(read);
}

static void integers_have_a_range(void)
{
    struct json_cursor cursor = json_over("-12,", 4);
    CHECK_EQUAL(json_integer(&cursor), -12);
    CHECK(!cursor.bad);
    static const char *const wrong[] = {"99999999999999999999", "-", "x", "1-2", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cursor = json_over(wrong[i], strlen(wrong[i]));
        CHECK_EQUAL(json_integer(&cursor), 0);
        CHECK(cursor.bad);
    }
}

static void a_text_stops_at_its_ceiling(void)
{
    struct json_text out = {.ceiling = 8};
    json_put(&out, "12345");
    CHECK(!out.failed);
    json_put(&out, "6789");
    CHECK(out.failed);
    CHECK_TEXT(out.data, "12345");
    json_fini(&out);
}

static void written_values_read_back(void)
{
    struct json_text out = {.ceiling = 100};
    json_put_text(&out, "q\"\\\x01");
    json_put(&out, " ");
    json_put_integer(&out, INT64_MIN);
    json_put(&out, " ");
    json_put_real(&out, 0.1);
    json_put(&out, " ");
    json_put_real(&out, INFINITY);
    CHECK_TEXT(out.data, "\"q\\\"\\\\\\u0001\" -9223372036854775808 0.10000000000000001 null");
    json_fini(&out);
}

TEST_MAIN("client json", TEST(what_is_no_json_is_bad), TEST(depth_has_a_limit), TEST(integers_have_a_range),
          TEST(a_text_stops_at_its_ceiling), TEST(every_kind_of_value_is_skipped), TEST(texts_are_unescaped),
          TEST(written_values_read_back))
