/* The test vectors of RFC 4648, section 10, and what is near to base64 but is none. */
#include "crypto/base64.h"

#include "support/test.h"

#include <string.h>

static const struct {
    const char *bytes, *text;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"}};

static void what_is_no_base64_is_refused(void)
{
    static const char *const texts[] = {"Zg",    "Zg=",    "Zg===",        "Zh==", "Zm9=", "=m9v", "Zm 9",
                                        " Zg==", "Zg==\n", "Zm9v\n\n\n\n", "Z=9v", "====", "Zm9-", "Zm9v===="};
    struct buf out;
    buf_init(&out, 64);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK_STATUS(base64_decode(slice_of_text(texts[i]), &out, &test_error), ANB_CORRUPT);
        CHECK_EQUAL(out.size, 0);
    }
    CHECK_STATUS(base64_decode(slice_of("Zm\0v", 4), &out, &test_error), ANB_CORRUPT);
    buf_fini(&out);
}

static void bytes_become_the_text_of_the_rfc_and_come_back(void)
{
    struct buf out;
    buf_init(&out, 64);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        buf_clear(&out);
        CHECK_STATUS(base64_encode(slice_of_text(vectors[i].bytes), &out, &test_error), ANB_OK);
        CHECK(slice_equal(buf_slice(&out), slice_of_text(vectors[i].text)));
        buf_clear(&out);
        CHECK_STATUS(base64_decode(slice_of_text(vectors[i].text), &out, &test_error), ANB_OK);
        CHECK(slice_equal(buf_slice(&out), slice_of_text(vectors[i].bytes)));
    }
    buf_fini(&out);
}

static void all_byte_values_come_back_behind_what_was_there(void)
{
    unsigned char bytes[256];
    struct buf text, out;
    buf_init(&text, 1024);
    buf_init(&out, 1024);
    for (int i = 0; i < 256; i++) bytes[i] = (unsigned char)i;
    CHECK_STATUS(buf_append_text(&out, "before", &test_error), ANB_OK);
    CHECK_STATUS(base64_encode(slice_of(bytes, sizeof bytes), &text, &test_error), ANB_OK);
    CHECK_STATUS(base64_decode(buf_slice(&text), &out, &test_error), ANB_OK);
    REQUIRE(out.size == 6 + sizeof bytes);
    CHECK(memcmp(out.data, "before", 6) == 0 && memcmp(out.data + 6, bytes, sizeof bytes) == 0);
    buf_fini(&text);
    buf_fini(&out);
}

static void a_full_buffer_is_told(void)
{
    struct buf out;
    buf_init(&out, 7);
    CHECK_STATUS(base64_encode(slice_of_text("foob"), &out, &test_error), ANB_TOO_LARGE);
    CHECK_STATUS(base64_decode(slice_of_text("Zm9vYmFyZm9v"), &out, &test_error), ANB_TOO_LARGE);
    buf_fini(&out);
}

TEST_MAIN("base64", TEST(what_is_no_base64_is_refused), TEST(bytes_become_the_text_of_the_rfc_and_come_back),
          TEST(all_byte_values_come_back_behind_what_was_there), TEST(a_full_buffer_is_told))
