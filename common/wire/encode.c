/* Plain structs into Avro bytes: the tables lead through the struct, Avro C's value of that kind is filled and written.
 *
 * What was written is walked like foreign bytes: what one node appends, every node can read. */
#include "wire/avro_state.h"
#include "wire/frame.h"
#include "wire/walk.h"
#include "wire/wire.h"

#include <errno.h>
#include <string.h>

/* Avro C's setters take `void *` and copy from it. */
static void *from_const(const void *bytes)
{
    return (void *)(uintptr_t)bytes;
}

/* Each gives 0 or an errno of Avro C; EINVAL for a NULL text and an enum without a symbol. */
static int fill(avro_value_t *value, const struct wire_type *type, const char *from);

static int fill_string(avro_value_t *value, const char *from)
{
    const char *text = *(const char *const *)from;
    if (text) return avro_value_set_string_len(value, text, strlen(text) + 1);
    avro_set_error("a text is missing");
    return EINVAL;
}

static int fill_bytes(avro_value_t *value, const char *from)
{
    const struct slice *bytes = (const struct slice *)from;
    return avro_value_set_bytes(value, from_const(bytes->size ? bytes->data : ""), bytes->size);
}

static int fill_enum(avro_value_t *value, const struct wire_type *type, const char *from)
{
    int symbol;
    memcpy(&symbol, from, sizeof symbol);
    if (symbol >= 0 && (size_t)symbol < type->n_parts) return avro_value_set_enum(value, symbol);
    avro_set_error("%s %d has no symbol", type->name, symbol);
    return EINVAL;
}

static int fill_array(avro_value_t *array, const struct wire_type *items, const char *from, size_t count)
{
    int failed = 0;
    for (size_t i = 0; !failed && i < count; i++) {
        avro_value_t item;
        failed = avro_value_append(array, &item, NULL);
        if (!failed) failed = fill(&item, items, from + i * items->size);
    }
    return failed;
}

static int fill_field(avro_value_t *value, const struct wire_field *field, const char *record)
{
    const char *from = record + field->offset;
    if (field->type->kind != WIRE_ARRAY) return fill(value, field->type, from);
    size_t count = *(const size_t *)(record + field->count_offset);
    return fill_array(value, field->type->items, *(const char *const *)from, count);
}

static int fill_record(avro_value_t *value, const struct wire_type *type, const char *from)
{
    int failed = 0;
    for (size_t i = 0; !failed && i < type->n_parts; i++) {
        avro_value_t part;
        failed = avro_value_get_by_index(value, i, &part, NULL);
        if (!failed) failed = fill_field(&part, &type->fields[i], from);
        if (failed) avro_prefix_error("%s: ", type->fields[i].name);
    }
    return failed;
}

static int fill(avro_value_t *value, const struct wire_type *type, const char *from)
{
    switch (type->kind) {
    case WIRE_STRING: return fill_string(value, from);
    case WIRE_BYTES: return fill_bytes(value, from);
    case WIRE_LONG: return avro_value_set_long(value, *(const int64_t *)from);
    case WIRE_INT: return avro_value_set_int(value, *(const int32_t *)from);
    case WIRE_DOUBLE: return avro_value_set_double(value, *(const double *)from);
    case WIRE_BOOLEAN: return avro_value_set_boolean(value, *(const bool *)from);
    case WIRE_ENUM: return fill_enum(value, type, from);
    case WIRE_FIXED: return avro_value_set_fixed(value, from_const(from), type->size);
    case WIRE_RECORD: return fill_record(value, type, from);
    case WIRE_ARRAY: break; /* only in a record, beside its count */
    }
    return EINVAL;
}

static enum anb_status check_size(enum record_kind kind, size_t size, struct anb_error *err)
{
    if (kind == RECORD_CHUNK || size <= record_max_bytes(kind)) return ANB_OK;
    return anb_fail(err, ANB_TOO_LARGE, "%s record: %zu bytes, at most %zu may be", record_name(kind), size,
                    record_max_bytes(kind));
}

/* Write the filled value behind `out`'s bytes; `size` of them, not yet counted in out->size. */
static enum anb_status write_datum(avro_writer_t writer, enum record_kind kind, avro_value_t *value, struct buf *out,
                                   size_t *size, struct anb_error *err)
{
    int failed = avro_value_sizeof(value, size);
    if (failed) return avro_state_fail(err, ANB_FATAL, kind, failed);
    enum anb_status status = check_size(kind, FRAME_BYTES + *size, err);
    if (status == ANB_OK) status = buf_reserve(out, FRAME_BYTES + *size, err);
    if (status != ANB_OK) return status;
    unsigned char *place = out->data + out->size;
    frame_write(kind, place);
    avro_writer_memory_set_dest(writer, (char *)place + FRAME_BYTES, (int64_t)*size);
    failed = avro_value_write(writer, value);
    return failed ? avro_state_fail(err, ANB_FATAL, kind, failed) : ANB_OK;
}

static enum anb_status fill_and_write(struct avro_state *state, const struct record *record, struct buf *out,
                                      size_t *size, struct anb_error *err)
{
    avro_value_t value;
    enum anb_status status = avro_state_value(state, record->kind, &value, err);
    if (status != ANB_OK) return status;
    int failed = fill(&value, wire_schemas[record->kind].type, (const char *)&record->is);
    if (failed)
        status = avro_state_fail(err, ANB_INVALID, record->kind, failed);
    else
        status = write_datum(state->writer, record->kind, &value, out, size, err);
    avro_value_decref(&value);
    return status;
}

enum anb_status wire_encode(const struct record *record, struct buf *out, struct anb_error *err)
{
    if ((unsigned)record->kind >= N_RECORD_KINDS)
        return anb_fail(err, ANB_INVALID, "%u is no kind of record", (unsigned)record->kind);
    struct avro_state *state;
    size_t size = 0;
    enum anb_status status = avro_state_lock(&state, err);
    if (status != ANB_OK) return status;
    status = fill_and_write(state, record, out, &size, err);
    avro_state_unlock();
    if (status != ANB_OK) return status;
    struct slice datum = slice_of(out->data + out->size + FRAME_BYTES, size);
    if (walk_datum(record->kind, datum, err) != ANB_OK) {
        if (err) err->status = ANB_INVALID;
        return ANB_INVALID;
    }
    out->size += FRAME_BYTES + size;
    return ANB_OK;
}
