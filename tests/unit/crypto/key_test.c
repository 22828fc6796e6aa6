/* Keys: what is no key of ours is refused; what was written is read again, with its passphrase only. */
#include "base/id.h"
#include "crypto/key.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

/* openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 */
static const char p384[] = "-----BEGIN PRIVATE KEY-----\n"
                           "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAMtXdE7/MfzIGqZ3HT\n"
                           "Sm23xJOgQ+/WE/Z74KisIi1hDyDD45r0H2CMiaHzngiN0AGhZANiAASU8kD47Dsv\n"
                           "EYcc/UipCdiHEU7Oxy9b94uLBIkXv1GxwHkYvPpZGJTaaZbl/xfQd1qTOBT2wuD8\n"
                           "AK3ogLr4BzO5GTfBADeUgMFw1Z15qV9yJHC+Qod7pJ3+euZURqqquQk=\n"
                           "-----END PRIVATE KEY-----\n";
/* openssl pkcs8 -topk8 -v2 aes-128-cbc -passout pass:secret, of an RFC 9180 test vector's key (skRm of its suite
 * DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM) */
static const char foreign[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                              "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiimB7ZpHntqgICCAAw\n"
                              "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEBEh5uIaR/gwdtfu9Tj/tCEEgZAQ\n"
                              "SdDWkc8IQfbHU8FolfR2qlXmTa9Rw6GSa/+xSiLjUfcULqrh61pq/tiV/Fkt17zm\n"
                              "6Ie3C2N5AbUF2JqlX7S88+uAq71TQOpemLsoBX13DMxW2ARDkdJWRmkKdLB4VN5f\n"
                              "3Tk0BAcbQBKgBBKctzGMujEDV/GMmJb1DrnMEE+7DDz1bFBBt7oLmgmuQT0vbqU=\n"
                              "-----END ENCRYPTED PRIVATE KEY-----\n";
static const char foreign_point[] =
    "04abc7e49a4c6b3566d77d0304addc6ed0e98512ffccf505e6a8e3eb25c685136f853148544876de76c0f2ef99cdc3a05ccf5ded7860c7c021"
    "238f9e2073d2356c";

static struct key *make(void)
{
    struct key *key = NULL;
    CHECK_STATUS(key_make(&key, &test_error), ANB_OK);
    REQUIRE(key != NULL);
    return key;
}

static struct key_point point_of(const struct key *key)
{
    struct key_point point = {{0}};
    CHECK_STATUS(key_point(key, &point, &test_error), ANB_OK);
    return point;
}

static enum anb_status read(const char *pem, const char *passphrase)
{
    struct key *key = NULL;
    enum anb_status status = key_read_pem(slice_of_text(pem), "k.pem", passphrase, &key, &test_error);
    CHECK((key != NULL) == (status == ANB_OK));
    key_free(key);
    return status;
}

static void texts_without_a_key_are_refused(void)
{
    CHECK_STATUS(read("", NULL), ANB_CORRUPT);
    CHECK_STATUS(read("hello", NULL), ANB_CORRUPT);
    CHECK_STATUS(read("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n", NULL), ANB_CORRUPT);
    CHECK(strstr(test_error.text, "k.pem") != NULL);
    char *large = calloc(1, KEY_FILE_MAX_BYTES + 2);
    REQUIRE(large != NULL);
    memset(large, 'a', KEY_FILE_MAX_BYTES + 1);
    CHECK_STATUS(read(large, NULL), ANB_TOO_LARGE);
    free(large);
}

static void keys_on_other_curves_are_refused(void)
{
    CHECK_STATUS(read(p384, NULL), ANB_INVALID);
}

static void points_off_the_curve_are_refused(void)
{
    struct key *key = make(), *public_half = NULL;
    struct key_point point = point_of(key);
    point.bytes[40] ^= 1;
    CHECK_STATUS(key_of_point(&point, &public_half, &test_error), ANB_INVALID);
    memset(&point, 0, sizeof point);
    CHECK_STATUS(key_of_point(&point, &public_half, &test_error), ANB_INVALID);
    point.bytes[0] = 4; /* the point 0, 0 */
    CHECK_STATUS(key_of_point(&point, &public_half, &test_error), ANB_INVALID);
    CHECK(public_half == NULL);
    key_free(key);
}

static void a_public_half_has_no_private_key_to_write(void)
{
    struct key *key = make(), *public_half = NULL;
    struct key_point point = point_of(key), again;
    struct buf out;
    buf_init(&out, KEY_FILE_MAX_BYTES);
    CHECK_STATUS(key_of_point(&point, &public_half, &test_error), ANB_OK);
    REQUIRE(public_half != NULL);
    again = point_of(public_half);
    CHECK(memcmp(&point, &again, sizeof point) == 0);
    CHECK_STATUS(key_write_pem(public_half, NULL, &out, &test_error), ANB_INVALID);
    CHECK_EQUAL(out.size, 0);
    buf_fini(&out);
    key_free(public_half);
    key_free(key);
}

static void an_encrypted_key_needs_its_passphrase(void)
{
    struct key *key = make(), *again = NULL;
    struct key_point point = point_of(key), found;
    struct buf pem;
    buf_init(&pem, KEY_FILE_MAX_BYTES);
    CHECK_STATUS(key_write_pem(key, "correct horse", &pem, &test_error), ANB_OK);
    CHECK(strstr(buf_text(&pem), "BEGIN ENCRYPTED PRIVATE KEY") != NULL);
    CHECK_STATUS(read(buf_text(&pem), NULL), ANB_DENIED);
    CHECK_STATUS(read(buf_text(&pem), "correct horsf"), ANB_DENIED);
    CHECK_STATUS(read(buf_text(&pem), ""), ANB_DENIED);
    CHECK_STATUS(key_read_pem(buf_slice(&pem), "k.pem", "correct horse", &again, &test_error), ANB_OK);
    REQUIRE(again != NULL);
    found = point_of(again);
    CHECK(memcmp(&point, &found, sizeof point) == 0);
    key_free(again);
    key_free(key);
    key_fini_buf(&pem);
}

static void a_key_in_the_clear_comes_back_and_needs_no_passphrase(void)
{
    struct key *key = make(), *again = NULL;
    struct key_point point = point_of(key), found;
    struct buf pem;
    buf_init(&pem, KEY_FILE_MAX_BYTES);
    CHECK_STATUS(key_write_pem(key, NULL, &pem, &test_error), ANB_OK);
    CHECK(strncmp(buf_text(&pem), "-----BEGIN PRIVATE KEY-----", 27) == 0);
    CHECK_STATUS(read(buf_text(&pem), "not asked for"), ANB_OK);
    CHECK_STATUS(key_read_pem(buf_slice(&pem), "k.pem", NULL, &again, &test_error), ANB_OK);
    REQUIRE(again != NULL);
    found = point_of(again);
    CHECK(memcmp(&point, &found, sizeof point) == 0);
    key_free(again);
    key_free(key);
    key_fini_buf(&pem);
}

static void a_key_that_another_program_encrypted_is_read(void)
{
    struct key *key = NULL;
    struct key_point expected, found;
    CHECK_STATUS(key_read_pem(slice_of_text(foreign), "k.pem", "secret", &key, &test_error), ANB_OK);
    REQUIRE(key != NULL && hex_decode(foreign_point, expected.bytes, sizeof expected.bytes));
    found = point_of(key);
    CHECK(memcmp(&expected, &found, sizeof found) == 0);
    key_free(key);
}

static void two_keys_are_never_the_same(void)
{
    struct key *a = make(), *b = make();
    struct key_point first = point_of(a), second = point_of(b);
    CHECK(memcmp(&first, &second, sizeof first) != 0);
    key_free(a);
    key_free(b);
    key_free(NULL);
}

static void wiped_bytes_are_zero(void)
{
    unsigned char bytes[3] = {1, 2, 3};
    key_wipe(bytes, sizeof bytes);
    CHECK(bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0);
    key_wipe(NULL, 0);
}

TEST_MAIN("key", TEST(texts_without_a_key_are_refused), TEST(keys_on_other_curves_are_refused),
          TEST(points_off_the_curve_are_refused), TEST(a_public_half_has_no_private_key_to_write),
          TEST(an_encrypted_key_needs_its_passphrase), TEST(a_key_in_the_clear_comes_back_and_needs_no_passphrase),
          TEST(a_key_that_another_program_encrypted_is_read), TEST(two_keys_are_never_the_same),
          TEST(wiped_bytes_are_zero))
