/* Avro bytes into plain structs: the bytes are walked (walk.c), read by Avro C, and copied into the caller's arena. */
#include "wire/avro_state.h"
#include "wire/frame.h"
#include "wire/walk.h"
#include "wire/wire.h"

#include <errno.h>
#include <string.h>

/* Each gives 0 or an errno; ENOMEM when the arena is full. */
static int take(avro_value_t *value, const struct wire_type *type, struct arena *arena, char *to);

static int take_string(avro_value_t *value, struct arena *arena, char *to)
{
    const char *text;
    size_t size; /* with the NUL */
    int failed = avro_value_get_string(value, &text, &size);
    if (failed) return failed;
    char *copy = arena_text(arena, slice_of(text, size - 1));
    *(const char **)to = copy;
    return copy ? 0 : ENOMEM;
}

static int take_bytes(avro_value_t *value, struct arena *arena, char *to)
{
    const void *bytes;
    size_t size;
    int failed = avro_value_get_bytes(value, &bytes, &size);
    if (failed) return failed;
    void *copy = arena_alloc(arena, size);
    if (!copy) return ENOMEM;
    if (size > 0) memcpy(copy, bytes, size);
    *(struct slice *)to = slice_of(copy, size);
    return 0;
}

static int take_boolean(avro_value_t *value, char *to)
{
    int truth;
    int failed = avro_value_get_boolean(value, &truth);
    if (!failed) *(bool *)to = truth != 0;
    return failed;
}

static int take_enum(avro_value_t *value, char *to)
{
    int symbol;
    int failed = avro_value_get_enum(value, &symbol);
    if (!failed) memcpy(to, &symbol, sizeof symbol);
    return failed;
}

static int take_fixed(avro_value_t *value, const struct wire_type *type, char *to)
{
    const void *bytes;
    size_t size;
    int failed = avro_value_get_fixed(value, &bytes, &size);
    if (failed || size != type->size) return failed ? failed : EINVAL;
    memcpy(to, bytes, size);
    return 0;
}

static int take_array(avro_value_t *array, const struct wire_field *field, struct arena *arena, char *record)
{
    const struct wire_type *items = field->type->items;
    size_t count;
    int failed = avro_value_get_size(array, &count);
    if (failed || count == 0) return failed;
    char *to = arena_alloc_array(arena, count, items->size);
    if (!to) return ENOMEM;
    for (size_t i = 0; !failed && i < count; i++) {
        avro_value_t item;
        failed = avro_value_get_by_index(array, i, &item, NULL);
        if (!failed) failed = take(&item, items, arena, to + i * items->size);
    }
    memcpy(record + field->offset, &to, sizeof to);
    *(size_t *)(record + field->count_offset) = count;
    return failed;
}

static int take_record(avro_value_t *value, const struct wire_type *type, struct arena *arena, char *to)
{
    int failed = 0;
    for (size_t i = 0; !failed && i < type->n_parts; i++) {
        const struct wire_field *field = &type->fields[i];
        avro_value_t part;
        failed = avro_value_get_by_index(value, i, &part, NULL);
        if (failed) return failed;
        if (field->type->kind == WIRE_ARRAY)
            failed = take_array(&part, field, arena, to);
        else
            failed = take(&part, field->type, arena, to + field->offset);
    }
    return failed;
}

static int take(avro_value_t *value, const struct wire_type *type, struct arena *arena, char *to)
{
    switch (type->kind) {
    case WIRE_STRING: return take_string(value, arena, to);
    case WIRE_BYTES: return take_bytes(value, arena, to);
    case WIRE_LONG: return avro_value_get_long(value, (int64_t *)to);
    case WIRE_INT: return avro_value_get_int(value, (int32_t *)to);
    case WIRE_DOUBLE: return avro_value_get_double(value, (double *)to);
    case WIRE_BOOLEAN: return take_boolean(value, to);
    case WIRE_ENUM: return take_enum(value, to);
    case WIRE_FIXED: return take_fixed(value, type, to);
    case WIRE_RECORD: return take_record(value, type, arena, to);
    case WIRE_ARRAY: break; /* only in a record, beside its count */
    }
    return EINVAL;
}

static enum anb_status read_value(avro_reader_t reader, avro_value_t *value, struct slice datum, struct arena *arena,
                                  struct record *record, struct anb_error *err)
{
    avro_reader_memory_set_source(reader, datum.data, (int64_t)datum.size);
    int failed = avro_value_read(reader, value);
    if (failed) return avro_state_fail(err, ANB_CORRUPT, record->kind, failed);
    failed = take(value, wire_schemas[record->kind].type, arena, (char *)&record->is);
    if (failed == ENOMEM)
        return anb_fail(err, ANB_TOO_LARGE,
                        "%s record of %zu bytes: it needs more memory than the %zu bytes left to it",
                        record_name(record->kind), datum.size, arena->ceiling - arena->used);
    return failed ? avro_state_fail(err, ANB_CORRUPT, record->kind, failed) : ANB_OK;
}

static enum anb_status read_and_take(struct avro_state *state, struct slice datum, struct arena *arena,
                                     struct record *record, struct anb_error *err)
{
    avro_value_t value;
    enum anb_status status = avro_state_value(state, record->kind, &value, err);
    if (status != ANB_OK) return status;
    status = read_value(state->reader, &value, datum, arena, record, err);
    avro_value_decref(&value);
    return status;
}

enum anb_status wire_decode(struct slice bytes, struct arena *arena, struct record *record, struct anb_error *err)
{
    struct record got;
    struct slice datum;
    memset(&got, 0, sizeof got);
    enum anb_status status = frame_open(bytes, &got.kind, &datum, err);
    if (status != ANB_OK) return status;
    if (got.kind != RECORD_CHUNK && bytes.size > record_max_bytes(got.kind))
        return anb_fail(err, ANB_TOO_LARGE, "%s record: %zu bytes, at most %zu may be", record_name(got.kind),
                        bytes.size, record_max_bytes(got.kind));
    status = walk_datum(got.kind, datum, err);
    struct avro_state *state;
    if (status == ANB_OK) status = avro_state_lock(&state, err);
    if (status != ANB_OK) return status;
    status = read_and_take(state, datum, arena, &got, err);
    avro_state_unlock();
    if (status != ANB_OK) return status;
    said_forget(&got);
    *record = got;
    return ANB_OK;
}
