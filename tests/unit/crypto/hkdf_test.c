/* HKDF with SHA-256 against the test cases of RFC 5869, appendix A. */
#include "crypto/hkdf.h"

#include "base/id.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *secret, *salt, *info, *extracted, *derived;
} vectors[] = {{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
                "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
               {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132"
                "333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
                "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192"
                "939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
                "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2"
                "e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275"
                "600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
               {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
                "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"}};

static struct slice decode(const char *text, unsigned char out[128])
{
    size_t size = strlen(text) / 2;
    REQUIRE(size <= 128 && hex_decode(text, out, size));
    return slice_of(out, size);
}

static void sizes_out_of_range_are_refused(void)
{
    unsigned char extracted[HKDF_BYTES] = {0}, out[1];
    struct hkdf *hkdf = hkdf_new();
    REQUIRE(hkdf != NULL);
    CHECK_STATUS(hkdf_expand(hkdf, extracted, slice_of(NULL, 0), out, 0, &test_error), ANB_INVALID);
    CHECK_STATUS(hkdf_expand(hkdf, extracted, slice_of(NULL, 0), out, HKDF_MAX_BYTES + 1, &test_error), ANB_INVALID);
    hkdf_free(hkdf);
    hkdf_free(NULL);
}

static void keys_are_those_of_the_rfc(void)
{
    struct hkdf *hkdf = hkdf_new();
    REQUIRE(hkdf != NULL);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        unsigned char secret[128], salt[128], info[128], extracted[128], derived[128], out[128];
        struct slice expected = decode(vectors[i].extracted, extracted);
        CHECK_STATUS(
            hkdf_extract(hkdf, decode(vectors[i].salt, salt), decode(vectors[i].secret, secret), out, &test_error),
            ANB_OK);
        CHECK(slice_equal(slice_of(out, HKDF_BYTES), expected));
        expected = decode(vectors[i].derived, derived);
        CHECK_STATUS(hkdf_expand(hkdf, extracted, decode(vectors[i].info, info), out, expected.size, &test_error),
                     ANB_OK);
        CHECK(slice_equal(slice_of(out, expected.size), expected));
    }
    hkdf_free(hkdf);
}

static void a_longer_key_begins_with_the_shorter_one(void)
{
    unsigned char extracted[HKDF_BYTES] = {1}, part[HKDF_MAX_BYTES];
    unsigned char *whole = malloc(HKDF_MAX_BYTES);
    struct hkdf *hkdf = hkdf_new();
    REQUIRE(hkdf && whole);
    CHECK_STATUS(hkdf_expand(hkdf, extracted, slice_of_text("x"), whole, HKDF_MAX_BYTES, &test_error), ANB_OK);
    for (size_t size = 1; size < HKDF_MAX_BYTES; size += 997) {
        CHECK_STATUS(hkdf_expand(hkdf, extracted, slice_of_text("x"), part, size, &test_error), ANB_OK);
        CHECK(memcmp(part, whole, size) == 0);
    }
    CHECK_STATUS(hkdf_expand(hkdf, extracted, slice_of_text("y"), part, 64, &test_error), ANB_OK);
    CHECK(memcmp(part, whole, 64) != 0);
    hkdf_free(hkdf);
    free(whole);
}

TEST_MAIN("hkdf", TEST(sizes_out_of_range_are_refused), TEST(keys_are_those_of_the_rfc),
          TEST(a_longer_key_begins_with_the_shorter_one))
