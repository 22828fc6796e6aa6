/* What a record says in confidence: some fields of its struct stand on the wire in a Said record only, whose bytes are
 * the record's last field. Which ones is a table made from the schemas. */
#include "wire/schema.h"
#include "wire/wire.h"

#include <string.h>

static char *bytes_of(struct record *record)
{
    return (char *)&record->is;
}

struct slice *record_said(struct record *record)
{
    const struct wire_saying *saying = &wire_sayings[record->kind];
    return saying->n_moves > 0 ? (struct slice *)(void *)(bytes_of(record) + saying->said_offset) : NULL;
}

/* All of it empty: 0, "", no items. */
static void say_nothing(struct record *said)
{
    memset(said, 0, sizeof *said);
    said->kind = RECORD_SAID;
    const struct wire_type *type = wire_schemas[RECORD_SAID].type;
    static const char *const nothing = "";
    for (size_t i = 0; i < type->n_parts; i++)
        if (type->fields[i].type->kind == WIRE_STRING)
            memcpy(bytes_of(said) + type->fields[i].offset, &nothing, sizeof nothing);
}

static void fill_in(struct record *record, struct record *said)
{
    const struct wire_saying *saying = &wire_sayings[record->kind];
    for (size_t i = 0; i < saying->n_moves; i++) {
        const struct wire_move *move = &saying->moves[i];
        memcpy(bytes_of(record) + move->in_record, bytes_of(said) + move->in_said, move->size);
    }
}

void said_forget(struct record *record)
{
    struct record nothing;
    say_nothing(&nothing);
    fill_in(record, &nothing);
    record->unheard = wire_sayings[record->kind].n_moves > 0;
}

enum anb_status said_encode(const struct record *record, struct buf *out, struct anb_error *err)
{
    struct record said;
    const struct wire_saying *saying = &wire_sayings[record->kind];
    say_nothing(&said);
    for (size_t i = 0; i < saying->n_moves; i++) {
        const struct wire_move *move = &saying->moves[i];
        memcpy(bytes_of(&said) + move->in_said, (const char *)&record->is + move->in_record, move->size);
    }
    return wire_encode(&said, out, err);
}

enum anb_status said_decode(struct slice bytes, struct arena *arena, struct record *record, struct anb_error *err)
{
    struct record said;
    enum anb_status status = wire_decode(bytes, arena, &said, err);
    if (status != ANB_OK) return status;
    if (said.kind != RECORD_SAID)
        return anb_fail(err, ANB_CORRUPT, "a %s record where a Said belongs", record_name(said.kind));
    fill_in(record, &said);
    record->unheard = false;
    return ANB_OK;
}
