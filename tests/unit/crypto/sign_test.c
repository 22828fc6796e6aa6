/* Signatures: whatever is changed, they do not fit; what OpenSSL's own way signs, is verified. */
#include "crypto/sign.h"

#include "base/id.h"
#include "support/test.h"

#include <string.h>

static struct key *make(void)
{
    struct key *key = NULL;
    CHECK_STATUS(key_make(&key, &test_error), ANB_OK);
    REQUIRE(key != NULL);
    return key;
}

static const char text[] = "the text that is signed";

static void whatever_bit_is_changed_the_signature_does_not_fit(void)
{
    struct key *key = make();
    struct signature signature, changed;
    char bytes[sizeof text];
    CHECK_STATUS(sign_bytes(key, "test", slice_of_text(text), &signature, &test_error), ANB_OK);
    for (int bit = 0; bit < SIGNATURE_BYTES * 8; bit++) {
        changed = signature;
        changed.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        CHECK_STATUS(sign_verify(key, "test", slice_of_text(text), &changed, &test_error), ANB_DENIED);
    }
    for (size_t bit = 0; bit < strlen(text) * 8; bit++) {
        memcpy(bytes, text, sizeof text);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        CHECK_STATUS(sign_verify(key, "test", slice_of(bytes, strlen(text)), &signature, &test_error), ANB_DENIED);
    }
    CHECK_STATUS(sign_verify(key, "test", slice_of(text, strlen(text) - 1), &signature, &test_error), ANB_DENIED);
    key_free(key);
}

static void signature_for_another_purpose_does_not_fit(void)
{
    struct key *key = make();
    struct signature signature;
    CHECK_STATUS(sign_bytes(key, "roster", slice_of_text(text), &signature, &test_error), ANB_OK);
    CHECK_STATUS(sign_verify(key, "stream", slice_of_text(text), &signature, &test_error), ANB_DENIED);
    CHECK_STATUS(sign_verify(key, "", slice_of_text(text), &signature, &test_error), ANB_DENIED);
    /* the border between purpose and text cannot be moved */
    CHECK_STATUS(sign_verify(key, "ros", slice_of_text("terthe text that is signed"), &signature, &test_error),
                 ANB_DENIED);
    key_free(key);
}

static void signature_of_another_key_does_not_fit(void)
{
    struct key *key = make(), *other = make();
    struct signature signature;
    CHECK_STATUS(sign_bytes(other, "test", slice_of_text(text), &signature, &test_error), ANB_OK);
    CHECK_STATUS(sign_verify(key, "test", slice_of_text(text), &signature, &test_error), ANB_DENIED);
    key_free(key);
    key_free(other);
}

static void numbers_out_of_range_do_not_fit(void)
{
    struct key *key = make();
    struct signature signature = {{0}};
    CHECK_STATUS(sign_verify(key, "test", slice_of_text(text), &signature, &test_error), ANB_DENIED);
    memset(&signature, 0xff, sizeof signature);
    CHECK_STATUS(sign_verify(key, "test", slice_of_text(text), &signature, &test_error), ANB_DENIED);
    key_free(key);
}

static void a_public_half_verifies_and_does_not_sign(void)
{
    struct key *key = make(), *public_half = NULL;
    struct key_point point;
    struct signature signature;
    CHECK_STATUS(key_point(key, &point, &test_error), ANB_OK);
    CHECK_STATUS(key_of_point(&point, &public_half, &test_error), ANB_OK);
    CHECK_STATUS(sign_bytes(public_half, "test", slice_of_text(text), &signature, &test_error), ANB_FATAL);
    for (int i = 0; i < 300; i++) { /* often enough that a number begins with zero bytes */
        CHECK_STATUS(sign_bytes(key, "test", slice_of(&i, sizeof i), &signature, &test_error), ANB_OK);
        CHECK_STATUS(sign_verify(public_half, "test", slice_of(&i, sizeof i), &signature, &test_error), ANB_OK);
    }
    CHECK_STATUS(sign_bytes(key, "test", slice_of(NULL, 0), &signature, &test_error), ANB_OK);
    CHECK_STATUS(sign_verify(public_half, "test", slice_of(NULL, 0), &signature, &test_error), ANB_OK);
    key_free(public_half);
    key_free(key);
}

/* printf 'roster\0sample' | openssl dgst -sha256 -sign KEY, its r and s in hexadecimal; the key is an RFC 9180 test
 * vector's. */
static void signature_of_another_program_is_verified(void)
{
    static const char point_hex[] =
        "04abc7e49a4c6b3566d77d0304addc6ed0e98512ffccf505e6a8e3eb25c685136f853148544876de76c0"
        "f2ef99cdc3a05ccf5ded7860c7c021238f9e2073d2356c";
    static const char signature_hex[] = "2381ea468ca26f3e064aadc0e5d61a2df83b371312523ed0ce1f22c2c12db566"
                                        "fd250ea7be5e309c04bfceffd46c214c4d198e05f260ac51253cb808abcd0abc";
    struct key_point point;
    struct signature signature;
    struct key *key = NULL;
    REQUIRE(hex_decode(point_hex, point.bytes, sizeof point.bytes));
    REQUIRE(hex_decode(signature_hex, signature.bytes, sizeof signature.bytes));
    CHECK_STATUS(key_of_point(&point, &key, &test_error), ANB_OK);
    CHECK_STATUS(sign_verify(key, "roster", slice_of_text("sample"), &signature, &test_error), ANB_OK);
    key_free(key);
}

TEST_MAIN("sign", TEST(whatever_bit_is_changed_the_signature_does_not_fit),
          TEST(signature_for_another_purpose_does_not_fit), TEST(signature_of_another_key_does_not_fit),
          TEST(numbers_out_of_range_do_not_fit), TEST(a_public_half_verifies_and_does_not_sign),
          TEST(signature_of_another_program_is_verified))
