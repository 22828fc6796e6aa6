/* What the tables say about a record as a whole. */
#include "wire/schema.h"
#include "wire/wire.h"

const char *record_name(enum record_kind kind)
{
    return wire_schemas[kind].name;
}

static bool has_head(const struct record *record)
{
    return record->kind != RECORD_CHUNK && record->kind != RECORD_SAID;
}

/* All heads have one place. */
struct head *record_head(struct record *record)
{
    return has_head(record) ? &record->is.node_up.head : NULL;
}

const struct head *record_head_const(const struct record *record)
{
    return has_head(record) ? &record->is.node_up.head : NULL;
}

size_t record_max_bytes(enum record_kind kind)
{
    if (kind == RECORD_STREAM_OPENED) return OPENING_RECORD_MAX_BYTES;
    return kind == RECORD_ROSTER_PUBLISHED ? ROSTER_RECORD_MAX_BYTES : CONTROL_RECORD_MAX_BYTES;
}
