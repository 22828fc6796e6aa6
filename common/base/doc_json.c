/* JSON texts, by jansson. */
#include "base/doc_private.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct doc *from_json(json_t *json, size_t *n_nodes);

static bool adopt_members(struct doc *map, json_t *json, size_t *n_nodes)
{
    const char *key;
    json_t *member;
    json_object_foreach(json, key, member)
    {
        if (!doc_adopt(map, key, from_json(member, n_nodes))) return false;
    }
    return true;
}

static bool adopt_elements(struct doc *list, json_t *json, size_t *n_nodes)
{
    for (size_t i = 0; i < json_array_size(json); i++)
        if (!doc_adopt(list, NULL, from_json(json_array_get(json, i), n_nodes))) return false;
    return true;
}

static struct doc *scalar_from_json(json_t *json)
{
    static const enum doc_kind kinds[] = {
        [JSON_STRING] = DOC_TEXT, [JSON_INTEGER] = DOC_INT, [JSON_REAL] = DOC_REAL,
        [JSON_TRUE] = DOC_BOOL,   [JSON_FALSE] = DOC_BOOL,  [JSON_NULL] = DOC_NULL,
    };
    struct doc *doc = doc_new(kinds[json_typeof(json)]);
    if (!doc) return NULL;
    if (json_is_boolean(json)) doc->is.truth = json_is_true(json);
    if (json_is_integer(json)) doc->is.integer = json_integer_value(json);
    if (json_is_real(json)) doc->is.real = json_real_value(json);
    if (json_is_string(json)) {
        doc->is.text = strdup(json_string_value(json));
        if (!doc->is.text) {
            free(doc);
            return NULL;
        }
    }
    return doc;
}

static struct doc *from_json(json_t *json, size_t *n_nodes)
{
    if (++*n_nodes > DOC_MAX_NODES) return NULL;
    if (!json_is_object(json) && !json_is_array(json)) return scalar_from_json(json);
    struct doc *doc = doc_new(json_is_object(json) ? DOC_MAP : DOC_LIST);
    if (!doc) return NULL;
    bool whole = json_is_object(json) ? adopt_members(doc, json, n_nodes) : adopt_elements(doc, json, n_nodes);
    if (whole) return doc;
    doc_free(doc);
    return NULL;
}

static size_t depth_of(struct slice text)
{
    const char *c = text.data;
    size_t depth = 0, deepest = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        if (quoted && c[i] == '\\')
            i++;
        else if (c[i] == '"')
            quoted = !quoted;
        else if (!quoted && (c[i] == '{' || c[i] == '[') && ++depth > deepest)
            deepest = depth;
        else if (!quoted && (c[i] == '}' || c[i] == ']') && depth > 0)
            depth--;
    }
    return deepest;
}

enum anb_status doc_parse_json(struct slice text, const char *name, struct doc **root, struct anb_error *err)
{
    if (depth_of(text) > DOC_MAX_DEPTH)
        return anb_fail(err, ANB_INVALID, "%s: nested deeper than %d levels", name, DOC_MAX_DEPTH);
    json_error_t error;
    json_t *json = json_loadb(text.data ? text.data : "", text.size, JSON_REJECT_DUPLICATES, &error);
    if (!json) return anb_fail(err, ANB_INVALID, "%s:%d: not JSON: %s", name, error.line, error.text);
    size_t n_nodes = 0;
    struct doc *doc = from_json(json, &n_nodes);
    json_decref(json);
    if (!doc) return anb_fail(err, ANB_TOO_LARGE, "%s: more than %d parts, or no memory for them", name, DOC_MAX_NODES);
    *root = doc;
    return ANB_OK;
}

static json_t *to_json(const struct doc *doc)
{
    json_t *json = NULL;
    switch (doc_kind(doc)) {
    case DOC_NULL: return json_null();
    case DOC_BOOL: return json_boolean(doc->is.truth);
    case DOC_INT: return json_integer(doc->is.integer);
    case DOC_REAL: return json_real(doc->is.real);
    case DOC_TEXT: return json_string(doc->is.text);
    case DOC_LIST: json = json_array(); break;
    case DOC_MAP: json = json_object(); break;
    }
    for (size_t i = 0; json && i < doc->is.parts.size; i++) {
        const struct doc *part = doc->is.parts.items[i];
        json_t *value = to_json(part);
        int failed =
            doc->kind == DOC_MAP ? json_object_set_new(json, part->key, value) : json_array_append_new(json, value);
        if (!failed) continue;
        json_decref(json);
        return NULL;
    }
    return json;
}

static int append_bytes(const char *bytes, size_t size, void *out)
{
    return buf_append(out, slice_of(bytes, size), NULL) == ANB_OK ? 0 : -1;
}

enum anb_status doc_write_json(const struct doc *doc, bool pretty, struct buf *out, struct anb_error *err)
{
    json_t *json = to_json(doc);
    if (!json) return anb_fail(err, ANB_INVALID, "cannot write JSON: a text is not UTF-8, or no memory");
    size_t flags = JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : JSON_COMPACT), before = out->size;
    int failed = json_dump_callback(json, append_bytes, out, flags);
    json_decref(json);
    if (!failed) return ANB_OK;
    out->size = before;
    return anb_fail(err, ANB_TOO_LARGE, "JSON text is longer than %zu bytes", out->ceiling - before);
}
