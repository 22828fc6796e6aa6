/* Random bytes by their place: against another program's AES-256-CTR, in pieces, and from two keys. */
#include "crypto/keystream.h"

#include "base/id.h"
#include "support/test.h"

#include <string.h>

static struct keystream *open_stream(const char *key_hex)
{
    unsigned char key[KEYSTREAM_KEY_BYTES];
    struct keystream *keystream = NULL;
    REQUIRE(hex_decode(key_hex, key, sizeof key));
    REQUIRE(keystream_new(key, &keystream, &test_error) == ANB_OK);
    return keystream;
}

static const char key_a[] = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
static const char key_b[] = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff5";

static void too_much_at_once_is_refused(void)
{
    unsigned char byte;
    struct keystream *keystream = open_stream(key_a);
    CHECK_STATUS(keystream_read(keystream, 0, &byte, (size_t)KEYSTREAM_MAX_BYTES + 1, &test_error), ANB_TOO_LARGE);
    CHECK_STATUS(keystream_read(keystream, 0, NULL, 0, &test_error), ANB_OK);
    keystream_free(keystream);
    keystream_free(NULL);
}

/* Made by `openssl enc -aes-256-ctr`, iv 0, on zeros. */
static void bytes_are_those_of_aes_in_counter_mode(void)
{
    unsigned char out[48], expected[48];
    struct keystream *keystream = open_stream("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    REQUIRE(
        hex_decode("f29000b62a499fd0a9f39a6add2e7780f05d76ae4ab99fe5a6f69b3148c2363d0ebcb5deb52c83bd08a8a935182c9199",
                   expected, sizeof expected));
    CHECK_STATUS(keystream_read(keystream, 0, out, sizeof out, &test_error), ANB_OK);
    CHECK(memcmp(out, expected, sizeof out) == 0);
    keystream_free(keystream);
}

static void pieces_in_any_order_give_the_same_bytes(void)
{
    unsigned char whole[1000], pieces[1000];
    struct keystream *keystream = open_stream(key_a);
    uint64_t start = ((uint64_t)1 << 36) - 100; /* the counter's low 32 bits carry over */
    CHECK_STATUS(keystream_read(keystream, start, whole, sizeof whole, &test_error), ANB_OK);
    for (size_t end = sizeof whole; end > 0;) {
        size_t n = end % 37 + 1 < end ? end % 37 + 1 : end;
        end -= n;
        CHECK_STATUS(keystream_read(keystream, start + end, pieces + end, n, &test_error), ANB_OK);
    }
    CHECK(memcmp(whole, pieces, sizeof whole) == 0);
    keystream_free(keystream);
}

static void another_key_gives_other_bytes(void)
{
    unsigned char a[32], b[32];
    struct keystream *one = open_stream(key_a), *two = open_stream(key_b);
    CHECK_STATUS(keystream_read(one, 0, a, sizeof a, &test_error), ANB_OK);
    CHECK_STATUS(keystream_read(two, 0, b, sizeof b, &test_error), ANB_OK);
    CHECK(memcmp(a, b, sizeof a) != 0);
    keystream_free(one);
    keystream_free(two);
}

static void random_bytes_differ(void)
{
    unsigned char a[32] = {0}, b[32] = {0};
    CHECK_STATUS(random_bytes(a, sizeof a, &test_error), ANB_OK);
    CHECK_STATUS(random_bytes(b, sizeof b, &test_error), ANB_OK);
    CHECK(memcmp(a, b, sizeof a) != 0);
}

TEST_MAIN("keystream", TEST(too_much_at_once_is_refused), TEST(bytes_are_those_of_aes_in_counter_mode),
          TEST(pieces_in_any_order_give_the_same_bytes), TEST(another_key_gives_other_bytes), TEST(random_bytes_differ))
