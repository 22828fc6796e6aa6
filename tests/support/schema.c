#include "support/schema.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct doc *openapi_load(void)
{
    struct buf text;
    struct doc *root;
    struct anb_error err;
    buf_init(&text, 1 << 20);
    if (file_read("schemas/openapi.yaml", &text, &err) != ANB_OK ||
        doc_parse_yaml(buf_slice(&text), "openapi.yaml", &root, &err) != ANB_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    buf_fini(&text);
    return root;
}

const struct doc *openapi_resolve(const struct doc *openapi, const struct doc *part)
{
    const char *ref = doc_text(doc_get(part, "$ref"), NULL);
    if (!ref) return part;
    char path[256], *rest = path;
    snprintf(path, sizeof path, "%s", ref + 2);
    const struct doc *at = openapi;
    for (char *step; (step = strsep(&rest, "/")) != NULL;) at = doc_get(at, step);
    return at;
}

static bool is_type(const struct doc *value, const char *word)
{
    switch (doc_kind(value)) {
    case DOC_NULL: return strcmp(word, "null") == 0;
    case DOC_BOOL: return strcmp(word, "boolean") == 0;
    case DOC_INT: return strcmp(word, "integer") == 0 || strcmp(word, "number") == 0;
    case DOC_REAL: return strcmp(word, "number") == 0;
    case DOC_TEXT: return strcmp(word, "string") == 0;
    case DOC_LIST: return strcmp(word, "array") == 0;
    default: return strcmp(word, "object") == 0;
    }
}

static bool has_type(const struct doc *type, const struct doc *value)
{
    if (doc_kind(type) == DOC_TEXT) return is_type(value, doc_text(type, ""));
    for (size_t i = 0; i < doc_size(type); i++)
        if (is_type(value, doc_text(doc_at(type, i), ""))) return true;
    return !type;
}

static bool is_among(const struct doc *words, const struct doc *value)
{
    for (size_t i = 0; i < doc_size(words); i++) {
        const struct doc *word = doc_at(words, i);
        if (doc_kind(word) == doc_kind(value) && strcmp(doc_text(word, ""), doc_text(value, "")) == 0) return true;
    }
    return !words;
}

static enum anb_status check(const struct doc *openapi, const struct doc *schema, const struct doc *value,
                             const char *where, struct anb_error *err);

static enum anb_status check_members(const struct doc *openapi, const struct doc *schema, const struct doc *value,
                                     const char *where, struct anb_error *err)
{
    char place[512];
    const struct doc *required = doc_get(schema, "required"), *more = doc_get(schema, "additionalProperties");
    if (doc_kind(value) != DOC_MAP) return ANB_OK;
    for (size_t i = 0; i < doc_size(required); i++)
        if (!doc_get(value, doc_text(doc_at(required, i), "")))
            return anb_fail(err, ANB_INVALID, "%s: %s is missing", where, doc_text(doc_at(required, i), ""));
    for (size_t i = 0; i < doc_size(value); i++) {
        const char *key = doc_key_at(value, i);
        const struct doc *part = doc_get(doc_get(schema, "properties"), key);
        if (!part && doc_kind(more) == DOC_MAP) part = more;
        if (!part && more) return anb_fail(err, ANB_INVALID, "%s: %s is not in the schema", where, key);
        snprintf(place, sizeof place, "%.400s.%.100s", where, key);
        enum anb_status status = part ? check(openapi, part, doc_at(value, i), place, err) : ANB_OK;
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

static enum anb_status check(const struct doc *openapi, const struct doc *schema, const struct doc *value,
                             const char *where, struct anb_error *err)
{
    schema = openapi_resolve(openapi, schema);
    if (!schema) return anb_fail(err, ANB_INVALID, "%s: the schema is missing", where);
    if (!has_type(doc_get(schema, "type"), value))
        return anb_fail(err, ANB_INVALID, "%s: is %s", where, doc_kind_word(doc_kind(value)));
    if (!is_among(doc_get(schema, "enum"), value))
        return anb_fail(err, ANB_INVALID, "%s: \"%s\" is not among the words", where, doc_text(value, "?"));
    const struct doc *items = doc_get(schema, "items");
    enum anb_status status = check_members(openapi, schema, value, where, err);
    for (size_t i = 0; items && status == ANB_OK && i < doc_size(value); i++)
        status = check(openapi, items, doc_at(value, i), where, err);
    return status;
}

enum anb_status schema_check(const struct doc *openapi, const char *name, const struct doc *value,
                             struct anb_error *err)
{
    const struct doc *schemas = doc_get(doc_get(openapi, "components"), "schemas");
    return check(openapi, doc_get(schemas, name), value, name, err);
}

enum anb_status schema_check_text(const struct doc *openapi, const char *name, const char *text, struct anb_error *err)
{
    struct doc *value;
    enum anb_status status = doc_parse_json(slice_of_text(text), name, &value, err);
    if (status != ANB_OK) return status;
    status = schema_check(openapi, name, value, err);
    doc_free(value);
    return status;
}
