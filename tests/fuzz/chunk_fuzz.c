/* Any bytes as a chunk record, with and without a chunk's header before them: the parser by hand and Avro C behind its
 * guard must agree. */
#include "support/records.h"
#include "wire/frame.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES = 8192 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool truth)
{
    if (!truth) abort();
}

static void compare(struct slice bytes)
{
    struct record by_hand = {.kind = RECORD_CHUNK}, by_avro = {.kind = RECORD_CHUNK};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    enum anb_status first = chunk_parse(bytes, &by_hand.is.chunk, NULL);
    enum anb_status second = wire_decode(bytes, &arena, &by_avro, NULL);
    if (by_avro.kind == RECORD_CHUNK) require(first == second);
    if (first == ANB_OK) require(records_equal(&by_hand, &by_avro));
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    unsigned char record[FRAME_BYTES + INPUT_BYTES];
    compare(slice_of(data, size));
    if (size == 0 || size > INPUT_BYTES) return 0;
    frame_write(RECORD_CHUNK, record);
    memcpy(record + FRAME_BYTES, data, size);
    compare(slice_of(record, FRAME_BYTES + size));
    return 0;
}
