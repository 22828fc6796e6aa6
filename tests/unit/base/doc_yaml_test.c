#include "base/doc.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct doc *parse(const char *text)
{
    struct doc *doc = NULL;
    CHECK_STATUS(doc_parse_yaml(slice_of_text(text), "job.yaml", &doc, &test_error), ANB_OK);
    return doc;
}

static void refuse_bytes(const char *text, size_t size, enum anb_status expected, const char *words)
{
    struct doc *doc = NULL;
    CHECK_STATUS(doc_parse_yaml(slice_of(text, size), "job.yaml", &doc, &test_error), expected);
    CHECK(doc == NULL);
    CHECK(strstr(test_error.text, words) != NULL);
    if (!strstr(test_error.text, words)) printf("no \"%s\" in: %s\n", words, test_error.text);
    doc_free(doc);
}

static void refuse(const char *text, const char *words)
{
    refuse_bytes(text, strlen(text), ANB_INVALID, words);
}

static void empty_text_and_second_document_are_refused(void)
{
    refuse("", "the file is empty");
    refuse("# only a comment\n", "the file is empty");
    refuse_bytes(NULL, 0, ANB_INVALID, "the file is empty");
    refuse("a: 1\n---\nb: 2\n", "job.yaml:2: a second document");
}

static void broken_yaml_is_refused_with_its_line(void)
{
    refuse("a: 1\nb: [1, 2\n", "job.yaml:3:");
    refuse("a: 1\n  b: 2\n", "job.yaml:2:");
    refuse("a:\n\t- 1\n", "job.yaml:2:");
    refuse("a: \"open\n", "job.yaml:");
    refuse("a: \xff\n", "job.yaml:");
}

static void aliases_tags_directives_and_duplicate_keys_are_refused(void)
{
    refuse("a: &x [1]\nb: *x\n", "job.yaml:2: aliases");
    refuse("a: !!python/object:os.system x\n", "job.yaml:1: tags");
    refuse("!!str a: 1\n", "job.yaml:1: tags");
    refuse("%YAML 1.1\n---\na: 1\n", "job.yaml:1: a line may not begin with %");
    refuse("# x\n%TAG !a! x\n---\na: 1\n", "job.yaml:2: a line may not begin with %");
    refuse("a: 1\nb: 2\na: 3\n", "job.yaml:3: key \"a\" stands here again, first in line 1");
    refuse("[1, 2]: 3\n", "job.yaml:1: a key must be a text");
    refuse("a: \"x\\0y\"\n", "job.yaml:1: a text has a NUL");
    refuse("\"x\\0y\": 1\n", "job.yaml:1: a text has a NUL");
}

/* "level" times `open`, one inner value, and as many `close`. */
static char *nested(size_t levels, const char *open, const char *close)
{
    struct buf text;
    buf_init(&text, 1 << 24);
    for (size_t i = 0; i < levels; i++) buf_append_text(&text, open, NULL);
    buf_append_text(&text, "1", NULL);
    for (size_t i = 0; i < levels; i++) buf_append_text(&text, close, NULL);
    return buf_take_text(&text);
}

static void text_deeper_than_32_levels_is_refused(void)
{
    char *least = nested(31, "[", "]"), *deep = nested(32, "[", "]"), *bomb = nested(300000, "[", "]");
    char *maps = nested(100000, "{a: ", "}");
    doc_free(parse(least));
    refuse(deep, "nested deeper than 32");
    refuse(bomb, "nested deeper than 32");
    refuse(maps, "nested deeper than 32");
    free(least);
    free(deep);
    free(bomb);
    free(maps);
}

static void more_keys_or_parts_than_the_limits_are_too_large(void)
{
    struct buf text;
    buf_init(&text, 1 << 24);
    for (int i = 0; i <= DOC_MAX_KEYS; i++) buf_printf(&text, NULL, "k%d: 1\n", i);
    refuse_bytes(buf_text(&text), text.size, ANB_TOO_LARGE, "job.yaml:4097: more than 4096 keys");
    buf_clear(&text);
    for (int i = 0; i <= DOC_MAX_NODES; i++) buf_append_text(&text, "-\n", NULL);
    refuse_bytes(buf_text(&text), text.size, ANB_TOO_LARGE, "more than 200000 parts");
    buf_fini(&text);
}

static enum doc_kind kind_of(const char *scalar)
{
    char text[100];
    snprintf(text, sizeof text, "v: %s\n", scalar);
    struct doc *doc = parse(text);
    enum doc_kind kind = doc_kind(doc_get(doc, "v"));
    doc_free(doc);
    return kind;
}

static void plain_scalars_are_what_people_mean(void)
{
    static const struct {
        const char *text;
        enum doc_kind kind;
    } scalars[] = {
        {"", DOC_NULL},
        {"~", DOC_NULL},
        {"null", DOC_NULL},
        {"true", DOC_BOOL},
        {"False", DOC_BOOL},
        {"yes", DOC_TEXT},
        {"no", DOC_TEXT},
        {"0", DOC_INT},
        {"-12", DOC_INT},
        {"+3", DOC_INT},
        {"012", DOC_INT},
        {"0.5", DOC_REAL},
        {"1e-3", DOC_REAL},
        {".5", DOC_REAL},
        {"1e999", DOC_TEXT},
        {".inf", DOC_TEXT},
        {"nan", DOC_TEXT},
        {"infinity", DOC_TEXT},
        {"0x10", DOC_TEXT},
        {"1_000", DOC_TEXT},
        {"1-2", DOC_TEXT},
        {"2026-11-24", DOC_TEXT},
        {"12 a", DOC_TEXT},
        {"\"12\"", DOC_TEXT},
        {"'true'", DOC_TEXT},
        {"\"\"", DOC_TEXT},
        {"''", DOC_TEXT},
        {"1e5", DOC_REAL},
        {"12:30", DOC_TEXT},
        {"1.2.3", DOC_TEXT},
        {"+.e-", DOC_TEXT},
        {"9223372036854775807", DOC_INT},
        {"9223372036854775808", DOC_REAL},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        CHECK_EQUAL(kind_of(scalars[i].text), scalars[i].kind);
        if (kind_of(scalars[i].text) != scalars[i].kind) printf("%s\n", scalars[i].text);
    }
}

static void every_part_knows_its_line(void)
{
    struct doc *doc = parse("# a job\nname: x\nsites:\n  - a\n  - b\nlimits:\n\n  gpu: 1\n");
    CHECK_EQUAL(doc_line(doc), 2);
    CHECK_EQUAL(doc_key_line_at(doc, 1), 3);
    CHECK_EQUAL(doc_line(doc_at(doc_get(doc, "sites"), 1)), 5);
    CHECK_EQUAL(doc_line(doc_get(doc_get(doc, "limits"), "gpu")), 8);
    CHECK_TEXT(doc_key_at(doc, 0), "name");
    doc_free(doc);
}

static void blocks_and_quotes_are_texts(void)
{
    struct doc *doc = parse("a: |\n  one\n  two\nb: >\n  one\n  two\nc: \"t\\tab\"\n? d\n: e\n");
    CHECK_TEXT(doc_text(doc_get(doc, "a"), ""), "one\ntwo\n");
    CHECK_TEXT(doc_text(doc_get(doc, "b"), ""), "one two\n");
    CHECK_TEXT(doc_text(doc_get(doc, "c"), ""), "t\tab");
    CHECK_TEXT(doc_text(doc_get(doc, "d"), ""), "e");
    doc_free(doc);
}

static void json_is_yaml_and_keeps_its_lines(void)
{
    struct doc *doc = parse("{\n  \"name\": \"x\",\n  \"rounds\": 5,\n  \"list\": [true, null]\n}\n");
    CHECK_TEXT(doc_text(doc_get(doc, "name"), ""), "x");
    CHECK_EQUAL(doc_int(doc_get(doc, "rounds"), 0), 5);
    CHECK_EQUAL(doc_line(doc_get(doc, "rounds")), 3);
    CHECK_EQUAL(doc_kind(doc_at(doc_get(doc, "list"), 1)), DOC_NULL);
    doc_free(doc);
}

TEST_MAIN("doc_yaml", TEST(empty_text_and_second_document_are_refused), TEST(broken_yaml_is_refused_with_its_line),
          TEST(aliases_tags_directives_and_duplicate_keys_are_refused), TEST(text_deeper_than_32_levels_is_refused),
          TEST(more_keys_or_parts_than_the_limits_are_too_large), TEST(plain_scalars_are_what_people_mean),
          TEST(every_part_knows_its_line), TEST(blocks_and_quotes_are_texts), TEST(json_is_yaml_and_keeps_its_lines))
