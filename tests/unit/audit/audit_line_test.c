/* A line has one form, and every other spelling of it is none. */
#include "audit/line.h"

#include "support/test.h"

#include <string.h>

static struct audit_line make_line(const char *detail)
{
    struct audit_line line = {.sequence = 7, .time = "2026-11-24T11:21:20.123Z"};
    audit_line_fill(&line, &(struct audit_event){.what = AUDIT_JOB_SUBMITTED, .who = "user anna", .detail = detail},
                    "site-1");
    return line;
}

static void read_back(const struct audit_line *line)
{
    struct buf text;
    struct audit_line again;
    struct digest written, read;
    buf_init(&text, AUDIT_LINE_MAX_BYTES);
    CHECK_STATUS(audit_line_write(line, &text, &written, &test_error), ANB_OK);
    REQUIRE(text.size > 0 && text.data[text.size - 1] == '\n');
    CHECK(!memchr(text.data, '\n', text.size - 1));
    CHECK_STATUS(audit_line_read(slice_of(text.data, text.size - 1), &again, &read, &test_error), ANB_OK);
    CHECK(digest_equal(&written, &read));
    CHECK_TEXT(again.detail, line->detail);
    CHECK_EQUAL(again.sequence, line->sequence);
    buf_fini(&text);
}

static void any_text_fits_into_a_line_and_comes_back(void)
{
    char long_text[3 * AUDIT_DETAIL_BYTES], controls[32];
    for (size_t i = 0; i < 31; i++) controls[i] = (char)(i + 1);
    controls[31] = 0;
    memset(long_text, '\x01', sizeof long_text); /* six bytes each in JSON */
    long_text[sizeof long_text - 1] = 0;
    const char *const texts[] = {"",
                                 "plain",
                                 "\"quoted\" \\ and\ttab",
                                 "zwölf Fälle \xe2\x82\xac",
                                 "\xff\xfe no UTF-8",
                                 "line\nbreak",
                                 "\x7f",
                                 controls,
                                 long_text};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct audit_line line = make_line(texts[i]);
        read_back(&line);
    }
}

static void long_texts_are_cut_at_a_character_and_marked(void)
{
    char text[AUDIT_DETAIL_BYTES + 64];
    memset(text, 'a', sizeof text);
    memcpy(text + AUDIT_DETAIL_BYTES - 1, "\xe2\x82\xac", 3); /* one byte of three would fit */
    text[sizeof text - 1] = 0;
    struct audit_line line = make_line(text);
    CHECK_EQUAL(strlen(line.detail), AUDIT_DETAIL_BYTES - 1 + strlen(" ..."));
    CHECK_TEXT(line.detail + AUDIT_DETAIL_BYTES - 1, " ...");
}

static void the_form_of_a_line_is_fixed(void)
{
    struct audit_line line = make_line("a \"b\"\n");
    struct buf text;
    struct digest digest;
    buf_init(&text, AUDIT_LINE_MAX_BYTES);
    CHECK_STATUS(audit_line_write(&line, &text, &digest, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&text),
               "{\"seq\":7,\"time\":\"2026-11-24T11:21:20.123Z\",\"who\":\"user anna\",\"what\":\"job-submitted\","
               "\"on\":\"\",\"outcome\":\"ok\",\"detail\":\"a \\\"b\\\"\\u000a\",\"previous\":"
               "\"0000000000000000000000000000000000000000000000000000000000000000\"}\n");
    buf_fini(&text);
}

static void other_spellings_are_refused(void)
{
#define TIME "\"time\":\"t\","
#define REST "\"what\":\"x\",\"on\":\"\",\"outcome\":\"ok\",\"detail\":\"\","
#define PREVIOUS "\"previous\":\"0000000000000000000000000000000000000000000000000000000000000000"
    static const char *const forms[] = {
        "{\"seq\":7," TIME "\"who\":\"w\"," REST PREVIOUS "\"}", /* the one that is right */
        "{ \"seq\":7," TIME "\"who\":\"w\"," REST PREVIOUS "\"}",
        "{" TIME "\"seq\":7,\"who\":\"w\"," REST PREVIOUS "\"}",
        "{\"seq\":7,\"seq\":7," TIME "\"who\":\"w\"," REST PREVIOUS "\"}",
        "{\"seq\":7," TIME "\"who\":\"\\u0077\"," REST PREVIOUS "\"}",
        "{\"seq\":7," TIME "\"who\":\"w\"," REST "\"more\":1," PREVIOUS "\"}",
        "{\"seq\":0," TIME "\"who\":\"w\"," REST PREVIOUS "\"}",
        "{\"seq\":7," TIME REST PREVIOUS "\"}",
        "{\"seq\":7," TIME "\"who\":\"w\"," REST PREVIOUS "ff\"}",
        "[" PREVIOUS "\"]",
        "",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct audit_line line;
        struct digest digest;
        CHECK_STATUS(audit_line_read(slice_of_text(forms[i]), &line, &digest, &test_error),
                     i == 0 ? ANB_OK : ANB_CORRUPT);
    }
}

static void every_changed_byte_changes_the_digest_or_is_no_line(void)
{
    struct audit_line line = make_line("round 3, 1024 bytes");
    struct buf text;
    struct digest digest, other;
    buf_init(&text, AUDIT_LINE_MAX_BYTES);
    CHECK_STATUS(audit_line_write(&line, &text, &digest, &test_error), ANB_OK);
    for (size_t i = 0; i + 1 < text.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct audit_line again;
            text.data[i] ^= (unsigned char)(1 << bit);
            enum anb_status status = audit_line_read(slice_of(text.data, text.size - 1), &again, &other, NULL);
            CHECK(status == ANB_CORRUPT || (status == ANB_OK && !digest_equal(&digest, &other)));
            text.data[i] ^= (unsigned char)(1 << bit);
        }
    }
    buf_fini(&text);
}

TEST_MAIN("audit_line", TEST(other_spellings_are_refused), TEST(every_changed_byte_changes_the_digest_or_is_no_line),
          TEST(the_form_of_a_line_is_fixed), TEST(long_texts_are_cut_at_a_character_and_marked),
          TEST(any_text_fits_into_a_line_and_comes_back))
