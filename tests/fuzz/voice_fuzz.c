/* What is said in confidence, in hostile hands. Without the key nobody can say anything: not by a record of any bytes,
 * not by a true record with other bytes in it. Wraps of any bytes give no voice. */
#include "node/voices.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES = 4096, ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct voice_place place = {"p", "site", 1};
static const unsigned char voice_key[VOICE_KEY_BYTES] = {1, 2, 3};

static void require(bool truth)
{
    if (!truth) abort();
}

struct stage {
    struct arena arena;
    struct voice *voice;
    struct key *own;
    struct voices *voices;
};

static void open_stage(struct stage *stage)
{
    arena_init(&stage->arena, ARENA_BYTES);
    require(voice_new(&place, voice_key, &stage->voice, NULL) == ANB_OK);
    require(key_make(&stage->own, NULL) == ANB_OK);
    require(voices_new("p", "server", stage->own, true, &stage->voices, NULL) == ANB_OK);
}

static void close_stage(struct stage *stage)
{
    voices_free(stage->voices);
    key_free(stage->own);
    voice_free(stage->voice);
    arena_fini(&stage->arena);
}

/* The voice that the server hears, by a true wrap. */
static void announce(struct stage *stage)
{
    struct receiver receiver = {.node = "server"};
    struct record up = {.kind = RECORD_NODE_UP,
                        .is.node_up = {.head = {"p", "site", 1, 1, 0, 0},
                                       .version = "",
                                       .voice_commitment = *voice_commitment(stage->voice),
                                       .receivers = &receiver,
                                       .n_receivers = 1}};
    require(voice_wrap(stage->voice, &place, stage->own, &receiver.wrap, NULL) == ANB_OK);
    require(voices_note(stage->voices, &up, NULL) == ANB_OK);
}

static void hear_nothing(struct stage *stage, struct slice bytes)
{
    struct record record;
    struct anb_error err;
    if (wire_decode(bytes, &stage->arena, &record, &err) != ANB_OK || !record_head(&record)) return;
    enum anb_status status = voices_hear(stage->voices, bytes, &stage->arena, &record, &err);
    require(!record_said(&record) || (status != ANB_OK && record.unheard));
    voices_note(stage->voices, &record, &err);
}

/* The input is what is changed in a true record: a place and what is laid over it, again and again. */
static void change_true_record(struct stage *stage, const unsigned char *data, size_t size)
{
    struct record record = {
        .kind = RECORD_STREAM_ABANDONED,
        .is.stream_abandoned = {.head = {"p", "site", 1, 2, 0, 0}, .job = "00000000000000aa", .reason = "disk full"}};
    struct buf truth, bytes;
    buf_init(&truth, CONTROL_RECORD_MAX_BYTES);
    buf_init(&bytes, CONTROL_RECORD_MAX_BYTES);
    require(voice_write(stage->voice, &record, &truth, NULL) == ANB_OK);
    require(buf_append(&bytes, buf_slice(&truth), NULL) == ANB_OK);
    for (size_t i = 0; i + 1 < size; i += 2) bytes.data[data[i] % bytes.size] ^= data[i + 1];
    if (!slice_equal(buf_slice(&truth), buf_slice(&bytes))) hear_nothing(stage, buf_slice(&bytes));
    buf_fini(&truth);
    buf_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    unsigned char record[FRAME_BYTES + INPUT_BYTES];
    struct stage stage;
    if (size < 2 || size > INPUT_BYTES) return 0;
    open_stage(&stage);
    announce(&stage);
    if (data[0] < N_RECORD_KINDS) {
        frame_write((enum record_kind)data[0], record);
        memcpy(record + FRAME_BYTES, data + 1, size - 1);
        hear_nothing(&stage, slice_of(record, FRAME_BYTES + size - 1));
    } else
        change_true_record(&stage, data + 1, size - 1);
    close_stage(&stage);
    return 0;
}
