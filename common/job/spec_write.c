/* Writing what a job file says: as JSON for records, as a page for people. */
#include "job/spec_private.h"

#include <stdio.h>
#include <string.h>

static const struct doc *write_texts(struct doc *map, const struct spec_key *key, const struct job_spec *spec)
{
    const char *const *texts = *(const char *const *const *)spec_place_const(key, spec);
    struct doc *list = doc_set_list(map, key->name);
    for (size_t i = 0; i < spec_count(key, spec); i++)
        if (!doc_add_text(list, texts[i])) return NULL;
    return list;
}

static const struct doc *write_variables(struct doc *map, const struct spec_key *key, const struct job_spec *spec)
{
    struct doc *variables = doc_set_map(map, key->name);
    for (size_t i = 0; i < spec->n_environment; i++)
        if (!doc_set_text(variables, spec->environment[i].name, spec->environment[i].text)) return NULL;
    return variables;
}

/* NULL: no memory. */
static const struct doc *write_key(struct doc *map, const struct spec_key *key, const struct job_spec *spec)
{
    const void *place = spec_place_const(key, spec);
    switch (key->kind) {
    case KEY_NAME:
    case KEY_SCOPE:
    case KEY_PATH:
    case KEY_CHOICE: return doc_set_text(map, key->name, *(const char *const *)place);
    case KEY_LAUNCH: return doc_set_text(map, key->name, key->words[*(const enum trainer_launch *)place]);
    case KEY_INT32: return doc_set_int(map, key->name, *(const int32_t *)place);
    case KEY_INT64: return doc_set_int(map, key->name, *(const int64_t *)place);
    case KEY_BOOL: return doc_set_bool(map, key->name, *(const bool *)place);
    case KEY_SITES:
    case KEY_CHOICES:
    case KEY_COMMAND: return write_texts(map, key, spec);
    case KEY_VARIABLES: return write_variables(map, key, spec);
    }
    return NULL;
}

enum anb_status job_spec_write_json(const struct job_spec *spec, struct buf *out, struct anb_error *err)
{
    struct doc *root = doc_new_map(), *map = root;
    bool whole = root;
    for (size_t i = 0; whole && i < n_spec_keys; i++) {
        const char *section = spec_keys[i].section;
        if (*section && strcmp(section, spec_keys[i - 1].section) != 0) map = doc_set_map(root, section);
        whole = write_key(map, &spec_keys[i], spec);
    }
    enum anb_status status = whole ? doc_write_json(root, false, out, err)
                                   : anb_fail(err, ANB_NO_MEMORY, "no memory to write the job specification");
    doc_free(root);
    return status;
}

static void describe_value(const struct spec_key *key, char text[96])
{
    static const char *const kinds[] = {
        [KEY_NAME] = "one line",          [KEY_SCOPE] = "name",          [KEY_PATH] = "file",
        [KEY_BOOL] = "true or false",     [KEY_SITES] = "list of names", [KEY_COMMAND] = "list of texts",
        [KEY_VARIABLES] = "map of texts",
    };
    *text = '\0';
    if (key->kind == KEY_INT32 || key->kind == KEY_INT64)
        snprintf(text, 96, "%lld..%lld", (long long)key->least, (long long)key->most);
    else if (!key->words)
        snprintf(text, 96, "%s", kinds[key->kind]);
    for (size_t i = 0; key->words && key->words[i]; i++)
        snprintf(text + strlen(text), 96 - strlen(text), "%s`%s`", i ? ", " : "", key->words[i]);
}

enum anb_status job_spec_markdown(struct buf *out, struct anb_error *err)
{
    enum anb_status status =
        buf_append_text(out, "| key | value | when not given | what it says |\n|---|---|---|---|\n", err);
    for (size_t i = 0; status == ANB_OK && i < n_spec_keys; i++) {
        const struct spec_key *key = &spec_keys[i];
        char value[96];
        describe_value(key, value);
        status = buf_printf(out, err, "| `%s%s%s` | %s | %s | %s |\n", key->section, *key->section ? "." : "",
                            key->name, value, key->absent ? key->absent : "an error", key->sentence);
    }
    return status;
}
