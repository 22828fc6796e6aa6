/* Reading a job file: each key by the table, then what no single key can say. */
#include "job/spec_private.h"

#include "base/arena.h"
#include "base/id.h"
#include "base/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPEC_MEMORY_BYTES = 1 << 20, MAX_WORDS = 32, PATH_BYTES = 64 };

/* The specification and the memory behind its texts. */
struct spec_box {
    struct job_spec spec;
    struct arena arena;
};

struct reader {
    struct spec_box *box;
    const char *name; /* of the file */
    const struct spec_key *key;
    char path[PATH_BYTES]; /* of the key: "sites.minimum" */
    struct anb_error *err;
};

static enum anb_status no_memory(struct reader *reader)
{
    return anb_fail(reader->err, ANB_NO_MEMORY, "%s: no memory for the job file", reader->name);
}

static enum anb_status wrong_kind(struct reader *reader, const struct doc *value, const char *wanted)
{
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must be %s, got %s", reader->name, doc_line(value),
                    reader->path, wanted, doc_kind_word(doc_kind(value)));
}

/* Texts travel as JSON inside a record and are read as YAML again: what YAML folds or refuses when it stands bare must
 * not be in them. */
static bool is_plain(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if ((*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f) return false;
        if (*c == 0xc2 && c[1] < 0xa0) return false;                        /* U+0080..U+009F */
        if (*c == 0xe2 && c[1] == 0x80 && (c[2] | 1) == 0xa9) return false; /* U+2028, U+2029 */
        if (*c == 0xef && c[1] == 0xbb && c[2] == 0xbf) return false;       /* U+FEFF */
        if (*c == 0xef && c[1] == 0xbf && c[2] >= 0xbe) return false;       /* U+FFFE, U+FFFF */
    }
    return true;
}

static enum anb_status copy_text(struct reader *reader, const struct doc *value, const char **out)
{
    const char *text = doc_text(value, NULL);
    if (!text) return wrong_kind(reader, value, "a text (in quotes when it looks like something else)");
    if (!is_plain(text))
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s has control characters in it", reader->name,
                        doc_line(value), reader->path);
    *out = arena_text(&reader->box->arena, slice_of_text(text));
    return *out ? ANB_OK : no_memory(reader);
}

static enum anb_status read_name(struct reader *reader, const struct doc *value)
{
    const char **name = spec_place(reader->key, &reader->box->spec);
    enum anb_status status = copy_text(reader, value, name);
    if (status != ANB_OK) return status;
    size_t size = strlen(*name);
    if (size > 0 && size <= (size_t)reader->key->most && !strpbrk(*name, "\n\t")) return ANB_OK;
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must be one line of 1..%lld bytes", reader->name,
                    doc_line(value), reader->path, (long long)reader->key->most);
}

static enum anb_status read_scope(struct reader *reader, const struct doc *value)
{
    const char **scope = spec_place(reader->key, &reader->box->spec);
    if (doc_kind(value) == DOC_NULL) return ANB_OK;
    enum anb_status status = copy_text(reader, value, scope);
    if (status != ANB_OK || name_is_valid(slice_of_text(*scope))) return status;
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must be 1..%d of a-z, 0-9 and -, not at the ends",
                    reader->name, doc_line(value), reader->path, NAME_MAX_BYTES);
}

static bool path_stays_inside(const char *path)
{
    if (!*path || *path == '/') return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t size = strcspn(part, "/");
        if (size == 0 || (size == 2 && strncmp(part, "..", 2) == 0)) return false;
    }
    return true;
}

static enum anb_status read_path(struct reader *reader, const struct doc *value)
{
    const char **path = spec_place(reader->key, &reader->box->spec);
    if (doc_kind(value) == DOC_NULL) return ANB_OK;
    enum anb_status status = copy_text(reader, value, path);
    if (status != ANB_OK || path_stays_inside(*path)) return status;
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must be a file in the job folder, got \"%.100s\"",
                    reader->name, doc_line(value), reader->path, *path);
}

static enum anb_status find_word(struct reader *reader, const struct doc *value, int *index)
{
    const char *text = doc_text(value, NULL), *const *words = reader->key->words;
    if (!text) return wrong_kind(reader, value, "a word");
    for (*index = 0; words[*index]; ++*index)
        if (strcmp(words[*index], text) == 0) return ANB_OK;
    char known[128] = "";
    for (int i = 0; words[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", words[i]);
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must be one of %s, got \"%.100s\"", reader->name,
                    doc_line(value), reader->path, known, text);
}

static enum anb_status read_choice(struct reader *reader, const struct doc *value)
{
    int index;
    enum anb_status status = find_word(reader, value, &index);
    if (status == ANB_OK) *(const char **)spec_place(reader->key, &reader->box->spec) = reader->key->words[index];
    return status;
}

static enum anb_status read_launch(struct reader *reader, const struct doc *value)
{
    int index;
    enum anb_status status = find_word(reader, value, &index);
    if (status == ANB_OK) *(enum trainer_launch *)spec_place(reader->key, &reader->box->spec) = index;
    return status;
}

static enum anb_status read_int(struct reader *reader, const struct doc *value)
{
    const struct spec_key *key = reader->key;
    void *place = spec_place(key, &reader->box->spec);
    if (doc_kind(value) != DOC_INT) return wrong_kind(reader, value, "an integer");
    int64_t number = doc_int(value, 0);
    if (number < key->least || number > key->most)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must be %lld..%lld, got %lld", reader->name,
                        doc_line(value), reader->path, (long long)key->least, (long long)key->most, (long long)number);
    if (key->kind == KEY_INT32)
        *(int32_t *)place = (int32_t)number;
    else
        *(int64_t *)place = number;
    return ANB_OK;
}

static enum anb_status read_bool(struct reader *reader, const struct doc *value)
{
    if (doc_kind(value) != DOC_BOOL) return wrong_kind(reader, value, "true or false");
    *(bool *)spec_place(reader->key, &reader->box->spec) = doc_bool(value, false);
    return ANB_OK;
}

/* Room for the items of a list or map, and its count. */
static enum anb_status make_items(struct reader *reader, const struct doc *value, size_t item_size, void **items)
{
    size_t n = doc_size(value);
    if (n > (size_t)reader->key->most)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s has %zu parts, at most %lld are allowed", reader->name,
                        doc_line(value), reader->path, n, (long long)reader->key->most);
    *items = arena_alloc_array(&reader->box->arena, n + 1, item_size);
    if (!*items) return no_memory(reader);
    *(void **)spec_place(reader->key, &reader->box->spec) = *items;
    *(size_t *)(void *)((char *)&reader->box->spec + reader->key->count_offset) = n;
    return ANB_OK;
}

static enum anb_status read_texts(struct reader *reader, const struct doc *value)
{
    void *items;
    if (doc_kind(value) != DOC_LIST) return wrong_kind(reader, value, "a list of texts");
    enum anb_status status = make_items(reader, value, sizeof(const char *), &items);
    for (size_t i = 0; status == ANB_OK && i < doc_size(value); i++)
        status = copy_text(reader, doc_at(value, i), (const char **)items + i);
    return status;
}

static enum anb_status read_choices(struct reader *reader, const struct doc *value)
{
    void *items;
    int index;
    if (doc_kind(value) != DOC_LIST) return wrong_kind(reader, value, "a list of words");
    enum anb_status status = make_items(reader, value, sizeof(const char *), &items);
    for (size_t i = 0; status == ANB_OK && i < doc_size(value); i++) {
        status = find_word(reader, doc_at(value, i), &index);
        if (status == ANB_OK) ((const char **)items)[i] = reader->key->words[index];
    }
    return status;
}

static enum anb_status check_site(struct reader *reader, const struct doc *list, size_t index)
{
    const char *const *names = reader->box->spec.site_names;
    int line = doc_line(doc_at(list, index));
    if (!name_is_valid(slice_of_text(names[index])))
        return anb_fail(reader->err, ANB_INVALID,
                        "%s:%d: %s: \"%.100s\" is no node name: 1..%d of a-z, 0-9 and -, not at the ends", reader->name,
                        line, reader->path, names[index], NAME_MAX_BYTES);
    for (size_t i = 0; i < index; i++)
        if (strcmp(names[i], names[index]) == 0)
            return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s has %s twice", reader->name, line, reader->path,
                            names[index]);
    return ANB_OK;
}

static enum anb_status read_sites(struct reader *reader, const struct doc *value)
{
    enum anb_status status = read_texts(reader, value);
    for (size_t i = 0; status == ANB_OK && i < doc_size(value); i++) status = check_site(reader, value, i);
    return status;
}

static enum anb_status read_command(struct reader *reader, const struct doc *value)
{
    enum anb_status status = read_texts(reader, value);
    const struct job_spec *spec = &reader->box->spec;
    if (status != ANB_OK || (spec->n_command > 0 && *spec->command[0])) return status;
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must begin with the program's name", reader->name,
                    doc_line(value), reader->path);
}

static bool variable_is_valid(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_') return false;
    size_t size = 0;
    for (; name[size]; size++)
        if (!isalnum((unsigned char)name[size]) && name[size] != '_') return false;
    return size <= 128 && strncmp(name, "ANABRANCH_", 10) != 0;
}

static enum anb_status read_variables(struct reader *reader, const struct doc *value)
{
    void *items;
    if (doc_kind(value) != DOC_MAP) return wrong_kind(reader, value, "a map of texts");
    enum anb_status status = make_items(reader, value, sizeof(struct job_variable), &items);
    struct job_variable *variables = items;
    for (size_t i = 0; status == ANB_OK && i < doc_size(value); i++) {
        const char *name = doc_key_at(value, i);
        if (!variable_is_valid(name))
            return anb_fail(reader->err, ANB_INVALID,
                            "%s:%d: %s: \"%.100s\" cannot be set: letters, digits and _, not from ANABRANCH_",
                            reader->name, doc_key_line_at(value, i), reader->path, name);
        variables[i].name = arena_text(&reader->box->arena, slice_of_text(name));
        status = variables[i].name ? copy_text(reader, doc_at(value, i), &variables[i].text) : no_memory(reader);
    }
    return status;
}

static enum anb_status read_value(struct reader *reader, const struct doc *value)
{
    switch (reader->key->kind) {
    case KEY_NAME: return read_name(reader, value);
    case KEY_SCOPE: return read_scope(reader, value);
    case KEY_PATH: return read_path(reader, value);
    case KEY_CHOICE: return read_choice(reader, value);
    case KEY_LAUNCH: return read_launch(reader, value);
    case KEY_INT32:
    case KEY_INT64: return read_int(reader, value);
    case KEY_BOOL: return read_bool(reader, value);
    case KEY_SITES: return read_sites(reader, value);
    case KEY_CHOICES: return read_choices(reader, value);
    case KEY_COMMAND: return read_command(reader, value);
    case KEY_VARIABLES: return read_variables(reader, value);
    }
    return ANB_OK;
}

static void choose_all(const struct spec_key *key, struct job_spec *spec)
{
    size_t *n = (size_t *)(void *)((char *)spec + key->count_offset);
    *(const char *const **)spec_place(key, spec) = key->words;
    for (*n = 0; key->words[*n];) ++*n;
}

static void set_default(const struct spec_key *key, struct job_spec *spec)
{
    void *place = spec_place(key, spec);
    switch (key->kind) {
    case KEY_INT32: *(int32_t *)place = (int32_t)key->fallback; break;
    case KEY_INT64: *(int64_t *)place = key->fallback; break;
    case KEY_BOOL: *(bool *)place = key->fallback; break;
    case KEY_CHOICE: *(const char **)place = key->words[key->fallback]; break;
    case KEY_LAUNCH: *(enum trainer_launch *)place = (enum trainer_launch)key->fallback; break;
    case KEY_CHOICES: choose_all(key, spec); break;
    case KEY_NAME:
    case KEY_SCOPE:
    case KEY_PATH:
    case KEY_SITES:
    case KEY_COMMAND:
    case KEY_VARIABLES: break;
    }
}

static bool section_is_known(const char *name)
{
    for (size_t i = 0; i < n_spec_keys; i++)
        if (*spec_keys[i].section && strcmp(spec_keys[i].section, name) == 0) return true;
    return false;
}

static bool key_is_known(const char *section, const char *name)
{
    for (size_t i = 0; i < n_spec_keys; i++)
        if (strcmp(spec_keys[i].section, section) == 0 && strcmp(spec_keys[i].name, name) == 0) return true;
    return !*section && section_is_known(name);
}

static enum anb_status unknown_key(struct reader *reader, const char *section, const char *name, int line)
{
    const char *known[MAX_WORDS + 1] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < n_spec_keys && n < MAX_WORDS - 1; i++) {
        bool begins = i == 0 || strcmp(spec_keys[i].section, spec_keys[i - 1].section) != 0;
        if (strcmp(spec_keys[i].section, section) == 0) known[n++] = spec_keys[i].name;
        if (!*section && *spec_keys[i].section && begins) known[n++] = spec_keys[i].section;
    }
    const char *near = nearest_word(name, known), *dot = *section ? "." : "";
    if (near)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: unknown key %s%s%.64s: did you mean %s%s%s?", reader->name,
                        line, section, dot, name, section, dot, near);
    char all[256] = "";
    for (size_t i = 0; i < n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", known[i]);
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: unknown key %s%s%.64s: known here are %s", reader->name, line,
                    section, dot, name, all);
}

static enum anb_status check_keys(struct reader *reader, const char *section, const struct doc *map)
{
    for (size_t i = 0; i < doc_size(map); i++)
        if (!key_is_known(section, doc_key_at(map, i)))
            return unknown_key(reader, section, doc_key_at(map, i), doc_key_line_at(map, i));
    return ANB_OK;
}

static enum anb_status check_sections(struct reader *reader, const struct doc *root)
{
    enum anb_status status = check_keys(reader, "", root);
    for (size_t i = 0; status == ANB_OK && i < doc_size(root); i++) {
        const char *name = doc_key_at(root, i);
        if (!section_is_known(name)) continue;
        if (doc_kind(doc_at(root, i)) != DOC_MAP)
            return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must be a map, got %s", reader->name,
                            doc_key_line_at(root, i), name, doc_kind_word(doc_kind(doc_at(root, i))));
        status = check_keys(reader, name, doc_at(root, i));
    }
    return status;
}

static enum anb_status read_key(struct reader *reader, const struct spec_key *key, const struct doc *root)
{
    bool top = !*key->section;
    const struct doc *value = doc_get(top ? root : doc_get(root, key->section), key->name);
    reader->key = key;
    snprintf(reader->path, sizeof reader->path, "%s%s%s", key->section, top ? "" : ".", key->name);
    set_default(key, &reader->box->spec);
    if (value) return read_value(reader, value);
    if (key->absent) return ANB_OK;
    return anb_fail(reader->err, ANB_INVALID, "%s: %s is missing: %s", reader->name, reader->path, key->sentence);
}

static int line_of(const struct doc *root, const char *section, const char *name)
{
    int line = doc_line(doc_get(doc_get(root, section), name));
    return line ? line : doc_line(root);
}

/* What depends on two keys: the defaults of one, the bounds of the other. */
static enum anb_status relate_keys(struct reader *reader, const struct doc *root)
{
    struct job_spec *spec = &reader->box->spec;
    if (!spec->sites_minimum) spec->sites_minimum = spec->n_site_names ? (int32_t)spec->n_site_names : 1;
    if (!spec->quorum) spec->quorum = spec->sites_minimum;
    if (spec->n_site_names && (size_t)spec->sites_minimum > spec->n_site_names)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: sites.minimum is %d, but sites.names has only %zu",
                        reader->name, line_of(root, "sites", "minimum"), spec->sites_minimum, spec->n_site_names);
    if (spec->quorum > spec->sites_minimum)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: round.quorum must be 1..%d (sites.minimum), got %d",
                        reader->name, line_of(root, "round", "quorum"), spec->sites_minimum, spec->quorum);
    return ANB_OK;
}

/* The specification travels as JSON in a control record, which has a ceiling. */
static enum anb_status check_size(struct reader *reader)
{
    struct buf json;
    buf_init(&json, JOB_FILE_MAX_BYTES);
    enum anb_status status = job_spec_write_json(&reader->box->spec, &json, reader->err);
    buf_fini(&json);
    if (status != ANB_OK) anb_error_prefix(reader->err, "%s: ", reader->name);
    return status;
}

static enum anb_status read_root(struct reader *reader, const struct doc *root)
{
    if (doc_kind(root) != DOC_MAP)
        return anb_fail(reader->err, ANB_INVALID, "%s: must be a map of keys, got %s", reader->name,
                        doc_kind_word(doc_kind(root)));
    enum anb_status status = check_sections(reader, root);
    for (size_t i = 0; status == ANB_OK && i < n_spec_keys; i++) status = read_key(reader, &spec_keys[i], root);
    if (status == ANB_OK) status = relate_keys(reader, root);
    return status == ANB_OK ? check_size(reader) : status;
}

enum anb_status job_spec_parse(struct slice text, const char *name, struct job_spec **spec, struct anb_error *err)
{
    struct doc *root = NULL;
    if (text.size > JOB_FILE_MAX_BYTES)
        return anb_fail(err, ANB_TOO_LARGE, "%s: %zu bytes, at most %d are allowed", name, text.size,
                        JOB_FILE_MAX_BYTES);
    struct spec_box *box = calloc(1, sizeof *box);
    if (!box) return anb_fail(err, ANB_NO_MEMORY, "%s: no memory", name);
    arena_init(&box->arena, SPEC_MEMORY_BYTES);
    struct reader reader = {.box = box, .name = name, .err = err};
    enum anb_status status = doc_parse_yaml(text, name, &root, err);
    if (status == ANB_OK) status = read_root(&reader, root);
    doc_free(root);
    if (status == ANB_OK)
        *spec = &box->spec;
    else
        job_spec_free(&box->spec);
    return status;
}

bool job_spec_stores_result(const struct job_spec *spec)
{
    for (size_t i = 0; i < spec->n_results; i++)
        if (strcmp(spec->results[i], "server") == 0) return true;
    return false;
}

void job_spec_free(struct job_spec *spec)
{
    if (!spec) return;
    struct spec_box *box = (struct spec_box *)(void *)((char *)spec - offsetof(struct spec_box, spec));
    arena_fini(&box->arena);
    free(box);
}
