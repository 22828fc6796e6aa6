#include "support/envelope.h"

#include "support/test.h"

struct stream_opened test_opened(const struct id *stream, enum purpose purpose, int64_t chunk_count)
{
    return (struct stream_opened){.head = {.project = "p", .node = "site-a", .incarnation = 1, .sequence = 2},
                                  .stream = *stream,
                                  .job = "00000000000000a1",
                                  .round = 1,
                                  .purpose = purpose,
                                  .chunk_bytes = 983040,
                                  .chunk_count = chunk_count,
                                  .roster_version = 1};
}

struct test_envelope test_envelope_of(const struct stream_opened *opened)
{
    struct test_envelope made;
    struct id halves[2];
    CHECK_STATUS(id_random(&halves[0], &test_error), ANB_OK);
    CHECK_STATUS(id_random(&halves[1], &test_error), ANB_OK);
    for (int i = 0; i < STREAM_KEY_BYTES; i++) made.key.bytes[i] = halves[i / ID_BYTES].bytes[i % ID_BYTES];
    CHECK_STATUS(stream_envelope_of(opened, &made.public, &test_error), ANB_OK);
    CHECK_STATUS(stream_commit(&made.key, &made.public, &test_error), ANB_OK);
    return made;
}

struct test_envelope test_envelope_new(const struct id *stream, enum purpose purpose, int64_t chunk_count)
{
    struct stream_opened opened = test_opened(stream, purpose, chunk_count);
    return test_envelope_of(&opened);
}

struct stream_cipher *test_cipher(const struct test_envelope *envelope, enum aead_direction direction)
{
    struct stream_cipher *cipher = NULL;
    CHECK_STATUS(stream_cipher_new(&envelope->public, &envelope->key, direction, &cipher, &test_error), ANB_OK);
    REQUIRE(cipher != NULL);
    return cipher;
}
