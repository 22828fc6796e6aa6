#include "support/records.h"

#include "wire/schema.h"

#include <stdlib.h>
#include <string.h>

uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    return random_next(random) % bound;
}

static void *need(void *memory)
{
    if (!memory) abort();
    return memory;
}

static void fill(struct random *random, const struct wire_type *type, struct arena *arena, char *to);

static const char *random_text(struct random *random, struct arena *arena)
{
    static const char *const characters[] = {"a", "0", "-", " ", "\n", "\"", "\\", "é", "ß", "水", "€", "🌊"};
    char text[128] = "";
    for (uint64_t n = random_below(random, 24); n > 0; n--)
        strcat(text, characters[random_below(random, sizeof characters / sizeof *characters)]);
    return need(arena_text(arena, slice_of_text(text)));
}

static void random_bytes(struct random *random, void *to, size_t size)
{
    for (size_t i = 0; i < size; i++) ((unsigned char *)to)[i] = (unsigned char)random_next(random);
}

/* Small numbers are as likely as large ones, and the ends of the range come up. */
static int64_t random_long(struct random *random)
{
    int64_t value = (int64_t)(random_next(random) >> random_below(random, 64));
    if (random_below(random, 20) == 0) return random_below(random, 2) ? INT64_MIN : INT64_MAX;
    return random_below(random, 2) ? value : -value;
}

static int32_t random_int(struct random *random)
{
    int32_t value = (int32_t)(random_next(random) >> (33 + random_below(random, 31)));
    if (random_below(random, 20) == 0) return random_below(random, 2) ? INT32_MIN : INT32_MAX;
    return random_below(random, 2) ? value : -value;
}

static void fill_array(struct random *random, const struct wire_field *field, struct arena *arena, char *record)
{
    const struct wire_type *items = field->type->items;
    size_t count = random_below(random, 6);
    char *to = need(arena_alloc_array(arena, count, items->size));
    for (size_t i = 0; i < count; i++) fill(random, items, arena, to + i * items->size);
    memcpy(record + field->offset, &to, sizeof to);
    *(size_t *)(record + field->count_offset) = count;
}

static void fill_record(struct random *random, const struct wire_type *type, struct arena *arena, char *to)
{
    for (size_t i = 0; i < type->n_parts; i++) {
        const struct wire_field *field = &type->fields[i];
        if (field->type->kind == WIRE_ARRAY)
            fill_array(random, field, arena, to);
        else
            fill(random, field->type, arena, to + field->offset);
    }
}

static void fill_slice(struct random *random, struct arena *arena, struct slice *slice)
{
    size_t size = random_below(random, 200);
    void *bytes = need(arena_alloc(arena, size));
    random_bytes(random, bytes, size);
    *slice = slice_of(bytes, size);
}

static void fill(struct random *random, const struct wire_type *type, struct arena *arena, char *to)
{
    switch (type->kind) {
    case WIRE_STRING: *(const char **)to = random_text(random, arena); break;
    case WIRE_BYTES: fill_slice(random, arena, (struct slice *)to); break;
    case WIRE_LONG: *(int64_t *)to = random_long(random); break;
    case WIRE_INT: *(int32_t *)to = random_int(random); break;
    case WIRE_DOUBLE: *(double *)to = (double)random_long(random) / 3; break;
    case WIRE_BOOLEAN: *(bool *)to = random_below(random, 2) == 1; break;
    case WIRE_ENUM: *(unsigned *)to = (unsigned)random_below(random, type->n_parts); break;
    case WIRE_FIXED: random_bytes(random, to, type->size); break;
    case WIRE_RECORD: fill_record(random, type, arena, to); break;
    case WIRE_ARRAY: abort();
    }
}

void random_record(struct random *random, enum record_kind kind, struct arena *arena, struct record *record)
{
    memset(record, 0, sizeof *record);
    record->kind = kind;
    fill(random, wire_schemas[kind].type, arena, (char *)&record->is);
}

static bool equal(const struct wire_type *type, const char *a, const char *b);

static bool arrays_equal(const struct wire_field *field, const char *a, const char *b)
{
    const struct wire_type *items = field->type->items;
    size_t count = *(const size_t *)(a + field->count_offset);
    if (count != *(const size_t *)(b + field->count_offset)) return false;
    const char *first = *(const char *const *)(a + field->offset), *second = *(const char *const *)(b + field->offset);
    for (size_t i = 0; i < count; i++)
        if (!equal(items, first + i * items->size, second + i * items->size)) return false;
    return true;
}

static bool fields_equal(const struct wire_type *type, const char *a, const char *b)
{
    for (size_t i = 0; i < type->n_parts; i++) {
        const struct wire_field *field = &type->fields[i];
        bool same = field->type->kind == WIRE_ARRAY ? arrays_equal(field, a, b)
                                                    : equal(field->type, a + field->offset, b + field->offset);
        if (!same) return false;
    }
    return true;
}

static bool equal(const struct wire_type *type, const char *a, const char *b)
{
    if (type->kind == WIRE_STRING) return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
    if (type->kind == WIRE_BYTES) return slice_equal(*(const struct slice *)a, *(const struct slice *)b);
    if (type->kind == WIRE_RECORD) return fields_equal(type, a, b);
    return memcmp(a, b, type->size) == 0;
}

bool records_equal(const struct record *a, const struct record *b)
{
    return a->kind == b->kind && equal(wire_schemas[a->kind].type, (const char *)&a->is, (const char *)&b->is);
}
