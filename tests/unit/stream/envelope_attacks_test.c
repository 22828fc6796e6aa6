/* What somebody between sender and receiver, or a receiver that has the key, can do to the chunks of a stream: none of
 * it is taken for the stream, and each attempt is counted with its reason. The log is in memory, the reader is the one
 * of the services. */
#include "bus/memory.h"
#include "crypto/hkdf.h"
#include "stream/reader.h"
#include "support/envelope.h"
#include "support/test.h"
#include "wire/wire.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 4, CHUNKS = 64, SIZE = 32, FLIPS = 1000000, FLIPS_AT_ONCE = 1000 };

static const char topic[] = "p.out.site-a";

struct sealed { /* a chunk record */
    struct chunk chunk;
    unsigned char data[SIZE];
};

struct scene {
    struct id id;
    struct test_envelope envelope;
    struct sealed chunks[CHUNKS];
    struct mark marks[PARTITIONS];
    struct memory_log *log;
    struct bus *bus;
    struct stream_inbox *inbox;
    struct stream_refusals refusals;
    struct stream_reader *reader;
};

static void seal_chunks(const struct test_envelope *envelope, struct sealed chunks[CHUNKS], struct mark *marks)
{
    struct stream_cipher *cipher = test_cipher(envelope, AEAD_SEAL);
    struct stream_closing *closings[PARTITIONS];
    for (int p = 0; p < PARTITIONS; p++) CHECK_STATUS(stream_closing_new(cipher, &closings[p], &test_error), ANB_OK);
    for (int j = 0; j < CHUNKS; j++) {
        struct sealed *sealed = &chunks[j];
        struct chunk_proof proof;
        memset(sealed->data, j + 1, SIZE);
        CHECK_STATUS(stream_cipher_seal(cipher, j, sealed->data, SIZE, &proof, &test_error), ANB_OK);
        sealed->chunk = (struct chunk){
            .stream = envelope->public.stream, .index = j, .codec = 1, .plain_bytes = SIZE, .tag = proof.tag};
        stream_closing_add(closings[j % PARTITIONS], &proof);
    }
    for (int p = 0; p < PARTITIONS; p++) {
        marks[p] = (struct mark){.partition = p, .last_offset = CHUNKS / PARTITIONS - 1, .count = CHUNKS / PARTITIONS};
        CHECK_STATUS(stream_closing_finish(closings[p], &marks[p].digest, &marks[p].content, &test_error), ANB_OK);
        stream_closing_free(closings[p]);
    }
    stream_cipher_free(cipher);
}

static struct scene *new_scene(enum purpose purpose)
{
    struct scene *scene = calloc(1, sizeof *scene);
    REQUIRE(scene != NULL);
    CHECK_STATUS(id_random(&scene->id, &test_error), ANB_OK);
    scene->envelope = test_envelope_new(&scene->id, purpose, CHUNKS);
    seal_chunks(&scene->envelope, scene->chunks, scene->marks);
    return scene;
}

static void open_log(struct scene *scene)
{
    const struct bus_topic config = {
        .name = topic, .partitions = PARTITIONS, .retention_ms = -1, .retention_bytes = -1};
    struct stream_source source = {
        .stream = scene->id, .partitions = 15, .cipher = test_cipher(&scene->envelope, AEAD_OPEN)};
    strcpy(source.topic, topic);
    scene->refusals = (struct stream_refusals){{0}};
    scene->log = memory_log_new(NULL, NULL, 1);
    CHECK_STATUS(bus_memory_open(scene->log, &scene->bus, &test_error), ANB_OK);
    CHECK_STATUS(bus_topic_ensure(scene->bus, &config, 1000, &test_error), ANB_OK);
    CHECK_STATUS(stream_inbox_new(scene->bus, BUS_BULK, &scene->refusals, &scene->inbox, &test_error), ANB_OK);
    CHECK_STATUS(stream_reader_open(scene->inbox, &source, 1, 15, PARTITIONS, 2 << 20, &scene->reader, &test_error),
                 ANB_OK);
}

static void close_log(struct scene *scene)
{
    stream_reader_close(scene->reader);
    stream_inbox_free(scene->inbox);
    bus_close(scene->bus, 1000);
    memory_log_free(scene->log);
}

static size_t write_record(const struct sealed *sealed, unsigned char record[CHUNK_HEADER_MAX_BYTES + SIZE])
{
    unsigned char *payload = record + CHUNK_HEADER_MAX_BYTES;
    memcpy(payload, sealed->data, SIZE);
    size_t header = chunk_header_write(&sealed->chunk, SIZE, payload);
    memmove(record, payload - header, header + SIZE);
    return header + SIZE;
}

static void put_at(struct scene *scene, int32_t partition, const struct sealed *sealed)
{
    unsigned char record[CHUNK_HEADER_MAX_BYTES + SIZE];
    size_t size = write_record(sealed, record);
    CHECK_EQUAL(memory_log_put(scene->log, topic, partition, slice_of(record, size)), ANB_OK);
}

static void put(struct scene *scene, const struct sealed *sealed, int place)
{
    put_at(scene, place % PARTITIONS, sealed);
}

static long long counted(const struct scene *scene, enum stream_refusal refusal)
{
    return atomic_load(&scene->refusals.counts[refusal]);
}

/* Read all chunks, then compare with the close. */
static enum anb_status receive(struct scene *scene)
{
    enum anb_status status = ANB_OK;
    for (int p = 0; p < PARTITIONS; p++) stream_reader_set_mark(scene->reader, &scene->marks[p]);
    for (int64_t j = 0; status == ANB_OK && j < CHUNKS; j++) {
        struct stream_chunk chunk;
        status = stream_reader_next(scene->reader, j, 0, &chunk, &test_error);
        if (status == ANB_OK) stream_chunk_release(&chunk);
    }
    for (int p = 0; p < PARTITIONS && status == ANB_OK; p++)
        status = stream_reader_verify(scene->reader, p, &test_error);
    return status;
}

/* A log with the given chunks, place by place, must not be taken for the stream. */
static void must_refuse(struct scene *scene, const struct sealed *chunks, int n, enum stream_refusal reason)
{
    open_log(scene);
    for (int j = 0; j < n; j++) put(scene, &chunks[j], j);
    CHECK_EQUAL(receive(scene), ANB_CORRUPT);
    CHECK_EQUAL(counted(scene, reason), 1);
    close_log(scene);
}

static void the_stream_as_it_was_sealed_is_taken(void)
{
    static const enum purpose purposes[] = {PURPOSE_UPDATE, PURPOSE_MODEL, PURPOSE_BUNDLE};
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++) {
        struct scene *scene = new_scene(purposes[i]);
        open_log(scene);
        for (int j = 0; j < CHUNKS; j++) put(scene, &scene->chunks[j], j);
        CHECK_EQUAL(receive(scene), ANB_OK);
        for (int r = 0; r < STREAM_N_REFUSALS; r++) CHECK_EQUAL(counted(scene, r), 0);
        close_log(scene);
        free(scene);
    }
}

/* -- chance */

/* Flip one bit of chunk 21's record. True when it fell into the stream's id: such a record is of no concern here. */
static bool flip(struct scene *scene, unsigned *seed, size_t id_at)
{
    unsigned char record[CHUNK_HEADER_MAX_BYTES + SIZE];
    size_t size = write_record(&scene->chunks[21], record);
    size_t bit = (((size_t)rand_r(seed) << 15) ^ (size_t)rand_r(seed)) % (8 * size);
    record[bit / 8] ^= (unsigned char)(1 << bit % 8);
    CHECK_EQUAL(memory_log_put(scene->log, topic, 1, slice_of(record, size)), ANB_OK);
    return bit / 8 >= id_at && bit / 8 < id_at + ID_BYTES;
}

static void a_million_flipped_bits_are_refused(void)
{
    struct scene *scene = new_scene(PURPOSE_UPDATE);
    struct stream_chunk chunk;
    unsigned seed = 1;
    long long n_foreign = 0, n_counted = 0, n_taken = 0;
    open_log(scene);
    for (int j = 1; j < 21; j += PARTITIONS) put(scene, &scene->chunks[j], j);
    for (int j = 1; j < 21; j += PARTITIONS) {
        CHECK_STATUS(stream_reader_next(scene->reader, j, 0, &chunk, &test_error), ANB_OK);
        stream_chunk_release(&chunk);
    }
    for (int n = 0; n < FLIPS; n += FLIPS_AT_ONCE) {
        for (int i = 0; i < FLIPS_AT_ONCE; i++) n_foreign += flip(scene, &seed, 10);
        enum anb_status status;
        while ((status = stream_reader_next(scene->reader, 21, 0, &chunk, &test_error)) != ANB_AGAIN)
            n_taken += status != ANB_CORRUPT;
        bus_trim(scene->bus, topic, 1, memory_log_end(scene->log, topic, 1));
    }
    for (int r = 0; r < STREAM_N_REFUSALS; r++) n_counted += counted(scene, r);
    CHECK_EQUAL(n_taken, 0);
    CHECK_EQUAL(n_counted + n_foreign, FLIPS);
    CHECK(counted(scene, STREAM_REFUSED_ALTERED) > FLIPS / 4);
    CHECK(counted(scene, STREAM_REFUSED_FOREIGN) > 0);
    CHECK(counted(scene, STREAM_REFUSED_PLAINTEXT) > 0);
    close_log(scene);
    free(scene);
}

/* -- order and number */

static void every_truncation_is_refused(void)
{
    struct scene *scene = new_scene(PURPOSE_UPDATE);
    for (int n = 1; n < CHUNKS; n++) {
        open_log(scene);
        for (int j = 0; j < n; j++) put(scene, &scene->chunks[j], j);
        CHECK_EQUAL(receive(scene), ANB_AGAIN); /* it is waited for: the log does not yet reach the mark */
        for (int p = 0; p < PARTITIONS; p++) {  /* what comes after it is of another stream */
            struct sealed other = scene->chunks[p];
            other.chunk.stream.bytes[0] ^= 1;
            for (int i = 0; i < CHUNKS / PARTITIONS; i++) put_at(scene, p, &other);
        }
        struct stream_chunk chunk;
        CHECK_EQUAL(stream_reader_next(scene->reader, n, 0, &chunk, &test_error), ANB_CORRUPT);
        CHECK_EQUAL(counted(scene, STREAM_REFUSED_MISSING), 1);
        close_log(scene);
    }
    free(scene);
}

static void a_stream_that_was_closed_too_early_is_refused(void)
{
    struct scene *scene = new_scene(PURPOSE_MODEL);
    struct mark whole = scene->marks[3];
    for (int n = 0; n < CHUNKS / PARTITIONS; n++) { /* counts and place are forged, digests cannot be */
        scene->marks[3] = (struct mark){.partition = 3, .last_offset = n - 1, .count = n, .digest = whole.digest};
        must_refuse(scene, scene->chunks, 4 * n + 3, STREAM_REFUSED_MISSING);
    }
    free(scene);
}

static void every_swap_of_two_chunks_is_refused(void)
{
    struct scene *scene = new_scene(PURPOSE_UPDATE);
    struct sealed swapped[CHUNKS];
    for (int i = 0; i < CHUNKS; i++)
        for (int j = i + 1; j < CHUNKS; j++) {
            memcpy(swapped, scene->chunks, sizeof swapped);
            swapped[i] = scene->chunks[j];
            swapped[j] = scene->chunks[i];
            must_refuse(scene, swapped, CHUNKS, STREAM_REFUSED_MISSING);
            swapped[i].chunk.index = i; /* and now each says that it is in its place */
            swapped[j].chunk.index = j;
            must_refuse(scene, swapped, CHUNKS, STREAM_REFUSED_ALTERED);
        }
    free(scene);
}

static void repeated_chunks_are_passed_over(void)
{
    struct scene *scene = new_scene(PURPOSE_UPDATE);
    open_log(scene);
    for (int j = 0; j < CHUNKS; j++)
        for (int n = 0; n < 3; n++) put(scene, &scene->chunks[j], j);
    for (int p = 0; p < PARTITIONS; p++) scene->marks[p].last_offset = 3 * CHUNKS / PARTITIONS - 1;
    CHECK_EQUAL(receive(scene), ANB_OK);
    CHECK_EQUAL(counted(scene, STREAM_REFUSED_REPEATED), 2 * (CHUNKS - PARTITIONS));
    close_log(scene);
    free(scene);
}

/* -- chunks of other streams */

/* Every chunk of `other`, one at a time, in the place of this stream's, under this stream's id. */
static void must_not_splice(struct scene *scene, const struct test_envelope *other)
{
    struct sealed foreign[CHUNKS], spliced[CHUNKS];
    struct mark marks[PARTITIONS];
    seal_chunks(other, foreign, marks);
    for (int j = 0; j < CHUNKS; j++) {
        memcpy(spliced, scene->chunks, sizeof spliced);
        spliced[j] = foreign[j];
        spliced[j].chunk.stream = scene->id;
        must_refuse(scene, spliced, CHUNKS, STREAM_REFUSED_ALTERED);
    }
}

static void splices_of_two_streams_are_refused(void)
{
    struct scene *scene = new_scene(PURPOSE_UPDATE);
    struct id id;
    CHECK_STATUS(id_random(&id, &test_error), ANB_OK);
    struct test_envelope other = test_envelope_new(&id, PURPOSE_UPDATE, CHUNKS);
    must_not_splice(scene, &other);
    other.key = scene->envelope.key; /* the same key for two streams, as no honest node does */
    CHECK_STATUS(stream_commit(&other.key, &other.public, &test_error), ANB_OK);
    must_not_splice(scene, &other);
    free(scene);
}

/* The worst case: a sender that uses one key and one stream id twice. */
static void replays_from_another_round_job_project_and_sender_are_refused(void)
{
    struct scene *scene = new_scene(PURPOSE_UPDATE);
    struct stream_opened opened[5];
    for (int i = 0; i < 5; i++) opened[i] = test_opened(&scene->id, PURPOSE_UPDATE, CHUNKS);
    opened[0].round++;
    opened[1].job = "00000000000000a2";
    opened[2].head.project = "q";
    opened[3].head.node = "site-b";
    opened[4].purpose = PURPOSE_STATE;
    for (int i = 0; i < 5; i++) {
        struct test_envelope other = {.key = scene->envelope.key};
        CHECK_STATUS(stream_envelope_of(&opened[i], &other.public, &test_error), ANB_OK);
        CHECK_STATUS(stream_commit(&other.key, &other.public, &test_error), ANB_OK);
        must_not_splice(scene, &other);
    }
    free(scene);
}

static void plaintext_is_refused(void)
{
    struct scene *scene = new_scene(PURPOSE_UPDATE);
    struct sealed bare[CHUNKS];
    memcpy(bare, scene->chunks, sizeof bare);
    for (int j = 0; j < CHUNKS; j++) {
        bare[j].chunk.codec = 0;
        memset(bare[j].data, j + 1, SIZE);
        must_refuse(scene, bare, CHUNKS, STREAM_REFUSED_PLAINTEXT);
        bare[j] = scene->chunks[j];
    }
    free(scene);
}

/* -- somebody who has the key */

static void encrypt_again(const struct scene *scene, int index, unsigned char *data, struct tag *tag)
{
    struct stream_cipher *cipher = test_cipher(&scene->envelope, AEAD_SEAL);
    struct chunk_proof proof;
    CHECK_STATUS(stream_cipher_seal(cipher, index, data, SIZE, &proof, &test_error), ANB_OK);
    *tag = proof.tag;
    stream_cipher_free(cipher);
}

static void a_receiver_that_encrypts_another_chunk_with_the_key_is_found_by_the_close(void)
{
    static const enum purpose purposes[] = {PURPOSE_UPDATE, PURPOSE_MODEL};
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++) {
        struct scene *scene = new_scene(purposes[i]);
        memset(scene->chunks[21].data, 0xee, SIZE);
        encrypt_again(scene, 21, scene->chunks[21].data, &scene->chunks[21].chunk.tag);
        must_refuse(scene, scene->chunks, CHUNKS, STREAM_REFUSED_BAD_CLOSE);
        free(scene);
    }
}

/* a = a * b in GCM's field (NIST SP 800-38D, 6.3). */
static void multiply(unsigned char a[16], const unsigned char b[16])
{
    unsigned char product[16] = {0}, v[16];
    memcpy(v, b, 16);
    for (int bit = 0; bit < 128; bit++) {
        for (int i = 0; i < 16 && a[bit / 8] >> (7 - bit % 8) & 1; i++) product[i] ^= v[i];
        bool odd = v[15] & 1;
        for (int i = 15; i >= 0; i--) v[i] = (unsigned char)(v[i] >> 1 | (i > 0 ? v[i - 1] << 7 : 0));
        if (odd) v[0] ^= 0xe1;
    }
    memcpy(a, product, 16);
}

/* GCM's authentication key H = AES(chunk key, 0). */
static void authentication_key(const struct test_envelope *envelope, unsigned char h[16])
{
    unsigned char extracted[HKDF_BYTES], key[AEAD_KEY_BYTES], info[5 + DIGEST_BYTES] = "chunk", zero[16] = {0};
    struct hkdf *hkdf = hkdf_new();
    EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
    int size;
    memcpy(info + 5, envelope->public.core.bytes, DIGEST_BYTES);
    CHECK_STATUS(hkdf_extract(hkdf, slice_of(envelope->public.stream.bytes, ID_BYTES),
                              slice_of(envelope->key.bytes, STREAM_KEY_BYTES), extracted, &test_error),
                 ANB_OK);
    CHECK_STATUS(hkdf_expand(hkdf, extracted, slice_of(info, sizeof info), key, sizeof key, &test_error), ANB_OK);
    CHECK_EQUAL(EVP_EncryptInit_ex(aes, EVP_aes_256_ecb(), NULL, key, NULL), 1);
    CHECK_EQUAL(EVP_EncryptUpdate(aes, h, &size, zero, sizeof zero), 1);
    EVP_CIPHER_CTX_free(aes);
    hkdf_free(hkdf);
}

/* Two blocks: what is added to the first times H, added to the second, leaves the sum that the tag is made of. */
static void a_receiver_that_makes_another_chunk_with_the_same_tag_is_found_by_the_close(void)
{
    struct scene *scene = new_scene(PURPOSE_MODEL);
    unsigned char h[16], difference[16] = {0x80, 1, 2, 3};
    struct stream_chunk chunk;
    unsigned char *data = scene->chunks[21].data;
    authentication_key(&scene->envelope, h);
    for (int i = 0; i < 16; i++) data[i] ^= difference[i];
    multiply(difference, h);
    for (int i = 0; i < 16; i++) data[16 + i] ^= difference[i];
    open_log(scene);
    for (int j = 1; j < CHUNKS; j += PARTITIONS) put(scene, &scene->chunks[j], j);
    for (int j = 1; j <= 21; j += PARTITIONS) { /* the tag alone does not tell */
        CHECK_STATUS(stream_reader_next(scene->reader, j, 0, &chunk, &test_error), ANB_OK);
        stream_chunk_release(&chunk);
    }
    close_log(scene);
    must_refuse(scene, scene->chunks, CHUNKS, STREAM_REFUSED_BAD_CLOSE);
    free(scene);
}

TEST_MAIN("envelope attacks", TEST(the_stream_as_it_was_sealed_is_taken), TEST(a_million_flipped_bits_are_refused),
          TEST(every_truncation_is_refused), TEST(a_stream_that_was_closed_too_early_is_refused),
          TEST(every_swap_of_two_chunks_is_refused), TEST(repeated_chunks_are_passed_over),
          TEST(splices_of_two_streams_are_refused), TEST(replays_from_another_round_job_project_and_sender_are_refused),
          TEST(plaintext_is_refused), TEST(a_receiver_that_encrypts_another_chunk_with_the_key_is_found_by_the_close),
          TEST(a_receiver_that_makes_another_chunk_with_the_same_tag_is_found_by_the_close))
