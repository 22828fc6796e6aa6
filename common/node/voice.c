#include "node/voice.h"

enum anb_status voice_write(struct record *record, struct buf *out, struct anb_error *err)
{
    struct slice *said = record_said(record);
    if (!said) return wire_encode(record, out, err);
    struct buf inner;
    buf_init(&inner, CONTROL_RECORD_MAX_BYTES);
    enum anb_status status = said_encode(record, &inner, err);
    *said = buf_slice(&inner);
    if (status == ANB_OK) status = wire_encode(record, out, err);
    *said = slice_of(NULL, 0);
    buf_fini(&inner);
    return status;
}

enum anb_status voice_hear(struct arena *arena, struct record *record, struct anb_error *err)
{
    struct slice *said = record_said(record);
    return said ? said_decode(*said, arena, record, err) : ANB_OK;
}
