/* The voice of a node: what must not be heard, then what is. */
#include "node/voice.h"

#include "support/records.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

enum { RECORD_BYTES = 4096 };

static const struct voice_place place = {"river", "site-a", 3};
static struct arena arena;
static struct buf bytes;
static struct voice *voice;

static void begin(void)
{
    arena_init(&arena, 1 << 20);
    buf_init(&bytes, CONTROL_RECORD_MAX_BYTES);
    CHECK_STATUS(voice_make(&place, &voice, &test_error), ANB_OK);
}

static void end(void)
{
    arena_fini(&arena);
    buf_fini(&bytes);
    voice_free(voice);
    voice = NULL;
}

static struct record abandoned(int64_t sequence, const char *reason)
{
    struct record record = {.kind = RECORD_STREAM_ABANDONED,
                            .is.stream_abandoned = {.head = {"river", "site-a", 3, sequence, 0, 1},
                                                    .job = "00000000000000aa",
                                                    .round = 2,
                                                    .gives_up = true,
                                                    .reason = reason}};
    return record;
}

/* Its bytes, in `bytes`. */
static void write(int64_t sequence, const char *reason)
{
    struct record record = abandoned(sequence, reason);
    CHECK_STATUS(voice_write(voice, &record, &bytes, &test_error), ANB_OK);
}

static enum anb_status hear(struct voice *with, struct slice from, struct record *record)
{
    enum anb_status status = wire_decode(from, &arena, record, &test_error);
    return status == ANB_OK ? voice_hear(with, from, &arena, record, &test_error) : status;
}

static void check_unheard(struct voice *with, struct slice from)
{
    struct record record;
    CHECK_STATUS(hear(with, from, &record), ANB_CORRUPT);
    CHECK(record.unheard);
    CHECK_TEXT(record.is.stream_abandoned.reason, "");
}

static void another_voice_hears_nothing(void)
{
    static const struct voice_place others[] = {{"river", "site-b", 3}, {"river", "site-a", 4}, {"brook", "site-a", 3}};
    struct voice *other;
    begin();
    write(1, "no space on /data");
    CHECK_STATUS(voice_make(&place, &other, &test_error), ANB_OK);
    check_unheard(other, buf_slice(&bytes));
    voice_free(other);
    for (size_t i = 0; i < 3; i++) {
        static const unsigned char key[VOICE_KEY_BYTES] = {7};
        struct voice *mine;
        buf_clear(&bytes);
        struct record record = abandoned(1, "no space");
        CHECK_STATUS(voice_new(&place, key, &mine, &test_error), ANB_OK);
        CHECK_STATUS(voice_new(&others[i], key, &other, &test_error), ANB_OK);
        CHECK_STATUS(voice_write(mine, &record, &bytes, &test_error), ANB_OK);
        check_unheard(other, buf_slice(&bytes));
        CHECK(!digest_equal(voice_commitment(mine), voice_commitment(other)));
        voice_free(mine);
        voice_free(other);
    }
    end();
}

/* Each bit of the record, in the head, in the fields beside what is said, in what is said, in the tag. */
static void no_altered_bit_is_heard(void)
{
    begin();
    write(1, "no space on /data");
    for (size_t i = 0; i < bytes.size * 8; i++) {
        struct record record;
        arena_reset(&arena);
        bytes.data[i / 8] ^= (unsigned char)(1 << i % 8);
        CHECK(hear(voice, buf_slice(&bytes), &record) != ANB_OK);
        bytes.data[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    struct record record;
    CHECK_STATUS(hear(voice, buf_slice(&bytes), &record), ANB_OK);
    end();
}

static void nothing_cut_off_is_heard(void)
{
    begin();
    write(1, "no space on /data");
    for (size_t size = 0; size < bytes.size; size++) {
        struct record record;
        arena_reset(&arena);
        CHECK(hear(voice, slice_of(bytes.data, size), &record) != ANB_OK);
    }
    struct record record = abandoned(1, "");
    record.is.stream_abandoned.said = slice_of("short", 5);
    CHECK_STATUS(voice_hear(voice, buf_slice(&bytes), &arena, &record, &test_error), ANB_CORRUPT);
    CHECK(strstr(test_error.text, "cut off") != NULL);
    end();
}

/* The sealed bytes of one record at the end of another. */
static void what_was_said_in_one_record_is_not_heard_in_another(void)
{
    struct record first = abandoned(1, "one"), second = abandoned(2, "two"), swapped = abandoned(2, "");
    struct buf other;
    begin();
    buf_init(&other, RECORD_BYTES);
    CHECK_STATUS(voice_write(voice, &first, &bytes, &test_error), ANB_OK);
    CHECK_STATUS(voice_write(voice, &second, &other, &test_error), ANB_OK);
    struct record decoded;
    CHECK_STATUS(wire_decode(buf_slice(&bytes), &arena, &decoded, &test_error), ANB_OK);
    swapped.is.stream_abandoned.said = decoded.is.stream_abandoned.said;
    buf_clear(&other);
    CHECK_STATUS(wire_encode(&swapped, &other, &test_error), ANB_OK);
    check_unheard(voice, buf_slice(&other));
    buf_fini(&other);
    end();
}

/* The same fields and the same sequence number, said by telemetry's key. */
static void telemetry_and_control_have_keys_of_their_own(void)
{
    struct record line = {.kind = RECORD_TELEMETRY,
                          .is.telemetry = {.head = {"river", "site-a", 3, 0, 0, 1},
                                           .job = "00000000000000aa",
                                           .source = "stderr",
                                           .key = "",
                                           .text = "Traceback"}};
    struct record got, control = abandoned(1, "x");
    begin();
    CHECK_STATUS(voice_write(voice, &line, &bytes, &test_error), ANB_OK);
    CHECK_STATUS(hear(voice, buf_slice(&bytes), &got), ANB_OK);
    CHECK_TEXT(got.is.telemetry.text, "Traceback");
    CHECK_EQUAL(got.is.telemetry.head.sequence, 1);
    CHECK_STATUS(wire_decode(buf_slice(&bytes), &arena, &got, &test_error), ANB_OK);
    control.is.stream_abandoned.said = got.is.telemetry.said;
    buf_clear(&bytes);
    CHECK_STATUS(wire_encode(&control, &bytes, &test_error), ANB_OK);
    check_unheard(voice, buf_slice(&bytes));
    end();
}

static void a_sequence_number_is_never_used_twice(void)
{
    begin();
    struct record first = abandoned(5, "one"), same = abandoned(5, "two"), earlier = abandoned(4, "three");
    CHECK_STATUS(voice_write(voice, &first, &bytes, &test_error), ANB_OK);
    size_t size = bytes.size;
    CHECK_STATUS(voice_write(voice, &same, &bytes, &test_error), ANB_FATAL);
    CHECK_STATUS(voice_write(voice, &earlier, &bytes, &test_error), ANB_FATAL);
    CHECK_EQUAL(bytes.size, size);
    for (int64_t i = 1; i <= 3; i++) { /* telemetry counts for itself, whatever its caller says */
        struct record line = {
            .kind = RECORD_TELEMETRY,
            .is.telemetry = {
                .head = {"river", "site-a", 3, 1, 0, 1}, .job = "j", .source = "stdout", .key = "", .text = ""}};
        CHECK_STATUS(voice_write(voice, &line, &bytes, &test_error), ANB_OK);
        CHECK_EQUAL(line.is.telemetry.head.sequence, i);
    }
    end();
}

static void a_record_that_cannot_be_written_uses_no_number_up(void)
{
    begin();
    struct record bad = abandoned(1, NULL), good = abandoned(1, "fine");
    CHECK_STATUS(voice_write(voice, &bad, &bytes, &test_error), ANB_INVALID);
    CHECK_EQUAL(bytes.size, 0);
    CHECK_STATUS(voice_write(voice, &good, &bytes, &test_error), ANB_OK);
    end();
}

static void the_words_do_not_stand_in_the_record(void)
{
    begin();
    write(1, "canary-5f3a");
    CHECK(memmem(bytes.data, bytes.size, "canary", 6) == NULL);
    end();
}

static void fill_said(struct random *random, struct record *record)
{
    struct record said;
    struct buf inner;
    buf_init(&inner, CONTROL_RECORD_MAX_BYTES);
    random_record(random, RECORD_SAID, &arena, &said);
    CHECK_STATUS(wire_encode(&said, &inner, &test_error), ANB_OK);
    CHECK_STATUS(said_decode(buf_slice(&inner), &arena, record, &test_error), ANB_OK);
    *record_said(record) = slice_of(NULL, 0);
    buf_fini(&inner);
}

/* The same bytes when said in the clear. */
static void check_said(const struct record *a, const struct record *b)
{
    struct buf first, second;
    buf_init(&first, CONTROL_RECORD_MAX_BYTES);
    buf_init(&second, CONTROL_RECORD_MAX_BYTES);
    CHECK_STATUS(said_encode(a, &first, &test_error), ANB_OK);
    CHECK_STATUS(said_encode(b, &second, &test_error), ANB_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
    buf_fini(&first);
    buf_fini(&second);
}

static void every_kind_is_heard_as_it_was_said(void)
{
    begin();
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        struct random random = {(uint64_t)kind};
        struct record record, got;
        random_record(&random, (enum record_kind)kind, &arena, &record);
        struct head *head = record_head(&record);
        if (!head) continue;
        *head = (struct head){"river", "site-a", 3, 100 + kind, 0, 1};
        bool says = record_said(&record) != NULL;
        if (says) fill_said(&random, &record);
        buf_clear(&bytes);
        CHECK_STATUS(voice_write(voice, &record, &bytes, &test_error), ANB_OK);
        CHECK_STATUS(hear(voice, buf_slice(&bytes), &got), ANB_OK);
        CHECK(!got.unheard);
        if (says) check_said(&record, &got);
        if (says) *record_said(&got) = slice_of(NULL, 0);
        CHECK(records_equal(&record, &got));
    }
    end();
}

/* -- wraps */

static void a_wrap_opens_for_its_receiver_place_and_commitment_only(void)
{
    struct key *receiver, *other;
    struct wrap wrap;
    struct voice *heard = NULL;
    begin();
    CHECK_STATUS(key_make(&receiver, &test_error), ANB_OK);
    CHECK_STATUS(key_make(&other, &test_error), ANB_OK);
    CHECK_STATUS(voice_wrap(voice, &place, receiver, &wrap, &test_error), ANB_OK);
    const struct digest *commitment = voice_commitment(voice);
    static const struct voice_place later = {"river", "site-a", 4}, neighbour = {"river", "site-b", 3};
    CHECK_STATUS(voice_unwrap(&place, commitment, other, &wrap, &heard, &test_error), ANB_DENIED);
    CHECK_STATUS(voice_unwrap(&later, commitment, receiver, &wrap, &heard, &test_error), ANB_DENIED);
    CHECK_STATUS(voice_unwrap(&neighbour, commitment, receiver, &wrap, &heard, &test_error), ANB_DENIED);
    struct digest lie = *commitment;
    lie.bytes[31] ^= 1;
    CHECK_STATUS(voice_unwrap(&place, &lie, receiver, &wrap, &heard, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "another voice") != NULL);
    wrap.bytes[80] ^= 1;
    CHECK_STATUS(voice_unwrap(&place, commitment, receiver, &wrap, &heard, &test_error), ANB_DENIED);
    wrap.bytes[80] ^= 1;
    CHECK(heard == NULL);
    CHECK_STATUS(voice_unwrap(&place, commitment, receiver, &wrap, &heard, &test_error), ANB_OK);
    write(1, "no space on /data");
    struct record record;
    CHECK_STATUS(hear(heard, buf_slice(&bytes), &record), ANB_OK);
    CHECK_TEXT(record.is.stream_abandoned.reason, "no space on /data");
    voice_free(heard);
    key_free(receiver);
    key_free(other);
    end();
}

TEST_MAIN("voice", TEST(another_voice_hears_nothing), TEST(no_altered_bit_is_heard), TEST(nothing_cut_off_is_heard),
          TEST(what_was_said_in_one_record_is_not_heard_in_another), TEST(telemetry_and_control_have_keys_of_their_own),
          TEST(a_sequence_number_is_never_used_twice), TEST(a_record_that_cannot_be_written_uses_no_number_up),
          TEST(the_words_do_not_stand_in_the_record), TEST(every_kind_is_heard_as_it_was_said),
          TEST(a_wrap_opens_for_its_receiver_place_and_commitment_only))
