/* Any bytes as a record. A first byte below the number of kinds stands for that kind's header, so that the fuzzer need
 * not guess fingerprints. What decodes must encode, and decode again to the same. */
#include "support/records.h"
#include "wire/frame.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES = 8192, ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool truth)
{
    if (!truth) abort();
}

static void round_trip(struct slice bytes)
{
    struct arena arena;
    struct buf out;
    struct record first, second;
    struct anb_error err;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, CONTROL_RECORD_MAX_BYTES);
    if (wire_decode(bytes, &arena, &first, &err) == ANB_OK) {
        require(wire_encode(&first, &out, &err) == ANB_OK);
        enum anb_status status = wire_decode(buf_slice(&out), &arena, &second, &err);
        require(status == ANB_TOO_LARGE || (status == ANB_OK && records_equal(&first, &second)));
    }
    require(arena.used <= ARENA_BYTES);
    arena_fini(&arena);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    unsigned char record[FRAME_BYTES + INPUT_BYTES];
    if (size == 0 || size > INPUT_BYTES || data[0] >= N_RECORD_KINDS) {
        round_trip(slice_of(data, size));
        return 0;
    }
    frame_write((enum record_kind)data[0], record);
    memcpy(record + FRAME_BYTES, data + 1, size - 1);
    round_trip(slice_of(record, FRAME_BYTES + size - 1));
    return 0;
}
