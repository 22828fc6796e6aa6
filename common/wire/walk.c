#include "wire/walk.h"

#include "base/utf8.h"
#include "wire/frame.h"

#include <stdio.h>
#include <string.h>

struct walk {
    struct slice rest;
    size_t whole_bytes;
    size_t n_items;
    const char *record;
    const char *field; /* where we are, for the sentence */
    struct anb_error *err;
};

static enum anb_status walk_type(struct walk *walk, const struct wire_type *type);

static __attribute__((format(printf, 2, 3))) enum anb_status refuse(struct walk *walk, const char *format, ...)
{
    char reason[160];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return anb_fail(walk->err, ANB_CORRUPT, "%s record, field %s, byte %zu of %zu: %s", walk->record, walk->field,
                    walk->whole_bytes - walk->rest.size, walk->whole_bytes, reason);
}

static enum anb_status walk_long(struct walk *walk, int64_t least, int64_t most, int64_t *value)
{
    int64_t got;
    if (!varint_read(&walk->rest, &got)) return refuse(walk, "a number is cut off or longer than 64 bits");
    if (got < least || got > most)
        return refuse(walk, "%lld is not within %lld..%lld", (long long)got, (long long)least, (long long)most);
    *value = got;
    return ANB_OK;
}

static enum anb_status walk_fixed(struct walk *walk, size_t size)
{
    if (walk->rest.size < size) return refuse(walk, "%zu bytes are needed, %zu are left", size, walk->rest.size);
    slice_skip(&walk->rest, size);
    return ANB_OK;
}

static enum anb_status walk_boolean(struct walk *walk)
{
    if (walk->rest.size < 1) return refuse(walk, "cut off");
    if (*(const unsigned char *)walk->rest.data > 1) return refuse(walk, "a truth value is neither 0 nor 1");
    slice_skip(&walk->rest, 1);
    return ANB_OK;
}

static enum anb_status walk_bytes(struct walk *walk, struct slice *content)
{
    int64_t size = 0;
    enum anb_status status = walk_long(walk, 0, INT64_MAX, &size);
    if (status != ANB_OK) return status;
    if ((uint64_t)size > walk->rest.size)
        return refuse(walk, "%lld bytes are announced, %zu are left", (long long)size, walk->rest.size);
    *content = slice_of(walk->rest.data, (size_t)size);
    slice_skip(&walk->rest, (size_t)size);
    return ANB_OK;
}

static enum anb_status walk_string(struct walk *walk)
{
    struct slice text;
    enum anb_status status = walk_bytes(walk, &text);
    if (status != ANB_OK || text.size == 0) return status;
    if (memchr(text.data, 0, text.size)) return refuse(walk, "a text has a NUL character in it");
    return utf8_is_valid(text) ? ANB_OK : refuse(walk, "a text is not UTF-8");
}

static enum anb_status walk_record(struct walk *walk, const struct wire_type *type)
{
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < type->n_parts; i++) {
        walk->field = type->fields[i].name;
        status = walk_type(walk, type->fields[i].type);
    }
    return status;
}

/* A block begins with its count; a negative one is followed by the block's size in bytes. */
static enum anb_status walk_block_head(struct walk *walk, int64_t *count, int64_t *block_bytes)
{
    *block_bytes = -1;
    enum anb_status status = walk_long(walk, -WIRE_MAX_ITEMS, WIRE_MAX_ITEMS, count);
    if (status != ANB_OK || *count >= 0) return status;
    *count = -*count;
    return walk_long(walk, 0, (int64_t)walk->rest.size, block_bytes);
}

static enum anb_status walk_items(struct walk *walk, const struct wire_type *items, int64_t count)
{
    const char *field = walk->field;
    walk->n_items += (size_t)count;
    if (walk->n_items > WIRE_MAX_ITEMS) return refuse(walk, "more than %d array items in one record", WIRE_MAX_ITEMS);
    enum anb_status status = ANB_OK;
    for (; status == ANB_OK && count > 0; count--) {
        walk->field = field;
        status = walk_type(walk, items);
    }
    return status;
}

static enum anb_status walk_array(struct walk *walk, const struct wire_type *items)
{
    const char *field = walk->field;
    for (;;) {
        int64_t count = 0, block_bytes;
        enum anb_status status = walk_block_head(walk, &count, &block_bytes);
        if (status != ANB_OK || count == 0) return status;
        size_t before = walk->rest.size;
        status = walk_items(walk, items, count);
        if (status != ANB_OK) return status;
        walk->field = field;
        if (block_bytes >= 0 && before - walk->rest.size != (size_t)block_bytes)
            return refuse(walk, "an array block has %zu bytes, not %lld as it says", before - walk->rest.size,
                          (long long)block_bytes);
    }
}

static enum anb_status walk_type(struct walk *walk, const struct wire_type *type)
{
    int64_t number;
    struct slice content;
    switch (type->kind) {
    case WIRE_STRING: return walk_string(walk);
    case WIRE_BYTES: return walk_bytes(walk, &content);
    case WIRE_LONG: return walk_long(walk, INT64_MIN, INT64_MAX, &number);
    case WIRE_INT: return walk_long(walk, INT32_MIN, INT32_MAX, &number);
    case WIRE_DOUBLE: return walk_fixed(walk, sizeof(double));
    case WIRE_BOOLEAN: return walk_boolean(walk);
    case WIRE_ENUM: return walk_long(walk, 0, (int64_t)type->n_parts - 1, &number);
    case WIRE_FIXED: return walk_fixed(walk, type->size);
    case WIRE_RECORD: return walk_record(walk, type);
    case WIRE_ARRAY: return walk_array(walk, type->items);
    }
    return refuse(walk, "its type is not known here");
}

enum anb_status walk_datum(enum record_kind kind, struct slice datum, struct anb_error *err)
{
    struct walk walk = {
        .rest = datum, .whole_bytes = datum.size, .record = wire_schemas[kind].name, .field = "-", .err = err};
    enum anb_status status = walk_type(&walk, wire_schemas[kind].type);
    if (status == ANB_OK && walk.rest.size > 0) return refuse(&walk, "%zu bytes are left over", walk.rest.size);
    return status;
}
