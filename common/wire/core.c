#include "wire/wire.h"

enum anb_status stream_core(const struct stream_opened *opened, struct digest *core, struct anb_error *err)
{
    struct record record = {.kind = RECORD_STREAM_OPENED, .is.stream_opened = *opened};
    struct stream_opened *bare = &record.is.stream_opened;
    struct buf bytes;
    bare->head = (struct head){.project = opened->head.project, .node = opened->head.node};
    bare->said = (struct slice){0};
    bare->key_commitment = (struct digest){{0}};
    bare->receivers = NULL;
    bare->n_receivers = 0;
    buf_init(&bytes, OPENING_RECORD_MAX_BYTES);
    enum anb_status status = wire_encode(&record, &bytes, err);
    if (status == ANB_OK) status = digest_of(buf_slice(&bytes), core, err);
    buf_fini(&bytes);
    return status;
}
