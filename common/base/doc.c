/* Documents: navigation and building. The parsers are doc_yaml.c and doc_json.c. */
#include "base/doc_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct doc *doc_new(enum doc_kind kind)
{
    struct doc *doc = calloc(1, sizeof *doc);
    if (doc) doc->kind = kind;
    return doc;
}

static bool has_parts(const struct doc *doc)
{
    return doc && (doc->kind == DOC_LIST || doc->kind == DOC_MAP);
}

void doc_free(struct doc *doc)
{
    if (!doc) return;
    if (has_parts(doc)) {
        for (size_t i = 0; i < doc->is.parts.size; i++) doc_free(doc->is.parts.items[i]);
        free(doc->is.parts.items);
    }
    if (doc->kind == DOC_TEXT) free(doc->is.text);
    free(doc->key);
    free(doc);
}

enum doc_kind doc_kind(const struct doc *doc)
{
    return doc ? doc->kind : DOC_NULL;
}

const char *doc_kind_word(enum doc_kind kind)
{
    static const char *const words[] = {"nothing", "true or false", "an integer", "a number",
                                        "a text",  "a list",        "a map"};
    return words[kind];
}

int doc_line(const struct doc *doc)
{
    return doc ? doc->line : 0;
}

const struct doc *doc_get(const struct doc *map, const char *key)
{
    if (!map || map->kind != DOC_MAP) return NULL;
    for (size_t i = 0; i < map->is.parts.size; i++)
        if (strcmp(map->is.parts.items[i]->key, key) == 0) return map->is.parts.items[i];
    return NULL;
}

size_t doc_size(const struct doc *doc)
{
    return has_parts(doc) ? doc->is.parts.size : 0;
}

const struct doc *doc_at(const struct doc *doc, size_t index)
{
    return index < doc_size(doc) ? doc->is.parts.items[index] : NULL;
}

const char *doc_key_at(const struct doc *map, size_t index)
{
    const struct doc *part = doc_at(map, index);
    return part ? part->key : NULL;
}

int doc_key_line_at(const struct doc *map, size_t index)
{
    const struct doc *part = doc_at(map, index);
    return part ? part->key_line : 0;
}

const char *doc_text(const struct doc *doc, const char *fallback)
{
    return doc && doc->kind == DOC_TEXT ? doc->is.text : fallback;
}

int64_t doc_int(const struct doc *doc, int64_t fallback)
{
    return doc && doc->kind == DOC_INT ? doc->is.integer : fallback;
}

double doc_real(const struct doc *doc, double fallback)
{
    if (doc && doc->kind == DOC_INT) return (double)doc->is.integer;
    return doc && doc->kind == DOC_REAL ? doc->is.real : fallback;
}

bool doc_bool(const struct doc *doc, bool fallback)
{
    return doc && doc->kind == DOC_BOOL ? doc->is.truth : fallback;
}

static bool make_room(struct doc *parent)
{
    if (parent->is.parts.size < parent->is.parts.capacity) return true;
    size_t capacity = parent->is.parts.capacity ? 2 * parent->is.parts.capacity : 8;
    struct doc **items = realloc(parent->is.parts.items, capacity * sizeof *items);
    if (!items) return false;
    parent->is.parts.items = items;
    parent->is.parts.capacity = capacity;
    return true;
}

struct doc *doc_adopt(struct doc *parent, const char *key, struct doc *part)
{
    if (!part) return NULL;
    if (!has_parts(parent) || !make_room(parent)) goto refused;
    if (key) {
        free(part->key);
        part->key = strdup(key);
        if (!part->key) goto refused;
    }
    return parent->is.parts.items[parent->is.parts.size++] = part;
refused:
    doc_free(part);
    return NULL;
}

static struct doc *new_text(const char *text)
{
    if (!text) return doc_new(DOC_NULL);
    struct doc *doc = doc_new(DOC_TEXT);
    if (!doc) return NULL;
    doc->is.text = strdup(text);
    if (doc->is.text) return doc;
    free(doc);
    return NULL;
}

static struct doc *new_int(int64_t value)
{
    struct doc *doc = doc_new(DOC_INT);
    if (doc) doc->is.integer = value;
    return doc;
}

static struct doc *new_real(double value)
{
    struct doc *doc = doc_new(isfinite(value) ? DOC_REAL : DOC_NULL);
    if (doc) doc->is.real = value;
    return doc;
}

static struct doc *new_bool(bool value)
{
    struct doc *doc = doc_new(DOC_BOOL);
    if (doc) doc->is.truth = value;
    return doc;
}

static struct doc *new_copy(const struct doc *value)
{
    switch (doc_kind(value)) {
    case DOC_NULL: return doc_new(DOC_NULL);
    case DOC_BOOL: return new_bool(value->is.truth);
    case DOC_INT: return new_int(value->is.integer);
    case DOC_REAL: return new_real(value->is.real);
    case DOC_TEXT: return new_text(value->is.text);
    case DOC_LIST:
    case DOC_MAP: break;
    }
    struct doc *copy = doc_new(value->kind);
    for (size_t i = 0; copy && i < value->is.parts.size; i++) {
        const struct doc *part = value->is.parts.items[i];
        if (doc_adopt(copy, part->key, new_copy(part))) continue;
        doc_free(copy);
        return NULL;
    }
    return copy;
}

struct doc *doc_new_map(void)
{
    return doc_new(DOC_MAP);
}

struct doc *doc_new_list(void)
{
    return doc_new(DOC_LIST);
}

struct doc *doc_set_map(struct doc *map, const char *key)
{
    return doc_adopt(map, key, doc_new(DOC_MAP));
}

struct doc *doc_set_list(struct doc *map, const char *key)
{
    return doc_adopt(map, key, doc_new(DOC_LIST));
}

struct doc *doc_set_text(struct doc *map, const char *key, const char *text)
{
    return doc_adopt(map, key, new_text(text));
}

struct doc *doc_set_int(struct doc *map, const char *key, int64_t value)
{
    return doc_adopt(map, key, new_int(value));
}

struct doc *doc_set_real(struct doc *map, const char *key, double value)
{
    return doc_adopt(map, key, new_real(value));
}

struct doc *doc_set_bool(struct doc *map, const char *key, bool value)
{
    return doc_adopt(map, key, new_bool(value));
}

struct doc *doc_set_copy(struct doc *map, const char *key, const struct doc *value)
{
    return doc_adopt(map, key, new_copy(value));
}

struct doc *doc_add_map(struct doc *list)
{
    return doc_adopt(list, NULL, doc_new(DOC_MAP));
}

struct doc *doc_add_list(struct doc *list)
{
    return doc_adopt(list, NULL, doc_new(DOC_LIST));
}

struct doc *doc_add_text(struct doc *list, const char *text)
{
    return doc_adopt(list, NULL, new_text(text));
}

struct doc *doc_add_int(struct doc *list, int64_t value)
{
    return doc_adopt(list, NULL, new_int(value));
}

struct doc *doc_add_real(struct doc *list, double value)
{
    return doc_adopt(list, NULL, new_real(value));
}
