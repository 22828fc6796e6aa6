/* The bytes of tests/vectors/records.json: fastavro wrote them, old logs hold such bytes, so they must read the same
 * for ever and be written the same. tests/python/test_schemas.py asks this of fastavro. */
#include "base/doc.h"
#include "base/file.h"
#include "support/test.h"
#include "wire/schema.h"
#include "wire/wire.h"

#include <stdio.h>
#include <string.h>

static bool says(const struct doc *doc, const struct wire_type *type, const char *value);

static bool says_hex(const struct doc *doc, const void *bytes, size_t size)
{
    char text[1024];
    return size < sizeof text / 2 && strcmp(doc_text(doc, "-"), hex_encode(bytes, size, text)) == 0;
}

static bool says_slice(const struct doc *doc, const struct slice *slice)
{
    return says_hex(doc, slice->data, slice->size);
}

static bool says_array(const struct doc *list, const struct wire_field *field, const char *record)
{
    const struct wire_type *items = field->type->items;
    const char *first = *(const char *const *)(record + field->offset);
    if (doc_size(list) != *(const size_t *)(record + field->count_offset)) return false;
    for (size_t i = 0; i < doc_size(list); i++)
        if (!says(doc_at(list, i), items, first + i * items->size)) return false;
    return true;
}

static bool says_fields(const struct doc *map, const struct wire_type *type, const char *record)
{
    for (size_t i = 0; i < type->n_parts; i++) {
        const struct wire_field *field = &type->fields[i];
        const struct doc *part = doc_get(map, field->name);
        bool same = field->type->kind == WIRE_ARRAY ? says_array(part, field, record)
                                                    : says(part, field->type, record + field->offset);
        if (same) continue;
        printf("%s.%s differs\n", type->name, field->name);
        return false;
    }
    return doc_size(map) == type->n_parts;
}

static bool says_symbol(const struct doc *doc, const struct wire_type *type, int symbol)
{
    static const struct {
        const char *name;
        const char *const *words;
    } enums[] = {{"Outcome", outcome_words}, {"ParamsType", params_type_words},         {"Purpose", purpose_words},
                 {"Role", role_words},       {"StreamEncoding", stream_encoding_words}, {"Task", task_words},
                 {"Why", why_words}};
    for (size_t i = 0; i < sizeof enums / sizeof *enums; i++)
        if (strcmp(enums[i].name, type->name) == 0) return strcmp(doc_text(doc, ""), enums[i].words[symbol]) == 0;
    return false;
}

static bool says(const struct doc *doc, const struct wire_type *type, const char *value)
{
    switch (type->kind) {
    case WIRE_STRING: return strcmp(doc_text(doc, "-"), *(const char *const *)value) == 0;
    case WIRE_BYTES: return says_slice(doc, (const struct slice *)value);
    case WIRE_LONG: return doc_kind(doc) == DOC_INT && doc_int(doc, 0) == *(const int64_t *)value;
    case WIRE_INT: return doc_kind(doc) == DOC_INT && doc_int(doc, 0) == *(const int32_t *)value;
    case WIRE_DOUBLE: return doc_real(doc, -1) == *(const double *)value;
    case WIRE_BOOLEAN: return doc_kind(doc) == DOC_BOOL && doc_bool(doc, false) == *(const bool *)value;
    case WIRE_ENUM: return says_symbol(doc, type, *(const int *)value);
    case WIRE_FIXED: return says_hex(doc, value, type->size);
    case WIRE_RECORD: return says_fields(doc, type, value);
    case WIRE_ARRAY: break;
    }
    return false;
}

static struct doc *read_vectors(void)
{
    struct buf text;
    struct doc *vectors = NULL;
    buf_init(&text, 1 << 20);
    CHECK_STATUS(file_read("tests/vectors/records.json", &text, &test_error), ANB_OK);
    CHECK_STATUS(doc_parse_json(buf_slice(&text), "records.json", &vectors, &test_error), ANB_OK);
    buf_fini(&text);
    return vectors;
}

/* The bytes of the kind's vector; 0 when there is none. */
static size_t bytes_of(const struct doc *vectors, int kind, unsigned char *bytes, size_t room)
{
    const char *hex = doc_text(doc_get(doc_get(vectors, wire_schemas[kind].name), "hex"), "");
    size_t size = strlen(hex) / 2;
    return size <= room && hex_decode(hex, bytes, size) ? size : 0;
}

static void check_vector(const struct doc *vectors, int kind)
{
    unsigned char bytes[1024];
    struct arena arena;
    struct record record;
    struct buf again;
    size_t size = bytes_of(vectors, kind, bytes, sizeof bytes);
    arena_init(&arena, 1 << 16);
    buf_init(&again, sizeof bytes);
    CHECK_STATUS(wire_decode(slice_of(bytes, size), &arena, &record, &test_error), ANB_OK);
    CHECK_EQUAL((int)record.kind, kind);
    const struct doc *value = doc_get(doc_get(vectors, wire_schemas[kind].name), "value");
    CHECK(says(value, wire_schemas[kind].type, (const char *)&record.is));
    CHECK_STATUS(wire_encode(&record, &again, &test_error), ANB_OK);
    CHECK(slice_equal(buf_slice(&again), slice_of(bytes, size)));
    buf_fini(&again);
    arena_fini(&arena);
}

static void every_kind_reads_and_writes_the_golden_bytes(void)
{
    struct doc *vectors = read_vectors();
    CHECK_EQUAL(doc_size(vectors), N_RECORD_KINDS);
    for (int kind = 0; vectors && kind < N_RECORD_KINDS; kind++) check_vector(vectors, kind);
    doc_free(vectors);
}

static void golden_chunk_is_read_in_place(void)
{
    unsigned char bytes[1024];
    struct chunk chunk;
    struct doc *vectors = read_vectors();
    size_t size = bytes_of(vectors, RECORD_CHUNK, bytes, sizeof bytes);
    CHECK_STATUS(chunk_parse(slice_of(bytes, size), &chunk, &test_error), ANB_OK);
    CHECK_EQUAL(chunk.index, 1023);
    CHECK(slice_equal(chunk.data, slice_of_text("river water")));
    doc_free(vectors);
}

TEST_MAIN("golden", TEST(every_kind_reads_and_writes_the_golden_bytes), TEST(golden_chunk_is_read_in_place))
