#include "base/doc.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static void refuse_bytes(const char *text, size_t size, enum anb_status expected, const char *words)
{
    struct doc *doc = NULL;
    CHECK_STATUS(doc_parse_json(slice_of(text, size), "body", &doc, &test_error), expected);
    CHECK(doc == NULL);
    CHECK(strstr(test_error.text, words) != NULL);
    doc_free(doc);
}

static void refuse(const char *text, const char *words)
{
    refuse_bytes(text, strlen(text), ANB_INVALID, words);
}

static void what_is_not_json_is_refused_with_its_line(void)
{
    refuse("", "body:1: not JSON");
    refuse("{\"a\":\n1,\n}", "body:3: not JSON");
    refuse("{} {}", "not JSON");
    refuse("[1,2", "not JSON");
    refuse("\"a text alone\"", "not JSON");
    refuse("[01]", "not JSON");
    refuse("[NaN]", "not JSON");
    refuse("{'a':1}", "not JSON");
    refuse_bytes("[1]\0", 4, ANB_INVALID, "not JSON");
    refuse_bytes(NULL, 0, ANB_INVALID, "not JSON");
}

static void duplicate_keys_are_refused(void)
{
    refuse("{\"a\":1,\"a\":2}", "duplicate");
}

static void nul_and_broken_utf8_in_texts_are_refused(void)
{
    refuse("{\"a\":\"\\u0000\"}", "not JSON");
    refuse("{\"a\\u0000b\":1}", "not JSON");
    refuse("[\"\xff\"]", "not JSON");
    refuse("[\"\\ud800\"]", "not JSON");
}

static void numbers_out_of_range_are_refused(void)
{
    refuse("[9223372036854775808]", "too big");
    refuse("[1e999]", "overflow");
}

static char *nested(int depth, char open, char close)
{
    char *text = calloc(1, 2 * (size_t)depth + 1);
    if (!text) abort();
    memset(text, open, (size_t)depth);
    memset(text + depth, close, (size_t)depth);
    return text;
}

static void text_deeper_than_32_levels_is_refused(void)
{
    char *deep = nested(33, '[', ']'), *bomb = nested(1000000, '[', ']'), *least = nested(32, '[', ']');
    struct doc *doc = NULL;
    refuse(deep, "deeper than 32");
    refuse(bomb, "deeper than 32");
    CHECK_STATUS(doc_parse_json(slice_of_text(least), "body", &doc, &test_error), ANB_OK);
    doc_free(doc);
    free(deep);
    free(bomb);
    free(least);
}

static void brackets_in_texts_are_not_counted_as_levels(void)
{
    struct doc *doc = NULL;
    const char *text = "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[\"]";
    CHECK_STATUS(doc_parse_json(slice_of_text(text), "body", &doc, &test_error), ANB_OK);
    doc_free(doc);
}

static void more_parts_than_the_limit_are_too_large(void)
{
    size_t size = 2 * (size_t)DOC_MAX_NODES + 1;
    char *text = malloc(size + 1);
    REQUIRE(text != NULL);
    for (size_t i = 0; i < size; i++) text[i] = i % 2 ? '1' : ',';
    text[0] = '[';
    text[size - 1] = ']';
    refuse_bytes(text, size, ANB_TOO_LARGE, "more than 200000 parts");
    free(text);
}

static void json_comes_back_as_it_was_written(void)
{
    static const char *const texts[] = {
        "[]",
        "{}",
        "[null,true,false,0,-1,9223372036854775807,-9223372036854775808]",
        "{\"b\":1,\"a\":{\"c\":[{}]}}",
        "[0.1,1e+300,-2.5]",
        "[\"\\\"\\\\\\n\\u0001\xc3\xa9\xf0\x9f\x8c\x8a\"]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct doc *doc = NULL;
        struct buf out;
        buf_init(&out, 1000);
        CHECK_STATUS(doc_parse_json(slice_of_text(texts[i]), "body", &doc, &test_error), ANB_OK);
        CHECK_STATUS(doc_write_json(doc, false, &out, &test_error), ANB_OK);
        struct doc *again = NULL;
        CHECK_STATUS(doc_parse_json(buf_slice(&out), "body", &again, &test_error), ANB_OK);
        CHECK_EQUAL(doc_size(doc), doc_size(again));
        if (i != 4) CHECK_TEXT(buf_text(&out), texts[i]);
        if (i == 4) CHECK_EQUAL(doc_real(doc_at(again, 0), 0), 0.1);
        doc_free(doc);
        doc_free(again);
        buf_fini(&out);
    }
}

static void text_need_not_end_with_nul(void)
{
    struct doc *doc = NULL;
    CHECK_STATUS(doc_parse_json(slice_of("[1]xyz", 3), "body", &doc, &test_error), ANB_OK);
    CHECK_EQUAL(doc_int(doc_at(doc, 0), 0), 1);
    doc_free(doc);
}

TEST_MAIN("doc_json", TEST(what_is_not_json_is_refused_with_its_line), TEST(duplicate_keys_are_refused),
          TEST(nul_and_broken_utf8_in_texts_are_refused), TEST(numbers_out_of_range_are_refused),
          TEST(text_deeper_than_32_levels_is_refused), TEST(brackets_in_texts_are_not_counted_as_levels),
          TEST(more_parts_than_the_limit_are_too_large), TEST(json_comes_back_as_it_was_written),
          TEST(text_need_not_end_with_nul))
