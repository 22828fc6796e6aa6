/* A small document: what YAML and JSON texts say, with the line of each part.
 *
 * Job files, configuration, REST bodies and the agent's socket all speak through it, so the two parsers' libraries
 * (libyaml, jansson) stay in this folder. YAML aliases, tags, directives, several documents and duplicate keys are
 * refused; so are texts deeper than 32 levels, with more than `DOC_MAX_NODES` parts or (YAML) `DOC_MAX_KEYS` keys in a
 * map. A job file in JSON is read by the YAML parser, too: that keeps the lines. One thread at a time; a `struct doc`
 * is freed with its root. */
#ifndef ANB_BASE_DOC_H
#define ANB_BASE_DOC_H

#include "base/buf.h"

enum { DOC_MAX_DEPTH = 32, DOC_MAX_NODES = 200000, DOC_MAX_KEYS = 4096 };

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_INT, DOC_REAL, DOC_TEXT, DOC_LIST, DOC_MAP };

struct doc;

/* `name` stands in error sentences: "job.yaml:7: ...". The text need not be NUL-terminated. Free with doc_free. */
enum anb_status doc_parse_yaml(struct slice text, const char *name, struct doc **root, struct anb_error *err);
enum anb_status doc_parse_json(struct slice text, const char *name, struct doc **root, struct anb_error *err);
void doc_free(struct doc *root); /* NULL is fine */

enum doc_kind doc_kind(const struct doc *doc); /* NULL doc: DOC_NULL */
const char *doc_kind_word(enum doc_kind kind); /* "a list" */
int doc_line(const struct doc *doc);           /* from 1; 0 for built documents and JSON */

/* Lookups never fail: a missing part is NULL, a part of another kind gives the fallback. Integers are reals, too. */
const struct doc *doc_get(const struct doc *map, const char *key);
size_t doc_size(const struct doc *list_or_map);
const struct doc *doc_at(const struct doc *list_or_map, size_t index);
const char *doc_key_at(const struct doc *map, size_t index);
int doc_key_line_at(const struct doc *map, size_t index);
const char *doc_text(const struct doc *doc, const char *fallback); /* lives as long as the document */
int64_t doc_int(const struct doc *doc, int64_t fallback);
double doc_real(const struct doc *doc, double fallback);
bool doc_bool(const struct doc *doc, bool fallback);

/* Building. Each returns the new part, which belongs to its parent; NULL when memory is out (setting into NULL is fine
 * and gives NULL, so one check at the end is enough). Keys and texts are copied. */
struct doc *doc_new_map(void);
struct doc *doc_new_list(void);
struct doc *doc_set_map(struct doc *map, const char *key);
struct doc *doc_set_list(struct doc *map, const char *key);
struct doc *doc_set_text(struct doc *map, const char *key, const char *text); /* NULL text: null */
struct doc *doc_set_int(struct doc *map, const char *key, int64_t value);
struct doc *doc_set_real(struct doc *map, const char *key, double value); /* NaN and infinity become null */
struct doc *doc_set_bool(struct doc *map, const char *key, bool value);
struct doc *doc_set_copy(struct doc *map, const char *key, const struct doc *value);
struct doc *doc_add_map(struct doc *list);
struct doc *doc_add_list(struct doc *list);
struct doc *doc_add_text(struct doc *list, const char *text);
struct doc *doc_add_int(struct doc *list, int64_t value);
struct doc *doc_add_real(struct doc *list, double value);

/* JSON text of a document, keys in their order, appended to `out`. Text that is not UTF-8 is refused. */
enum anb_status doc_write_json(const struct doc *doc, bool pretty, struct buf *out, struct anb_error *err);

#endif
