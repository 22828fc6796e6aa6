/* YAML texts, by libyaml's event parser: no aliases, no tags, one document, no duplicate keys. */
#include "base/doc_private.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const char *name;
    size_t n_nodes;
    struct anb_error *err;
};

static int line_of(const yaml_event_t *event)
{
    return (int)event->start_mark.line + 1;
}

static enum anb_status next_event(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event)) return ANB_OK;
    const char *problem = reader->parser.problem ? reader->parser.problem : "cannot be read";
    return anb_fail(reader->err, ANB_INVALID, "%s:%zu: %s", reader->name, reader->parser.problem_mark.line + 1,
                    problem);
}

/* The plain scalars of YAML's core schema, less octal: what people mean by true, 12, 0.5 and null. */
static void resolve_plain(struct doc *doc, const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (strcmp(text, nulls[i]) == 0) return;
    bool yes = !strcmp(text, "true") || !strcmp(text, "True") || !strcmp(text, "TRUE");
    bool no = !strcmp(text, "false") || !strcmp(text, "False") || !strcmp(text, "FALSE");
    if (yes || no) {
        doc->kind = DOC_BOOL;
        doc->is.truth = yes;
        return;
    }
    char *end;
    if (strspn(text, "+-.0123456789eE") == strlen(text) && strpbrk(text, "0123456789")) {
        errno = 0;
        long long integer = strtoll(text, &end, 10);
        if (!*end && errno == 0) {
            doc->kind = DOC_INT;
            doc->is.integer = integer;
            return;
        }
        double real = strtod(text, &end);
        if (!*end && isfinite(real)) {
            doc->kind = DOC_REAL;
            doc->is.real = real;
            return;
        }
    }
    doc->kind = DOC_TEXT;
}

static enum anb_status check_scalar(struct reader *reader, const yaml_event_t *event)
{
    if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: a text has a NUL character in it", reader->name,
                        line_of(event));
    if (event->data.scalar.tag)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: tags (%.64s) are not known here", reader->name,
                        line_of(event), event->data.scalar.tag);
    return ANB_OK;
}

static enum anb_status read_scalar(struct reader *reader, const yaml_event_t *event, struct doc *doc)
{
    const char *text = (const char *)event->data.scalar.value;
    enum anb_status status = check_scalar(reader, event);
    if (status != ANB_OK) return status;
    doc->kind = DOC_NULL;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        resolve_plain(doc, text);
    else
        doc->kind = DOC_TEXT;
    if (doc->kind != DOC_TEXT) return ANB_OK;
    doc->is.text = strdup(text);
    if (doc->is.text) return ANB_OK;
    doc->kind = DOC_NULL;
    return anb_fail(reader->err, ANB_NO_MEMORY, "%s: no memory", reader->name);
}

static enum anb_status read_value(struct reader *reader, yaml_event_t *event, int depth, struct doc **out);

static enum anb_status read_list(struct reader *reader, struct doc *list, int depth)
{
    for (;;) {
        yaml_event_t event;
        enum anb_status status = next_event(reader, &event);
        if (status != ANB_OK) return status;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        struct doc *part = NULL;
        if (!end) status = read_value(reader, &event, depth, &part);
        yaml_event_delete(&event);
        if (end || status != ANB_OK) return status;
        if (!doc_adopt(list, NULL, part)) return anb_fail(reader->err, ANB_NO_MEMORY, "%s: no memory", reader->name);
    }
}

static enum anb_status check_key(struct reader *reader, const yaml_event_t *event, const struct doc *map)
{
    if (event->type != YAML_SCALAR_EVENT)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: a key must be a text", reader->name, line_of(event));
    if (doc_size(map) == DOC_MAX_KEYS)
        return anb_fail(reader->err, ANB_TOO_LARGE, "%s:%d: more than %d keys in one map", reader->name, line_of(event),
                        DOC_MAX_KEYS);
    enum anb_status status = check_scalar(reader, event);
    if (status != ANB_OK) return status;
    const char *key = (const char *)event->data.scalar.value;
    const struct doc *other = doc_get(map, key);
    if (other)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: key \"%s\" stands here again, first in line %d", reader->name,
                        line_of(event), key, other->key_line);
    return ANB_OK;
}

static enum anb_status read_member(struct reader *reader, const yaml_event_t *key, struct doc *map, int depth)
{
    yaml_event_t event;
    struct doc *part = NULL;
    enum anb_status status = check_key(reader, key, map);
    if (status == ANB_OK) status = next_event(reader, &event);
    if (status != ANB_OK) return status;
    status = read_value(reader, &event, depth, &part);
    yaml_event_delete(&event);
    if (status != ANB_OK) return status;
    part->key_line = line_of(key);
    if (!doc_adopt(map, (const char *)key->data.scalar.value, part))
        return anb_fail(reader->err, ANB_NO_MEMORY, "%s: no memory", reader->name);
    return ANB_OK;
}

static enum anb_status read_map(struct reader *reader, struct doc *map, int depth)
{
    for (;;) {
        yaml_event_t event;
        enum anb_status status = next_event(reader, &event);
        if (status != ANB_OK) return status;
        bool end = event.type == YAML_MAPPING_END_EVENT;
        if (!end) status = read_member(reader, &event, map, depth);
        yaml_event_delete(&event);
        if (end || status != ANB_OK) return status;
    }
}

static enum anb_status fill(struct reader *reader, yaml_event_t *event, int depth, struct doc *doc)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT: return read_scalar(reader, event, doc);
    case YAML_SEQUENCE_START_EVENT: doc->kind = DOC_LIST; return read_list(reader, doc, depth + 1);
    case YAML_MAPPING_START_EVENT: doc->kind = DOC_MAP; return read_map(reader, doc, depth + 1);
    default:
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: aliases are not known here: write the value again",
                        reader->name, line_of(event));
    }
}

static enum anb_status read_value(struct reader *reader, yaml_event_t *event, int depth, struct doc **out)
{
    if (depth > DOC_MAX_DEPTH)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: nested deeper than %d levels", reader->name, line_of(event),
                        DOC_MAX_DEPTH);
    if (++reader->n_nodes > DOC_MAX_NODES)
        return anb_fail(reader->err, ANB_TOO_LARGE, "%s: more than %d parts", reader->name, DOC_MAX_NODES);
    struct doc *doc = doc_new(DOC_NULL);
    if (!doc) return anb_fail(reader->err, ANB_NO_MEMORY, "%s: no memory", reader->name);
    doc->line = line_of(event);
    enum anb_status status = fill(reader, event, depth, doc);
    if (status == ANB_OK)
        *out = doc;
    else
        doc_free(doc);
    return status;
}

static enum anb_status expect(struct reader *reader, yaml_event_type_t type, const char *otherwise)
{
    yaml_event_t event;
    enum anb_status status = next_event(reader, &event);
    if (status != ANB_OK) return status;
    if (event.type != type)
        status = anb_fail(reader->err, ANB_INVALID, "%s:%d: %s", reader->name, line_of(&event), otherwise);
    yaml_event_delete(&event);
    return status;
}

static enum anb_status read_document(struct reader *reader, struct doc **root)
{
    yaml_event_t event;
    struct doc *doc = NULL;
    enum anb_status status = expect(reader, YAML_STREAM_START_EVENT, "not a YAML text");
    if (status == ANB_OK) status = expect(reader, YAML_DOCUMENT_START_EVENT, "the file is empty");
    if (status == ANB_OK) status = next_event(reader, &event);
    if (status != ANB_OK) return status;
    status = read_value(reader, &event, 1, &doc);
    yaml_event_delete(&event);
    if (status == ANB_OK) status = expect(reader, YAML_DOCUMENT_END_EVENT, "the document does not end here");
    if (status == ANB_OK) status = expect(reader, YAML_STREAM_END_EVENT, "a second document: only one is read");
    if (status == ANB_OK)
        *root = doc;
    else
        doc_free(doc);
    return status;
}

/* libyaml compares each %TAG line with all before it: a megabyte of them takes seconds, and nobody here needs one. */
static enum anb_status check_no_directives(struct slice text, const char *name, struct anb_error *err)
{
    const char *at = text.data, *end = at + text.size;
    for (int line = 1; at < end; line++) {
        if (*at == '%')
            return anb_fail(err, ANB_INVALID, "%s:%d: a line may not begin with %%: directives are not known here",
                            name, line);
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return ANB_OK;
}

enum anb_status doc_parse_yaml(struct slice text, const char *name, struct doc **root, struct anb_error *err)
{
    if (text.size == 0) text.data = "";
    enum anb_status status = check_no_directives(text, name, err);
    if (status != ANB_OK) return status;
    struct reader reader = {.name = name, .err = err};
    if (!yaml_parser_initialize(&reader.parser)) return anb_fail(err, ANB_NO_MEMORY, "%s: no memory", name);
    yaml_parser_set_input_string(&reader.parser, text.data, text.size);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    status = read_document(&reader, root);
    yaml_parser_delete(&reader.parser);
    return status;
}
