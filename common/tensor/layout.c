/* A layout keeps three pieces of memory beside its canonical text: the table of tensors, and the pools of their names
 * and shapes. How much a header can hold at most follows from its size, so each piece is made once and pointers into it
 * stay; what a header does not use of them is never touched and costs no memory. A tensor takes 48 bytes, 8 for each
 * dimension, and its name. */
#include "tensor/layout.h"

#include "base/utf8.h"
#include "tensor/header_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct layout {
    struct tensor_entry *tensors; /* in data order */
    size_t n_tensors;
    int64_t *shapes;
    size_t shapes_size;
    char *names; /* each with a NUL behind it */
    size_t names_size, names_room;
    struct buf text;
    struct digest digest;
};

/* A name as it may stand in a sentence: short, and UTF-8 even where it was cut. */
struct shown {
    char text[96];
};

static struct shown shown(const char *name)
{
    struct shown shown;
    snprintf(shown.text, sizeof shown.text, "%s", name);
    utf8_repair(shown.text);
    return shown;
}

static bool read_shape(struct reader *reader, struct tensor_entry *tensor)
{
    int n = 0;
    if (!reader_expect(reader, '[')) return false;
    for (; reader_more(reader, ']', (size_t)n); n++) {
        if (n == LAYOUT_MAX_DIMENSIONS) return reader_fail(reader, "more than %d dimensions", LAYOUT_MAX_DIMENSIONS);
        if (!reader_count(reader, &tensor->shape[n])) return false;
    }
    tensor->n_dimensions = n;
    return reader->status == ANB_OK;
}

static bool read_offsets(struct reader *reader, struct tensor_entry *tensor)
{
    return reader_expect(reader, '[') && reader_count(reader, &tensor->begin) && reader_expect(reader, ',') &&
           reader_count(reader, &tensor->end) && reader_expect(reader, ']');
}

static bool read_dtype(struct reader *reader, struct tensor_entry *tensor)
{
    char word[32];
    size_t size;
    if (!reader_text(reader, word, sizeof word, &size)) return false;
    return dtype_parse(word, &tensor->dtype) ||
           reader_fail(reader, "dtype \"%s\" is not supported (F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL are)", word);
}

static bool read_tensor(struct reader *reader, struct tensor_entry *tensor)
{
    static const struct {
        const char *key;
        bool (*read)(struct reader *reader, struct tensor_entry *tensor);
    } fields[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};
    enum { N_FIELDS = sizeof fields / sizeof *fields };
    bool seen[N_FIELDS] = {false};
    size_t n = 0;
    if (!reader_expect(reader, '{')) return false;
    for (; reader_more(reader, '}', n); n++) {
        char key[32];
        size_t size, i = 0;
        if (!reader_text(reader, key, sizeof key, &size) || !reader_expect(reader, ':')) return false;
        while (i < N_FIELDS && strcmp(key, fields[i].key) != 0) i++;
        if (i == N_FIELDS) return reader_fail(reader, "unknown key \"%s\"", key);
        if (seen[i]) return reader_fail(reader, "\"%s\" stands there twice", key);
        if (!fields[i].read(reader, tensor)) return false;
        seen[i] = true;
    }
    for (size_t i = 0; i < N_FIELDS && reader->status == ANB_OK; i++)
        if (!seen[i]) return reader_fail(reader, "\"%s\" is missing", fields[i].key);
    return reader->status == ANB_OK;
}

/* Zeros are left out of the product: whether a shape is too large does not depend on the order of its dimensions. */
static bool shape_bytes(const struct tensor_entry *tensor, int64_t *bytes)
{
    int64_t product = (int64_t)dtype_bytes(tensor->dtype);
    bool empty = false;
    for (int i = 0; i < tensor->n_dimensions; i++) {
        if (tensor->shape[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(product, tensor->shape[i], &product))
            return false;
    }
    *bytes = empty ? 0 : product;
    return true;
}

static bool check_tensor(struct reader *reader, const struct tensor_entry *tensor)
{
    int64_t bytes = 0;
    if (!shape_bytes(tensor, &bytes)) return reader_fail(reader, "the shape is too large: its bytes pass 2^63");
    if (tensor->end < tensor->begin || tensor->end - tensor->begin != bytes)
        return reader_fail(reader,
                           "%s of this shape takes %" PRId64 " bytes, but data_offsets are %" PRId64 " to %" PRId64,
                           dtype_word(tensor->dtype), bytes, tensor->begin, tensor->end);
    return true;
}

static bool read_named_tensor(struct reader *reader, struct layout *layout, const char *name)
{
    if (layout->n_tensors == LAYOUT_MAX_TENSORS) return reader_fail(reader, "more than %d tensors", LAYOUT_MAX_TENSORS);
    struct tensor_entry *tensor = &layout->tensors[layout->n_tensors++];
    *tensor = (struct tensor_entry){.name = name, .shape = layout->shapes + layout->shapes_size};
    if (read_tensor(reader, tensor) && check_tensor(reader, tensor)) {
        layout->shapes_size += (size_t)tensor->n_dimensions;
        return true;
    }
    anb_error_prefix(reader->err, "tensor \"%s\": ", shown(name).text);
    return false;
}

/* Pairs of texts. They are checked and dropped; `scratch` has `room` bytes. */
static bool skip_metadata(struct reader *reader, char *scratch, size_t room)
{
    size_t n = 0, size;
    if (!reader_expect(reader, '{')) return false;
    for (; reader_more(reader, '}', n); n++) {
        if (!reader_text(reader, scratch, room, &size) || !reader_expect(reader, ':')) return false;
        if (!reader_text(reader, scratch, room, &size)) return false;
    }
    return reader->status == ANB_OK;
}

static bool read_header(struct reader *reader, struct layout *layout)
{
    bool metadata_seen = false;
    if (reader->at == reader->end || *reader->at != '{') return reader_fail(reader, "a header begins with '{'");
    reader->at++;
    for (size_t n = 0; reader_more(reader, '}', n); n++) {
        char *name = layout->names + layout->names_size;
        size_t room = layout->names_room - layout->names_size, size;
        if (!reader_text(reader, name, room, &size) || !reader_expect(reader, ':')) return false;
        if (strcmp(name, "__metadata__") == 0) {
            if (metadata_seen) return reader_fail(reader, "\"__metadata__\" stands there twice");
            metadata_seen = true;
            if (!skip_metadata(reader, name, room)) return false;
            continue;
        }
        layout->names_size += size + 1;
        if (!read_named_tensor(reader, layout, name)) return false;
    }
    return reader_end(reader);
}

/* Several tensors without bytes may share a place: their names order them. */
static int by_place(const void *a, const void *b)
{
    const struct tensor_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

static enum anb_status check_places(const struct layout *layout, struct anb_error *err)
{
    int64_t expected = 0;
    for (size_t i = 0; i < layout->n_tensors; i++) {
        const struct tensor_entry *tensor = &layout->tensors[i];
        if (tensor->begin != expected)
            return anb_fail(err, ANB_INVALID,
                            "tensor \"%s\" begins at byte %" PRId64 ", but the tensors before it end at %" PRId64
                            ": tensors may not %s",
                            shown(tensor->name).text, tensor->begin, expected,
                            tensor->begin < expected ? "overlap" : "leave holes");
        expected = tensor->end;
    }
    return ANB_OK;
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static enum anb_status check_names(const struct layout *layout, struct anb_error *err)
{
    size_t n = layout->n_tensors;
    const char **names = calloc(n + 1, sizeof *names);
    if (!names) return anb_fail(err, ANB_NO_MEMORY, "no memory for %zu names", n);
    for (size_t i = 0; i < n; i++) names[i] = layout->tensors[i].name;
    qsort(names, n, sizeof *names, by_name);
    enum anb_status status = ANB_OK;
    for (size_t i = 1; i < n && status == ANB_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = anb_fail(err, ANB_INVALID, "tensor \"%s\" stands there twice", shown(names[i]).text);
    free(names);
    return status;
}

static enum anb_status append_tensor(struct buf *text, const struct tensor_entry *tensor, struct anb_error *err)
{
    enum anb_status status = header_quote(text, tensor->name, err);
    if (status == ANB_OK) status = buf_printf(text, err, ":{\"dtype\":\"%s\",\"shape\":[", dtype_word(tensor->dtype));
    for (int i = 0; i < tensor->n_dimensions && status == ANB_OK; i++)
        status = buf_printf(text, err, "%s%" PRId64, i > 0 ? "," : "", tensor->shape[i]);
    if (status != ANB_OK) return status;
    return buf_printf(text, err, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", tensor->begin, tensor->end);
}

static enum anb_status write_text(struct layout *layout, struct anb_error *err)
{
    buf_init(&layout->text, LAYOUT_MAX_BYTES);
    enum anb_status status = buf_append_text(&layout->text, "{", err);
    for (size_t i = 0; i < layout->n_tensors && status == ANB_OK; i++) {
        if (i > 0) status = buf_append_text(&layout->text, ",", err);
        if (status == ANB_OK) status = append_tensor(&layout->text, &layout->tensors[i], err);
    }
    if (status == ANB_OK) status = buf_append_text(&layout->text, "}", err);
    return status;
}

static bool take_if_next(struct slice *rest, struct slice expected)
{
    if (rest->size < expected.size || memcmp(rest->data, expected.data, expected.size) != 0) return false;
    *rest = slice_of((const char *)rest->data + expected.size, rest->size - expected.size);
    return true;
}

/* What write_text would write, without writing it: tensor by tensor. */
static bool is_canonical(const struct layout *layout, struct slice text)
{
    struct buf piece;
    buf_init(&piece, LAYOUT_MAX_BYTES);
    bool same = take_if_next(&text, slice_of_text("{"));
    for (size_t i = 0; i < layout->n_tensors && same; i++) {
        buf_clear(&piece);
        same = (i == 0 || buf_append_text(&piece, ",", NULL) == ANB_OK) &&
               append_tensor(&piece, &layout->tensors[i], NULL) == ANB_OK && take_if_next(&text, buf_slice(&piece));
    }
    buf_fini(&piece);
    return same && take_if_next(&text, slice_of_text("}")) && text.size == 0;
}

/* What a header of this size can hold at most: the shortest tensor is
 * "":{"dtype":"I8","shape":[],"data_offsets":[0,0]}, and a dimension takes two bytes. */
static bool make_room(struct layout *layout, size_t header_bytes)
{
    enum { SHORTEST_TENSOR = 48, SHORTEST_DIMENSION = 2 };
    size_t n_tensors = header_bytes / SHORTEST_TENSOR + 1, n_dimensions = header_bytes / SHORTEST_DIMENSION;
    if (n_tensors > LAYOUT_MAX_TENSORS) n_tensors = LAYOUT_MAX_TENSORS;
    if (n_dimensions > n_tensors * LAYOUT_MAX_DIMENSIONS) n_dimensions = n_tensors * LAYOUT_MAX_DIMENSIONS;
    layout->names_room = header_bytes + 1;
    layout->names = malloc(layout->names_room);
    layout->tensors = malloc(n_tensors * sizeof *layout->tensors);
    layout->shapes = malloc((n_dimensions + LAYOUT_MAX_DIMENSIONS) * sizeof *layout->shapes);
    return layout->names && layout->tensors && layout->shapes;
}

static bool is_sorted(const struct layout *layout)
{
    for (size_t i = 1; i < layout->n_tensors; i++)
        if (by_place(&layout->tensors[i - 1], &layout->tensors[i]) > 0) return false;
    return true;
}

static enum anb_status read_tensors(struct slice header, struct layout *layout, struct anb_error *err)
{
    if (header.size > LAYOUT_MAX_BYTES)
        return anb_fail(err, ANB_TOO_LARGE, "the header has %zu bytes, at most %d are read", header.size,
                        LAYOUT_MAX_BYTES);
    if (!make_room(layout, header.size))
        return anb_fail(err, ANB_NO_MEMORY, "no memory for a header of %zu bytes", header.size);
    struct reader reader;
    reader_init(&reader, header, err);
    if (!read_header(&reader, layout)) return reader.status;
    if (!is_sorted(layout)) qsort(layout->tensors, layout->n_tensors, sizeof *layout->tensors, by_place);
    enum anb_status status = check_names(layout, err);
    return status == ANB_OK ? check_places(layout, err) : status;
}

/* `owned` is the header's memory, or NULL. */
static enum anb_status make_layout(struct slice header, struct buf *owned, struct layout **layout,
                                   struct anb_error *err)
{
    struct layout *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for a layout");
    enum anb_status status = read_tensors(header, made, err);
    if (status == ANB_OK && owned && is_canonical(made, header)) {
        made->text = *owned;
        *owned = (struct buf){.ceiling = owned->ceiling};
    } else if (status == ANB_OK) {
        if (owned) buf_fini(owned);
        status = write_text(made, err);
    }
    if (status == ANB_OK) status = digest_of(buf_slice(&made->text), &made->digest, err);
    if (status == ANB_OK)
        *layout = made;
    else
        layout_free(made);
    return status;
}

enum anb_status layout_parse(struct slice header, struct layout **layout, struct anb_error *err)
{
    return make_layout(header, NULL, layout, err);
}

enum anb_status layout_take(struct buf *header, struct layout **layout, struct anb_error *err)
{
    enum anb_status status = make_layout(buf_slice(header), header, layout, err);
    buf_fini(header);
    return status;
}

static enum anb_status append_part(struct buf *text, const struct layout_part *part, int64_t begin,
                                   struct anb_error *err)
{
    if (part->bytes < 0 || part->bytes > INT64_MAX - begin)
        return anb_fail(err, ANB_INVALID, "%s: a size of %" PRId64 " bytes", part->name, part->bytes);
    int64_t size = part->bytes;
    const struct tensor_entry tensor = {.name = part->name,
                                        .dtype = DTYPE_U8,
                                        .n_dimensions = 1,
                                        .shape = &size,
                                        .begin = begin,
                                        .end = begin + part->bytes};
    enum anb_status status = text->size > 1 ? buf_append_text(text, ",", err) : ANB_OK;
    return status == ANB_OK ? append_tensor(text, &tensor, err) : status;
}

enum anb_status layout_of_bytes(const struct layout_part *parts, size_t n_parts, struct layout **layout,
                                struct anb_error *err)
{
    struct buf text;
    int64_t begin = 0;
    buf_init(&text, LAYOUT_MAX_BYTES);
    enum anb_status status = buf_append_text(&text, "{", err);
    for (size_t i = 0; status == ANB_OK && i < n_parts; i++) {
        status = append_part(&text, &parts[i], begin, err);
        if (status == ANB_OK) begin += parts[i].bytes;
    }
    if (status == ANB_OK) status = buf_append_text(&text, "}", err);
    if (status == ANB_OK) status = layout_parse(buf_slice(&text), layout, err);
    buf_fini(&text);
    return status;
}

void layout_free(struct layout *layout)
{
    if (!layout) return;
    buf_fini(&layout->text);
    free(layout->tensors);
    free(layout->shapes);
    free(layout->names);
    free(layout);
}

size_t layout_n_tensors(const struct layout *layout)
{
    return layout->n_tensors;
}

const struct tensor_entry *layout_tensor(const struct layout *layout, size_t index)
{
    return &layout->tensors[index];
}

int64_t layout_data_bytes(const struct layout *layout)
{
    return layout->n_tensors > 0 ? layout->tensors[layout->n_tensors - 1].end : 0;
}

struct slice layout_text(const struct layout *layout)
{
    return buf_slice(&layout->text);
}

const struct digest *layout_digest(const struct layout *layout)
{
    return &layout->digest;
}

/* Ends never fall along the table, so the first tensor that ends behind `at` is the one that holds it. */
size_t layout_find(const struct layout *layout, int64_t at)
{
    size_t low = 0, high = layout->n_tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (layout->tensors[middle].end > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
