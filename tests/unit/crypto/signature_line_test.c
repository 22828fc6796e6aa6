/* The line that ends a signed text. */
#include "crypto/sign.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static void refused(struct slice text, const char *words)
{
    struct slice body;
    struct signature signature;
    CHECK_STATUS(signature_split(text, "a thing", &body, &signature, &test_error), ANB_CORRUPT);
    CHECK(strstr(test_error.text, words) != NULL);
}

static char *signed_text(const struct signature *signature)
{
    struct buf text;
    buf_init(&text, 4096);
    CHECK_STATUS(buf_append_text(&text, "what it says\n", &test_error), ANB_OK);
    CHECK_STATUS(signature_append_line(signature, &text, &test_error), ANB_OK);
    return buf_take_text(&text);
}

static void texts_whose_last_line_is_no_signature_are_refused(void)
{
    const struct signature signature = {{1, 2, 3}};
    char *text = signed_text(&signature);
    size_t size = strlen(text);
    refused(slice_of(text, 0), "not a thing: too short");
    refused(slice_of(text, size - 1), "its last line is no signature");
    refused(slice_of(text + size - SIGNATURE_LINE_BYTES, SIGNATURE_LINE_BYTES), "too short");
    text[size - SIGNATURE_LINE_BYTES] = 'S';
    refused(slice_of(text, size), "its last line is no signature");
    text[size - SIGNATURE_LINE_BYTES] = 's';
    text[size - 20] = '!';
    refused(slice_of(text, size), "base64");
    free(text);
}

static void what_was_appended_is_split_off(void)
{
    const struct signature signature = {{1, 2, 3}};
    struct signature found;
    struct slice body;
    char *text = signed_text(&signature);
    CHECK_STATUS(signature_split(slice_of_text(text), "a thing", &body, &found, &test_error), ANB_OK);
    CHECK(slice_equal(body, slice_of_text("what it says\n")));
    CHECK(memcmp(found.bytes, signature.bytes, SIGNATURE_BYTES) == 0);
    free(text);
}

TEST_MAIN("signature line", TEST(texts_whose_last_line_is_no_signature_are_refused),
          TEST(what_was_appended_is_split_off))
