/* The whole envelope against tests/vectors/envelope.json, which tests/vectors/envelope.py made: from a StreamOpened's
 * bytes and a receiver's private key to plain chunks, and back to the same ciphertext. */
#include "base/doc.h"
#include "base/file.h"
#include "crypto/seal.h"
#include "stream/cipher.h"
#include "support/test.h"
#include "wire/wire.h"

#include <string.h>

enum { MOST_BYTES = 2048 };

struct scene {
    struct doc *vectors;
    struct arena arena;
    const struct doc *one; /* the case */
    struct stream_envelope envelope;
    struct stream_key key;
};

static struct slice bytes_of(const struct doc *map, const char *name, unsigned char *bytes)
{
    const char *hex = doc_text(doc_get(map, name), "");
    REQUIRE(strlen(hex) / 2 <= MOST_BYTES && hex_decode(hex, bytes, strlen(hex) / 2));
    return slice_of(bytes, strlen(hex) / 2);
}

static bool says(const struct doc *map, const char *name, const void *bytes, size_t size)
{
    unsigned char expected[MOST_BYTES];
    return slice_equal(bytes_of(map, name, expected), slice_of(bytes, size));
}

static void open_scene(struct scene *scene)
{
    struct buf text;
    *scene = (struct scene){.vectors = NULL};
    arena_init(&scene->arena, 1 << 16);
    buf_init(&text, 1 << 20);
    CHECK_STATUS(file_read("tests/vectors/envelope.json", &text, &test_error), ANB_OK);
    CHECK_STATUS(doc_parse_json(buf_slice(&text), "envelope.json", &scene->vectors, &test_error), ANB_OK);
    buf_fini(&text);
}

static void close_scene(struct scene *scene)
{
    doc_free(scene->vectors);
    arena_fini(&scene->arena);
}

static void read_opened(struct scene *scene)
{
    unsigned char bytes[MOST_BYTES];
    const char *pem = doc_text(doc_get(scene->vectors, "receiver"), "");
    struct record record;
    struct key *receiver = NULL;
    struct sealer *sealer = sealer_new();
    struct slice said = bytes_of(scene->one, "opened", bytes);
    CHECK_STATUS(wire_decode(said, &scene->arena, &record, &test_error), ANB_OK);
    const struct stream_opened *opened = &record.is.stream_opened;
    CHECK_STATUS(stream_envelope_of(opened, &scene->envelope, &test_error), ANB_OK);
    CHECK(says(scene->one, "core", &scene->envelope.core, DIGEST_BYTES));
    CHECK(says(scene->one, "commitment", &scene->envelope.commitment, DIGEST_BYTES));
    CHECK(says(scene->one, "wrap", opened->receivers[0].wrap.bytes, sizeof opened->receivers[0].wrap));
    CHECK_STATUS(key_read_pem(slice_of_text(pem), "receiver", NULL, &receiver, &test_error), ANB_OK);
    CHECK_STATUS(seal_open(sealer, receiver, slice_of(scene->envelope.core.bytes, DIGEST_BYTES),
                           slice_of(opened->receivers[0].wrap.bytes, sizeof opened->receivers[0].wrap),
                           scene->key.bytes, &test_error),
                 ANB_OK);
    CHECK(says(scene->vectors, "key", scene->key.bytes, sizeof scene->key.bytes));
    key_free(receiver);
    sealer_free(sealer);
}

static void check_chunk(const struct doc *one, int64_t index, struct stream_cipher *sealing,
                        struct stream_cipher *opening, struct stream_closing *closing)
{
    unsigned char record[MOST_BYTES], copy[MOST_BYTES];
    struct chunk chunk;
    struct chunk_proof proof, again;
    CHECK_STATUS(chunk_parse(bytes_of(one, "record", record), &chunk, &test_error), ANB_OK);
    CHECK_EQUAL(chunk.index, index);
    CHECK_EQUAL(chunk.codec, STREAM_CODEC_SEALED);
    memcpy(copy, chunk.data.data, chunk.data.size);
    CHECK_STATUS(stream_cipher_open(opening, index, copy, chunk.data.size, &chunk.tag, &proof, &test_error), ANB_OK);
    CHECK(says(one, "plain", copy, chunk.data.size));
    stream_closing_add(closing, &proof);
    CHECK_STATUS(stream_cipher_seal(sealing, index, copy, chunk.data.size, &again, &test_error), ANB_OK);
    CHECK(slice_equal(slice_of(copy, chunk.data.size), chunk.data));
    CHECK(memcmp(&again, &proof, sizeof proof) == 0);
}

static void check_case(struct scene *scene)
{
    struct stream_cipher *sealing = NULL, *opening = NULL;
    struct stream_closing *closing = NULL;
    struct digest digest, content;
    read_opened(scene);
    const struct doc *chunks = doc_get(scene->one, "chunks");
    CHECK_STATUS(stream_cipher_new(&scene->envelope, &scene->key, AEAD_SEAL, &sealing, &test_error), ANB_OK);
    CHECK_STATUS(stream_cipher_new(&scene->envelope, &scene->key, AEAD_OPEN, &opening, &test_error), ANB_OK);
    CHECK_STATUS(stream_closing_new(opening, &closing, &test_error), ANB_OK);
    CHECK_EQUAL(scene->envelope.chunk_count, (int64_t)doc_size(chunks));
    for (size_t j = 0; j < doc_size(chunks); j++) check_chunk(doc_at(chunks, j), (int64_t)j, sealing, opening, closing);
    CHECK_STATUS(stream_closing_finish(closing, &digest, &content, &test_error), ANB_OK);
    CHECK(says(scene->one, "digest", &digest, sizeof digest));
    CHECK(says(scene->one, "content", &content, sizeof content));
    stream_closing_free(closing);
    stream_cipher_free(opening);
    stream_cipher_free(sealing);
}

static void another_implementation_makes_the_same_bytes(void)
{
    struct scene scene;
    open_scene(&scene);
    const struct doc *cases = doc_get(scene.vectors, "cases");
    CHECK_EQUAL(doc_size(cases), 4);
    for (size_t i = 0; i < doc_size(cases); i++) {
        scene.one = doc_at(cases, i);
        check_case(&scene);
    }
    close_scene(&scene);
}

TEST_MAIN("envelope vector", TEST(another_implementation_makes_the_same_bytes))
