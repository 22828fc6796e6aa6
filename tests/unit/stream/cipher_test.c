#include "stream/cipher.h"

#include "support/envelope.h"
#include "support/test.h"
#include "wire/schema.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE = 48 };

static const struct id stream_id = {{1, 2, 3}};

/* -- what the record says is bound to the key */

static struct stream_opened whole_record(void)
{
    static int32_t partitions[] = {0, 1, 2, 3};
    static int64_t offsets[] = {4, 5, 6, 7};
    static struct id base[] = {{{9}}};
    static struct receiver receivers[] = {{"aggregator-1", {{4}}}, {"site-a", {{5}}}};
    struct stream_opened opened = test_opened(&stream_id, PURPOSE_UPDATE, 8);
    opened.partitions = partitions;
    opened.n_partitions = 4;
    opened.start_offsets = offsets;
    opened.n_start_offsets = 4;
    opened.base = base;
    opened.n_base = 1;
    opened.receivers = receivers;
    opened.n_receivers = 2;
    return opened;
}

/* Change the value of a field in its place; arrays lose an item. */
static void change(const struct wire_type *type, char *at, char *record, const struct wire_field *field)
{
    switch (type->kind) {
    case WIRE_STRING: *(const char **)at = "other"; break;
    case WIRE_LONG: ++*(int64_t *)at; break;
    case WIRE_INT: ++*(int32_t *)at; break;
    case WIRE_DOUBLE: *(double *)at += 1; break;
    case WIRE_BOOLEAN: *(bool *)at = !*(bool *)at; break;
    case WIRE_ENUM: *(int *)at = (*(int *)at + 1) % (int)type->n_parts; break;
    case WIRE_FIXED: at[type->size / 2] ^= 1; break;
    case WIRE_ARRAY: --*(size_t *)(record + field->count_offset); break;
    case WIRE_BYTES: *(struct slice *)at = slice_of_text("other"); break;
    case WIRE_RECORD: abort();
    }
}

static bool is_for_signatures(const char *name)
{
    static const char *const names[] = {"incarnation", "sequence", "epoch", "time_ms", "said", "receivers"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static int n_bound, n_free;

static void check_field(const struct test_envelope *envelope, const char *name, const struct stream_opened *altered)
{
    struct stream_envelope found;
    struct stream_cipher *cipher = NULL;
    CHECK_STATUS(stream_envelope_of(altered, &found, &test_error), ANB_OK);
    if (strcmp(name, "key_commitment") != 0) found.commitment = envelope->public.commitment;
    enum anb_status expected = is_for_signatures(name) ? ANB_OK : ANB_DENIED;
    *(expected == ANB_OK ? &n_free : &n_bound) += 1;
    CHECK_EQUAL(stream_cipher_new(&found, &envelope->key, AEAD_OPEN, &cipher, &test_error), expected);
    if (expected == ANB_OK) stream_cipher_free(cipher);
}

static void check_fields(const struct test_envelope *envelope, const struct wire_type *type, size_t offset)
{
    for (size_t i = 0; i < type->n_parts; i++) {
        const struct wire_field *field = &type->fields[i];
        if (field->type->kind == WIRE_RECORD) {
            check_fields(envelope, field->type, offset + field->offset);
            continue;
        }
        struct stream_opened altered = whole_record();
        char *record = (char *)&altered + offset;
        change(field->type, record + field->offset, record, field);
        check_field(envelope, field->name, &altered);
    }
}

static void every_field_of_the_header_is_bound_to_the_key_or_left_to_the_signature(void)
{
    struct stream_opened opened = whole_record();
    struct test_envelope envelope = test_envelope_of(&opened);
    const struct wire_type *type = wire_schemas[RECORD_STREAM_OPENED].type;
    n_bound = n_free = 0;
    check_fields(&envelope, type, 0);
    CHECK_EQUAL(n_free, 6);
    CHECK_EQUAL(n_bound, (int)type->n_parts - 3 + 2); /* the head counts for its two names */
}

static void another_item_in_an_array_of_the_header_is_another_stream(void)
{
    struct stream_opened opened = whole_record();
    struct test_envelope envelope = test_envelope_of(&opened);
    int64_t offsets[] = {4, 5, 6, 8};
    struct id base[] = {{{8}}};
    opened.start_offsets = offsets;
    check_field(&envelope, "start_offsets", &opened);
    opened = whole_record();
    opened.base = base;
    check_field(&envelope, "base", &opened);
}

static void a_sender_with_another_key_for_one_receiver_is_found_by_the_commitment(void)
{
    struct stream_opened opened = whole_record();
    struct test_envelope one = test_envelope_of(&opened), other = test_envelope_of(&opened);
    struct stream_cipher *cipher;
    CHECK_STATUS(stream_cipher_new(&one.public, &other.key, AEAD_OPEN, &cipher, &test_error), ANB_DENIED);
    for (int bit = 0; bit < 8 * STREAM_KEY_BYTES; bit++) {
        struct stream_key key = one.key;
        key.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        CHECK_STATUS(stream_cipher_new(&one.public, &key, AEAD_OPEN, &cipher, &test_error), ANB_DENIED);
    }
}

/* -- chunks */

static void chunks_that_do_not_exist_are_refused(void)
{
    struct test_envelope envelope = test_envelope_new(&stream_id, PURPOSE_UPDATE, 3);
    struct stream_cipher *cipher = test_cipher(&envelope, AEAD_SEAL);
    struct chunk_proof proof;
    char bytes[SIZE] = "plain";
    static const int64_t none[] = {-1, 3, 4, INT32_MAX, INT64_MAX};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK_STATUS(stream_cipher_seal(cipher, none[i], bytes, SIZE, &proof, &test_error), ANB_INVALID);
    CHECK_TEXT(bytes, "plain");
    stream_cipher_free(cipher);
}

static void an_altered_chunk_does_not_open_and_leaves_nothing_behind(void)
{
    struct test_envelope envelope = test_envelope_new(&stream_id, PURPOSE_MODEL, 3);
    struct stream_cipher *sealing = test_cipher(&envelope, AEAD_SEAL), *opening = test_cipher(&envelope, AEAD_OPEN);
    struct chunk_proof proof, found;
    char sealed[SIZE] = "plain", bytes[SIZE], zeros[SIZE] = {0};
    CHECK_STATUS(stream_cipher_seal(sealing, 1, sealed, SIZE, &proof, &test_error), ANB_OK);
    for (int bit = 0; bit < 8 * SIZE; bit++) {
        memcpy(bytes, sealed, SIZE);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        CHECK_STATUS(stream_cipher_open(opening, 1, bytes, SIZE, &proof.tag, &found, &test_error), ANB_CORRUPT);
        CHECK(memcmp(bytes, zeros, SIZE) == 0);
    }
    memcpy(bytes, sealed, SIZE);
    CHECK_STATUS(stream_cipher_open(opening, 0, bytes, SIZE, &proof.tag, &found, &test_error), ANB_CORRUPT);
    memcpy(bytes, sealed, SIZE);
    CHECK_STATUS(stream_cipher_open(opening, 2, bytes, SIZE, &proof.tag, &found, &test_error), ANB_CORRUPT);
    memcpy(bytes, sealed, SIZE);
    CHECK_STATUS(stream_cipher_open(opening, 1, bytes, SIZE - 1, &proof.tag, &found, &test_error), ANB_CORRUPT);
    memcpy(bytes, sealed, SIZE);
    CHECK_STATUS(stream_cipher_open(opening, 1, bytes, SIZE, &proof.tag, &found, &test_error), ANB_OK);
    CHECK_TEXT(bytes, "plain");
    CHECK(memcmp(&proof, &found, sizeof proof) == 0);
    stream_cipher_free(sealing);
    stream_cipher_free(opening);
}

static void seal_all(const struct test_envelope *envelope, struct digest *digest, struct digest *content)
{
    struct stream_cipher *cipher = test_cipher(envelope, AEAD_SEAL);
    struct stream_closing *closing = NULL;
    CHECK_STATUS(stream_closing_new(cipher, &closing, &test_error), ANB_OK);
    for (int64_t j = 0; j < 3; j++) {
        char bytes[SIZE] = "the same bytes", plain[SIZE];
        struct chunk_proof proof;
        memcpy(plain, bytes, SIZE);
        CHECK_STATUS(stream_cipher_seal(cipher, j, bytes, SIZE, &proof, &test_error), ANB_OK);
        CHECK(memcmp(bytes, plain, SIZE) != 0);
        stream_closing_add(closing, &proof);
    }
    CHECK_STATUS(stream_closing_finish(closing, digest, content, &test_error), ANB_OK);
    stream_closing_free(closing);
    stream_cipher_free(cipher);
}

static void only_the_content_of_a_rounds_model_is_told_and_it_does_not_depend_on_the_key(void)
{
    struct digest digests[2], contents[2], none = {{0}};
    for (int i = 0; i < 2; i++) {
        struct test_envelope envelope = test_envelope_new(&stream_id, PURPOSE_MODEL, 3);
        seal_all(&envelope, &digests[i], &contents[i]);
    }
    CHECK(!digest_equal(&digests[0], &digests[1]));
    CHECK(digest_equal(&contents[0], &contents[1]));
    CHECK(!digest_equal(&contents[0], &none));
    static const enum purpose quiet[] = {PURPOSE_UPDATE, PURPOSE_BUNDLE, PURPOSE_STATE, PURPOSE_PEER};
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++) {
        struct test_envelope envelope = test_envelope_new(&stream_id, quiet[i], 3);
        seal_all(&envelope, &digests[0], &contents[0]);
        CHECK(digest_equal(&contents[0], &none));
    }
    struct stream_opened first = test_opened(&stream_id, PURPOSE_MODEL, 3);
    first.round = -1;
    struct test_envelope envelope = test_envelope_of(&first);
    seal_all(&envelope, &digests[0], &contents[0]);
    CHECK(digest_equal(&contents[0], &none));
}

TEST_MAIN("cipher", TEST(every_field_of_the_header_is_bound_to_the_key_or_left_to_the_signature),
          TEST(another_item_in_an_array_of_the_header_is_another_stream),
          TEST(a_sender_with_another_key_for_one_receiver_is_found_by_the_commitment),
          TEST(chunks_that_do_not_exist_are_refused), TEST(an_altered_chunk_does_not_open_and_leaves_nothing_behind),
          TEST(only_the_content_of_a_rounds_model_is_told_and_it_does_not_depend_on_the_key))
