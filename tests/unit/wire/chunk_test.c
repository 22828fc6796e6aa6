/* Chunk records written and read by hand, with Avro C as the judge. */
#include "support/records.h"
#include "support/test.h"
#include "wire/frame.h"
#include "wire/wire.h"

#include <string.h>

enum { DATA_AT = 128, DATA_BYTES = 256 };

static struct arena arena;
static struct buf out;

static void begin(void)
{
    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 20);
}

static void end(void)
{
    arena_fini(&arena);
    buf_fini(&out);
}

static struct record random_chunk(uint64_t seed)
{
    struct random random = {seed};
    struct record record;
    random_record(&random, RECORD_CHUNK, &arena, &record);
    return record;
}

static void refuse(const void *bytes, size_t size, const char *words)
{
    struct chunk chunk = {.index = 77};
    CHECK_STATUS(chunk_parse(slice_of(bytes, size), &chunk, &test_error), ANB_CORRUPT);
    CHECK(strstr(test_error.text, words) != NULL);
    CHECK_EQUAL(chunk.index, 77); /* results are written on success only */
}

static void another_record_in_a_chunks_place_is_refused(void)
{
    unsigned char bytes[80] = {0};
    frame_write(RECORD_NODE_UP, bytes);
    refuse(bytes, sizeof bytes, "a NodeUp record where a chunk belongs");
}

static void every_truncation_and_any_longer_record_is_refused(void)
{
    begin();
    struct record record = random_chunk(5);
    REQUIRE(wire_encode(&record, &out, NULL) == ANB_OK);
    for (size_t size = 0; size < out.size; size++) refuse(out.data, size, "");
    REQUIRE(buf_append_text(&out, "x", NULL) == ANB_OK);
    refuse(out.data, out.size, "announced");
    end();
}

static void payload_lengths_that_lie_are_refused(void)
{
    unsigned char bytes[FRAME_BYTES + 16 + 3 + 16 + VARINT_MAX_BYTES] = {0};
    size_t length_at = FRAME_BYTES + 16 + 3 + 16;
    frame_write(RECORD_CHUNK, bytes);
    refuse(bytes, length_at + varint_write(-1, bytes + length_at), "payload of -1 bytes");
    refuse(bytes, length_at + varint_write(INT64_MAX, bytes + length_at), "announced, 0 are there");
    refuse(bytes, length_at + varint_write(INT64_MIN, bytes + length_at), "announced, 0 are there");
}

static void header_and_payload_are_what_avro_writes(void)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        unsigned char bytes[DATA_AT + DATA_BYTES];
        begin();
        struct record record = random_chunk(seed);
        struct slice data = record.is.chunk.data;
        memcpy(bytes + DATA_AT, data.data, data.size);
        size_t header = chunk_header_write(&record.is.chunk, data.size, bytes + DATA_AT);
        CHECK(header <= CHUNK_HEADER_MAX_BYTES);
        REQUIRE(wire_encode(&record, &out, NULL) == ANB_OK);
        CHECK(slice_equal(buf_slice(&out), slice_of(bytes + DATA_AT - header, header + data.size)));
        end();
    }
}

static void largest_header_keeps_within_its_room(void)
{
    unsigned char bytes[DATA_AT];
    struct chunk chunk = {.index = INT32_MIN, .codec = INT32_MIN, .plain_bytes = INT32_MIN};
    CHECK(chunk_header_write(&chunk, INT32_MAX, bytes + DATA_AT) <= CHUNK_HEADER_MAX_BYTES);
}

static void payload_is_pointed_at_not_copied(void)
{
    begin();
    struct record record = random_chunk(8);
    struct chunk chunk;
    REQUIRE(wire_encode(&record, &out, NULL) == ANB_OK);
    CHECK_STATUS(chunk_parse(buf_slice(&out), &chunk, &test_error), ANB_OK);
    CHECK((const unsigned char *)chunk.data.data + chunk.data.size == out.data + out.size);
    end();
}

/* The parser and Avro C behind its guard must agree on every input. */
static void agree_on(struct slice bytes)
{
    struct record by_hand = {.kind = RECORD_CHUNK}, by_avro;
    arena_reset(&arena);
    enum anb_status first = chunk_parse(bytes, &by_hand.is.chunk, NULL);
    enum anb_status second = wire_decode(bytes, &arena, &by_avro, NULL);
    CHECK_EQUAL(first, second);
    if (first == ANB_OK && second == ANB_OK) CHECK(records_equal(&by_hand, &by_avro));
}

static void parser_agrees_with_avro_on_flipped_bits(void)
{
    static unsigned char bytes[4096];
    struct random random = {99};
    for (uint64_t seed = 0; seed < 50; seed++) {
        begin();
        struct record record = random_chunk(seed);
        REQUIRE(wire_encode(&record, &out, NULL) == ANB_OK);
        for (int i = 0; i < 2000; i++) {
            memcpy(bytes, out.data, out.size);
            size_t at = FRAME_BYTES + random_below(&random, 56);
            if (at < out.size) bytes[at] ^= (unsigned char)(1 << random_below(&random, 8));
            agree_on(slice_of(bytes, out.size));
        }
        end();
    }
}

TEST_MAIN("chunk", TEST(another_record_in_a_chunks_place_is_refused),
          TEST(every_truncation_and_any_longer_record_is_refused), TEST(payload_lengths_that_lie_are_refused),
          TEST(header_and_payload_are_what_avro_writes), TEST(largest_header_keeps_within_its_room),
          TEST(payload_is_pointed_at_not_copied), TEST(parser_agrees_with_avro_on_flipped_bits))
