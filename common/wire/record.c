/* What the tables say about a record as a whole. */
#include "wire/schema.h"
#include "wire/wire.h"

const char *record_name(enum record_kind kind)
{
    return wire_schemas[kind].name;
}

/* Every record but Chunk begins with its head, so all heads have one place. */
struct head *record_head(struct record *record)
{
    return record->kind == RECORD_CHUNK ? NULL : &record->is.node_up.head;
}

const struct head *record_head_const(const struct record *record)
{
    return record->kind == RECORD_CHUNK ? NULL : &record->is.node_up.head;
}
