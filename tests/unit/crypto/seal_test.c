/* HPKE against the vector of this suite (RFC 9180's test-vectors.json: mode 0, kem 16, kdf 1, aead 2), and every change
 * of what was sealed. */
#include "crypto/seal_private.h"

#include "base/id.h"
#include "support/test.h"

#include <string.h>

/* skRm and skEm of the vector */
static const char receiver_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                   "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMX+RXbe8YpxI/nZV\n"
                                   "h4l+AeKC0+hEX3nyf2XQMaiAgrKhRANCAASrx+SaTGs1Ztd9AwSt3G7Q6YUS/8z1\n"
                                   "Beao4+slxoUTb4UxSFRIdt52wPLvmc3DoFzPXe14YMfAISOPniBz0jVs\n"
                                   "-----END PRIVATE KEY-----\n";
static const char ephemeral_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkDReOh0RbB3Tmudt\n"
                                    "lauFjBQiI6Y+RPj4UxjPqRqEhY6hRANCAATAa09r68e7SVy3l6t1P5Ea/4Cu+4b9\n"
                                    "i2/MNVJfOrXwPgshvTGobGBIrzyy2Y4NO/AdpcxMOf9TcNMxpPH31aTg\n"
                                    "-----END PRIVATE KEY-----\n";
static const char info_hex[] = "4f6465206f6e2061204772656369616e2055726e",
                  plain_hex[] = "4265617574792069732074727574682c20747275746820626561757479",
                  associated_hex[] = "436f756e742d30";
static const char sealed_hex[] =
    "04c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e0b21bd31a86c6048af3cb2d98e0d3bf01da5cc4c39ff5370"
    "d331a4f1f7d5a4e0"
    "58c61a45059d0c5704560e9d88b564a8b63f1364b8d1fcb3c4c6ddc1d291742465e902cd216f8908da49f8f96f";
static const char same_words[] = "sealed bytes cannot be opened with this key";

struct scene {
    struct sealer *sealer;
    struct key *key, *other;
};

static struct key *read_key(const char *pem)
{
    struct key *key = NULL;
    CHECK_STATUS(key_read_pem(slice_of_text(pem), "vector", NULL, &key, &test_error), ANB_OK);
    REQUIRE(key != NULL);
    return key;
}

static void open_scene(struct scene *scene)
{
    *scene = (struct scene){.sealer = sealer_new()};
    REQUIRE(scene->sealer != NULL);
    CHECK_STATUS(key_make(&scene->key, &test_error), ANB_OK);
    CHECK_STATUS(key_make(&scene->other, &test_error), ANB_OK);
}

static void close_scene(struct scene *scene)
{
    sealer_free(scene->sealer);
    key_free(scene->key);
    key_free(scene->other);
}

static struct slice decode(const char *text, unsigned char out[256])
{
    size_t size = strlen(text) / 2;
    REQUIRE(size <= 256 && hex_decode(text, out, size));
    return slice_of(out, size);
}

static void check_refused(const struct scene *scene, const struct key *key, const char *info, struct slice sealed)
{
    unsigned char out[256];
    CHECK_STATUS(seal_open(scene->sealer, key, slice_of_text(info), sealed, out, &test_error), ANB_DENIED);
    CHECK_TEXT(test_error.text, same_words);
}

static void whatever_does_not_fit_is_refused_in_the_same_words(void)
{
    struct scene scene;
    unsigned char sealed[32 + SEAL_OVERHEAD_BYTES], secret[32] = {7};
    struct key *public_half = NULL;
    struct key_point point;
    open_scene(&scene);
    CHECK_STATUS(seal_bytes(scene.sealer, scene.key, slice_of_text("here"), slice_of(secret, sizeof secret), sealed,
                            &test_error),
                 ANB_OK);
    const struct slice all = slice_of(sealed, sizeof sealed);
    check_refused(&scene, scene.other, "here", all);
    check_refused(&scene, scene.key, "there", all);
    check_refused(&scene, scene.key, "", all);
    CHECK_STATUS(key_point(scene.key, &point, &test_error), ANB_OK);
    CHECK_STATUS(key_of_point(&point, &public_half, &test_error), ANB_OK);
    check_refused(&scene, public_half, "here", all);
    for (size_t size = 0; size < sizeof sealed; size++)
        check_refused(&scene, scene.key, "here", slice_of(sealed, size));
    for (size_t bit = 0; bit < sizeof sealed * 8; bit++) {
        sealed[bit / 8] ^= (unsigned char)(1 << bit % 8);
        check_refused(&scene, scene.key, "here", all);
        sealed[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    key_free(public_half);
    close_scene(&scene);
}

static void too_many_bytes_are_not_sealed(void)
{
    static unsigned char plain[SEAL_MAX_BYTES + 1], out[SEAL_MAX_BYTES + 1 + SEAL_OVERHEAD_BYTES];
    char info[SEAL_INFO_MAX_BYTES + 1] = {0};
    struct scene scene;
    open_scene(&scene);
    CHECK_STATUS(
        seal_bytes(scene.sealer, scene.key, slice_of(NULL, 0), slice_of(plain, sizeof plain), out, &test_error),
        ANB_TOO_LARGE);
    CHECK_STATUS(seal_bytes(scene.sealer, scene.key, slice_of(info, sizeof info), slice_of(NULL, 0), out, &test_error),
                 ANB_TOO_LARGE);
    close_scene(&scene);
}

static void bytes_are_sealed_as_the_vector_says(void)
{
    struct scene scene;
    unsigned char info[256], plain[256], associated[256], expected[256], out[256];
    open_scene(&scene);
    struct key *receiver = read_key(receiver_pem), *ephemeral = read_key(ephemeral_pem);
    const struct slice wanted = decode(sealed_hex, expected);
    CHECK_STATUS(seal_with(scene.sealer, ephemeral, receiver, decode(info_hex, info),
                           decode(associated_hex, associated), decode(plain_hex, plain), out, &test_error),
                 ANB_OK);
    CHECK(slice_equal(slice_of(out, wanted.size), wanted));
    key_free(receiver);
    key_free(ephemeral);
    close_scene(&scene);
}

static void bytes_are_opened_as_the_vector_says(void)
{
    struct scene scene;
    unsigned char info[256], plain[256], associated[256], sealed[256], out[256];
    open_scene(&scene);
    struct key *receiver = read_key(receiver_pem);
    const struct slice wanted = decode(plain_hex, plain);
    CHECK_STATUS(seal_open_with(scene.sealer, receiver, decode(info_hex, info), decode(associated_hex, associated),
                                decode(sealed_hex, sealed), out, &test_error),
                 ANB_OK);
    CHECK(slice_equal(slice_of(out, wanted.size), wanted));
    key_free(receiver);
    close_scene(&scene);
}

static void bytes_of_any_size_come_back_and_no_two_seals_are_the_same(void)
{
    static unsigned char plain[SEAL_MAX_BYTES], out[SEAL_MAX_BYTES], sealed[2][SEAL_MAX_BYTES + SEAL_OVERHEAD_BYTES];
    static const size_t sizes[] = {0, 1, 32, 1000, SEAL_MAX_BYTES};
    struct scene scene;
    open_scene(&scene);
    memset(plain, 0x5a, sizeof plain);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t size = sizes[i];
        for (int n = 0; n < 2; n++)
            CHECK_STATUS(seal_bytes(scene.sealer, scene.key, slice_of_text("here"), slice_of(plain, size), sealed[n],
                                    &test_error),
                         ANB_OK);
        CHECK(memcmp(sealed[0], sealed[1], size + SEAL_OVERHEAD_BYTES) != 0);
        memset(out, 0, size);
        CHECK_STATUS(seal_open(scene.sealer, scene.key, slice_of_text("here"),
                               slice_of(sealed[1], size + SEAL_OVERHEAD_BYTES), out, &test_error),
                     ANB_OK);
        CHECK(memcmp(out, plain, size) == 0);
    }
    close_scene(&scene);
    sealer_free(NULL);
}

TEST_MAIN("seal", TEST(whatever_does_not_fit_is_refused_in_the_same_words), TEST(too_many_bytes_are_not_sealed),
          TEST(bytes_are_sealed_as_the_vector_says), TEST(bytes_are_opened_as_the_vector_says),
          TEST(bytes_of_any_size_come_back_and_no_two_seals_are_the_same))
