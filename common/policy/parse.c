/* Reading a policy file: each key by the table, then what no single key can say. Whatever is not understood is an
 * error: a policy that says less than its author believes is worse than none. */
#include "policy/policy_private.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLICY_MEMORY_BYTES = 8 << 20, MAX_WORDS = 32, MAX_ARGUMENTS = 256 };

/* The policy, and the memory behind its texts. */
struct policy_box {
    struct policy policy;
    struct arena arena;
};

struct reader {
    struct policy_box *box;
    const struct doc *root;
    const char *name; /* of the file */
    const struct policy_key *key;
    struct anb_error *err;
};

static void *place_of(struct reader *reader)
{
    return (char *)&reader->box->policy + reader->key->offset;
}

static enum anb_status no_memory(struct reader *reader)
{
    return anb_fail(reader->err, ANB_NO_MEMORY, "%s: no memory for the policy, or it says too much", reader->name);
}

/* "site.yaml:3: code.allow must be ..." */
static enum anb_status bad(struct reader *reader, int line, const char *what)
{
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s.%s %s", reader->name, line, reader->key->section,
                    reader->key->name, what);
}

static enum anb_status wrong_kind(struct reader *reader, const struct doc *value, const char *wanted)
{
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s.%s must be %s, got %s", reader->name, doc_line(value),
                    reader->key->section, reader->key->name, wanted, doc_kind_word(doc_kind(value)));
}

static enum anb_status copy_text(struct reader *reader, const struct doc *value, const char **out)
{
    const char *text = doc_text(value, NULL);
    if (!text) return wrong_kind(reader, value, "a text (in quotes when it looks like something else)");
    *out = arena_text(&reader->box->arena, slice_of_text(text));
    return *out ? ANB_OK : no_memory(reader);
}

/* Room for the items of a list or map, and its count. */
static enum anb_status make_items(struct reader *reader, const struct doc *value, enum doc_kind kind, size_t item_size,
                                  void *items)
{
    size_t n = doc_size(value);
    if (doc_kind(value) != kind) return wrong_kind(reader, value, doc_kind_word(kind));
    if (n > (size_t)reader->key->most)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s.%s has %zu parts, at most %lld are allowed", reader->name,
                        doc_line(value), reader->key->section, reader->key->name, n, (long long)reader->key->most);
    void *made = arena_alloc_array(&reader->box->arena, n + 1, item_size);
    if (!made) return no_memory(reader);
    *(void **)items = made;
    *(void **)place_of(reader) = made;
    *(size_t *)(void *)((char *)&reader->box->policy + reader->key->count_offset) = n;
    return ANB_OK;
}

/* -- lists */

static bool is_variable(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_') return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_') return false;
    return true;
}

static enum anb_status read_words(struct reader *reader, const struct doc *list)
{
    const char **words;
    bool names = reader->key->kind == POLICY_NAMES;
    enum anb_status status = make_items(reader, list, DOC_LIST, sizeof *words, &words);
    for (size_t i = 0; status == ANB_OK && i < doc_size(list); i++) {
        status = copy_text(reader, doc_at(list, i), &words[i]);
        if (status != ANB_OK) return status;
        if (names ? !name_is_valid(slice_of_text(words[i])) : !is_variable(words[i]))
            return bad(reader, doc_line(doc_at(list, i)),
                       names ? "has a name that none can have: a-z, 0-9 and -, not at the ends"
                             : "has a variable that none can be: letters, digits and _");
    }
    return status;
}

static enum anb_status read_roles(struct reader *reader, const struct doc *list)
{
    unsigned *roles = place_of(reader);
    if (doc_kind(list) != DOC_LIST) return wrong_kind(reader, list, "a list");
    for (size_t i = 0; i < doc_size(list); i++) {
        enum roster_role role;
        if (!roster_role_parse(doc_text(doc_at(list, i), ""), &role) || roster_role_kind(role) != CERTIFICATE_USER)
            return bad(reader, doc_line(doc_at(list, i)), "may have only the roles admin, lead, member");
        *roles |= 1u << role;
    }
    return ANB_OK;
}

static enum anb_status read_command(struct reader *reader, const struct doc *list, struct policy_command *command)
{
    size_t n = doc_size(list);
    if (doc_kind(list) != DOC_LIST || n < 1 || n > MAX_ARGUMENTS)
        return bad(reader, doc_line(list), "is a list of commands, each a list of words: [[python3, train.py], ...]");
    command->words = arena_alloc_array(&reader->box->arena, n, sizeof *command->words);
    if (!command->words) return no_memory(reader);
    enum anb_status status = ANB_OK;
    for (; status == ANB_OK && command->n_words < n; command->n_words++)
        status = copy_text(reader, doc_at(list, command->n_words), &command->words[command->n_words]);
    return status;
}

static enum anb_status read_commands(struct reader *reader, const struct doc *list)
{
    struct policy_command *commands;
    enum anb_status status = make_items(reader, list, DOC_LIST, sizeof *commands, &commands);
    for (size_t i = 0; status == ANB_OK && i < doc_size(list); i++)
        status = read_command(reader, doc_at(list, i), &commands[i]);
    return status;
}

static enum anb_status read_digests(struct reader *reader, const struct doc *list)
{
    struct digest *digests;
    enum anb_status status = make_items(reader, list, DOC_LIST, sizeof *digests, &digests);
    for (size_t i = 0; status == ANB_OK && i < doc_size(list); i++)
        if (!hex_decode(doc_text(doc_at(list, i), ""), digests[i].bytes, DIGEST_BYTES))
            return bad(reader, doc_line(doc_at(list, i)),
                       "has something that is no SHA-256: 64 hexadecimal digits, in quotes");
    return status;
}

static enum anb_status read_scope(struct reader *reader, const struct doc *scopes, size_t index,
                                  struct policy_scope *scope)
{
    const struct doc *value = doc_at(scopes, index), *filters = doc_get(value, "filters");
    int line = doc_key_line_at(scopes, index);
    scope->name = arena_text(&reader->box->arena, slice_of_text(doc_key_at(scopes, index)));
    if (!scope->name) return no_memory(reader);
    if (!name_is_valid(slice_of_text(scope->name)))
        return bad(reader, line, "has a name that none can have: a-z, 0-9 and -, not at the ends");
    if (doc_kind(value) != DOC_MAP || doc_size(value) != 1 || doc_kind(filters) != DOC_LIST)
        return bad(reader, line, "gives each scope just one key, a list: {filters: [...]}");
    return filter_chain_parse(filters, reader->name, &scope->chain, reader->err);
}

static enum anb_status read_scopes(struct reader *reader, const struct doc *map)
{
    struct policy_scope *scopes;
    enum anb_status status = make_items(reader, map, DOC_MAP, sizeof *scopes, &scopes);
    for (size_t i = 0; status == ANB_OK && i < doc_size(map); i++) status = read_scope(reader, map, i, &scopes[i]);
    return status;
}

/* -- single values */

static enum anb_status read_code(struct reader *reader, const struct doc *value)
{
    const char *text = doc_text(value, "");
    for (int i = 0; policy_code_words[i]; i++) {
        if (strcmp(text, policy_code_words[i]) != 0) continue;
        *(enum policy_code *)place_of(reader) = (enum policy_code)i;
        return ANB_OK;
    }
    return bad(reader, doc_line(value), "must be none, listed or any");
}

static enum anb_status read_program(struct reader *reader, const struct doc *value)
{
    const char **program = place_of(reader);
    enum anb_status status = copy_text(reader, value, program);
    if (status != ANB_OK || **program == '/') return status;
    return bad(reader, doc_line(value), "must be an absolute path");
}

static enum anb_status read_int(struct reader *reader, const struct doc *value)
{
    const struct policy_key *key = reader->key;
    if (doc_kind(value) != DOC_INT) return wrong_kind(reader, value, "an integer");
    int64_t number = doc_int(value, 0);
    if (number < key->least || number > key->most)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s.%s must be %lld..%lld, got %lld", reader->name,
                        doc_line(value), key->section, key->name, (long long)key->least, (long long)key->most,
                        (long long)number);
    *(int64_t *)place_of(reader) = number;
    return ANB_OK;
}

static enum anb_status read_value(struct reader *reader, const struct doc *value)
{
    switch (reader->key->kind) {
    case POLICY_NAMES:
    case POLICY_VARIABLES: return read_words(reader, value);
    case POLICY_ROLES: return read_roles(reader, value);
    case POLICY_COMMANDS: return read_commands(reader, value);
    case POLICY_DIGESTS: return read_digests(reader, value);
    case POLICY_SCOPES: return read_scopes(reader, value);
    case POLICY_CODE: return read_code(reader, value);
    case POLICY_SCOPE: return copy_text(reader, value, place_of(reader));
    case POLICY_PROGRAM: return read_program(reader, value);
    case POLICY_INT: return read_int(reader, value);
    }
    return ANB_OK;
}

/* -- the file */

static bool is_known(const char *section, const char *name)
{
    for (size_t i = 0; i < n_policy_keys; i++)
        if (strcmp(policy_keys[i].section, section) == 0 && (!name || strcmp(policy_keys[i].name, name) == 0))
            return true;
    return false;
}

/* `section` NULL: `name` is one itself. */
static enum anb_status unknown_key(struct reader *reader, const char *section, const char *name, int line)
{
    const char *known[MAX_WORDS + 1] = {NULL}, *before = section ? section : "", *dot = section ? "." : "";
    char all[256] = "";
    for (size_t i = 0, n = 0; i < n_policy_keys && n < MAX_WORDS; i++) {
        const char *word = section ? policy_keys[i].name : policy_keys[i].section;
        if (section ? strcmp(policy_keys[i].section, section) != 0 : n > 0 && strcmp(known[n - 1], word) == 0) continue;
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", n ? ", " : "", word);
        known[n++] = word;
    }
    const char *near = nearest_word(name, known);
    if (near)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: unknown key %s%s%.64s: did you mean %s%s%s?", reader->name,
                        line, before, dot, name, before, dot, near);
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: unknown key %s%s%.64s: known here are %s", reader->name, line,
                    before, dot, name, all);
}

static enum anb_status check_section(struct reader *reader, const char *section, const struct doc *map, int line)
{
    if (!is_known(section, NULL)) return unknown_key(reader, NULL, section, line);
    if (doc_kind(map) != DOC_MAP)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s must be a map, got %s", reader->name, line, section,
                        doc_kind_word(doc_kind(map)));
    for (size_t i = 0; i < doc_size(map); i++)
        if (!is_known(section, doc_key_at(map, i)))
            return unknown_key(reader, section, doc_key_at(map, i), doc_key_line_at(map, i));
    return ANB_OK;
}

static enum anb_status check_sections(struct reader *reader)
{
    const struct doc *root = reader->root;
    enum anb_status status = ANB_OK;
    if (doc_kind(root) != DOC_MAP)
        return anb_fail(reader->err, ANB_INVALID, "%s: must be a map of keys, got %s", reader->name,
                        doc_kind_word(doc_kind(root)));
    for (size_t i = 0; status == ANB_OK && i < doc_size(root); i++)
        status = check_section(reader, doc_key_at(root, i), doc_at(root, i), doc_key_line_at(root, i));
    return status;
}

static enum anb_status read_key(struct reader *reader, const struct policy_key *key)
{
    const struct doc *section = doc_get(reader->root, key->section), *value = doc_get(section, key->name);
    reader->key = key;
    if (key->kind == POLICY_INT) *(int64_t *)place_of(reader) = key->fallback;
    return value ? read_value(reader, value) : ANB_OK;
}

/* What depends on two keys: words that would have no effect are mistakes, too. */
static enum anb_status relate_keys(struct reader *reader)
{
    const struct policy *policy = &reader->box->policy;
    const struct doc *code = doc_get(reader->root, "code"), *privacy = doc_get(reader->root, "privacy");
    bool lists = policy->n_commands || policy->n_digests || policy->n_environment;
    if (lists && policy->code != POLICY_CODE_LISTED)
        return anb_fail(reader->err, ANB_INVALID,
                        "%s:%d: code.commands, digests and environment hold with \"allow: listed\" only", reader->name,
                        doc_line(code));
    if (!policy->n_commands && policy->code == POLICY_CODE_LISTED)
        return anb_fail(reader->err, ANB_INVALID, "%s:%d: code.allow is \"listed\", but code.commands lists none",
                        reader->name, doc_line(code));
    for (size_t i = 0; i < policy->n_scopes; i++)
        if (policy->default_scope && strcmp(policy->scopes[i].name, policy->default_scope) == 0) return ANB_OK;
    if (!policy->default_scope) return ANB_OK;
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: privacy.default: there is no scope \"%.64s\"", reader->name,
                    doc_line(doc_get(privacy, "default")), policy->default_scope);
}

enum anb_status policy_parse(struct slice text, const char *name, struct policy **policy, struct anb_error *err)
{
    if (text.size > POLICY_FILE_MAX_BYTES)
        return anb_fail(err, ANB_TOO_LARGE, "%s: %zu bytes, at most %d are allowed", name, text.size,
                        POLICY_FILE_MAX_BYTES);
    struct policy_box *box = calloc(1, sizeof *box);
    if (!box) return anb_fail(err, ANB_NO_MEMORY, "%s: no memory", name);
    arena_init(&box->arena, POLICY_MEMORY_BYTES);
    struct reader reader = {.box = box, .name = name, .err = err};
    struct doc *root = NULL;
    enum anb_status status = doc_parse_yaml(text, name, &root, err);
    reader.root = root;
    if (status == ANB_OK) status = check_sections(&reader);
    for (size_t i = 0; status == ANB_OK && i < n_policy_keys; i++) status = read_key(&reader, &policy_keys[i]);
    if (status == ANB_OK) status = relate_keys(&reader);
    doc_free(root);
    if (status == ANB_OK)
        *policy = &box->policy;
    else
        policy_free(&box->policy);
    return status;
}

enum anb_status policy_read(const char *path, struct policy **policy, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, POLICY_FILE_MAX_BYTES);
    enum anb_status status = file_read(path, &text, err);
    if (status == ANB_OK) status = policy_parse(buf_slice(&text), path, policy, err);
    buf_fini(&text);
    return status;
}

void policy_free(struct policy *policy)
{
    if (!policy) return;
    struct policy_box *box = (struct policy_box *)(void *)((char *)policy - offsetof(struct policy_box, policy));
    for (size_t i = 0; i < policy->n_scopes; i++) filter_chain_free(policy->scopes[i].chain);
    arena_fini(&box->arena);
    free(box);
}
