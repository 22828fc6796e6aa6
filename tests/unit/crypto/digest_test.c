/* SHA-256 against the examples of NIST (FIPS 180-4: SHA256.pdf and the byte-oriented test vectors). */
#include "crypto/digest.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *message;
    const char *digest;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};
static const char million_a[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void check(const struct digest *digest, const char *expected)
{
    char text[DIGEST_TEXT_BYTES];
    CHECK_TEXT(digest_text(digest, text), expected);
}

static void bytes_at_once_have_nist_s_digests(void)
{
    struct digest digest;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        CHECK_STATUS(digest_of(slice_of_text(vectors[i].message), &digest, &test_error), ANB_OK);
        check(&digest, vectors[i].digest);
    }
    CHECK_STATUS(digest_of(slice_of(NULL, 0), &digest, &test_error), ANB_OK);
    check(&digest, vectors[0].digest);
}

static void bytes_in_pieces_of_any_size_have_the_same_digest(void)
{
    char *message = malloc(1000000);
    REQUIRE(message != NULL);
    memset(message, 'a', 1000000);
    for (size_t piece = 1; piece < 100000; piece = piece * 7 + 1) {
        struct digest digest;
        struct digest_context *context = digest_new();
        REQUIRE(context != NULL);
        for (size_t at = 0; at < 1000000; at += piece)
            digest_update(context, slice_of(message + at, at + piece <= 1000000 ? piece : 1000000 - at));
        CHECK_STATUS(digest_finish(context, &digest, &test_error), ANB_OK);
        check(&digest, million_a);
        digest_free(context);
    }
    free(message);
}

static void running_digest_goes_on_after_it_was_asked(void)
{
    struct digest digest;
    struct digest_context *context = digest_new();
    REQUIRE(context != NULL);
    CHECK_STATUS(digest_finish(context, &digest, &test_error), ANB_OK);
    check(&digest, vectors[0].digest);
    digest_update(context, slice_of_text("ab"));
    CHECK_STATUS(digest_finish(context, &digest, &test_error), ANB_OK);
    digest_update(context, slice_of(NULL, 0));
    digest_update(context, slice_of_text("c"));
    CHECK_STATUS(digest_finish(context, &digest, &test_error), ANB_OK);
    check(&digest, vectors[1].digest);
    CHECK_STATUS(digest_finish(context, &digest, &test_error), ANB_OK);
    check(&digest, vectors[1].digest);
    digest_free(context);
    digest_free(NULL);
}

static void digests_differ_when_one_bit_differs(void)
{
    struct digest a, b;
    CHECK_STATUS(digest_of(slice_of_text("abc"), &a, &test_error), ANB_OK);
    b = a;
    CHECK(digest_equal(&a, &b));
    b.bytes[31] ^= 1;
    CHECK(!digest_equal(&a, &b));
}

TEST_MAIN("digest", TEST(bytes_at_once_have_nist_s_digests), TEST(bytes_in_pieces_of_any_size_have_the_same_digest),
          TEST(running_digest_goes_on_after_it_was_asked), TEST(digests_differ_when_one_bit_differs))
