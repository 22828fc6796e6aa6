#include "base/options.h"

#include "base/doc.h"
#include "base/file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 96, CONFIG_BYTES = 1 << 20, PAGE_BYTES = 1 << 20, MAX_OPTIONS = 64 };

static void *place_of(const struct option_entry *entry, void *settings)
{
    return (char *)settings + entry->offset;
}

static const struct option_entry *find_entry(const struct option_table *table, const char *name, size_t length)
{
    for (size_t i = 0; i < table->n_entries; i++)
        if (strlen(table->entries[i].name) == length && strncmp(table->entries[i].name, name, length) == 0)
            return &table->entries[i];
    return NULL;
}

static enum anb_status unknown_option(const struct option_table *table, const char *where, const char *name,
                                      size_t length, struct anb_error *err)
{
    const char *names[MAX_OPTIONS + 1] = {NULL};
    char word[NAME_BYTES];
    for (size_t i = 0; i < table->n_entries && i < MAX_OPTIONS; i++) names[i] = table->entries[i].name;
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    const char *near = nearest_word(word, names);
    if (near) return anb_fail(err, ANB_INVALID, "%s: unknown option \"%s\": did you mean \"%s\"?", where, word, near);
    return anb_fail(err, ANB_INVALID, "%s: unknown option \"%s\": see %s --help", where, word, table->program);
}

static enum anb_status set_int(const struct option_entry *entry, const char *where, const char *text, int64_t *value,
                               struct anb_error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (!*text || *end || errno || number < entry->least || number > entry->most)
        return anb_fail(err, ANB_INVALID, "%s: %s must be %lld..%lld%s%s, got \"%.64s\"", where, entry->name,
                        (long long)entry->least, (long long)entry->most, *entry->unit ? " " : "", entry->unit, text);
    *value = number;
    return ANB_OK;
}

static enum anb_status set_bool(const struct option_entry *entry, const char *where, const char *text, bool *value,
                                struct anb_error *err)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return anb_fail(err, ANB_INVALID, "%s: %s must be true or false, got \"%.64s\"", where, entry->name, text);
    *value = yes;
    return ANB_OK;
}

static enum anb_status set_value(const struct option_entry *entry, const char *where, const char *text, void *settings,
                                 struct anb_error *err)
{
    void *place = place_of(entry, settings);
    if (entry->kind == OPTION_INT) return set_int(entry, where, text, place, err);
    if (entry->kind == OPTION_BOOL) return set_bool(entry, where, text, place, err);
    char *copy = strdup(text);
    if (!copy) return anb_fail(err, ANB_NO_MEMORY, "%s: no memory", where);
    free(*(char **)place);
    *(char **)place = copy;
    return ANB_OK;
}

static enum anb_status set_defaults(const struct option_table *table, void *settings, struct anb_error *err)
{
    for (size_t i = 0; i < table->n_entries; i++)
        if (table->entries[i].kind == OPTION_TEXT) *(char **)place_of(&table->entries[i], settings) = NULL;
    for (size_t i = 0; i < table->n_entries; i++) {
        const struct option_entry *entry = &table->entries[i];
        if (!entry->default_text) continue;
        enum anb_status status = set_value(entry, "default", entry->default_text, settings, err);
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

/* The value of a path in the file `config`. */
static enum anb_status set_path(const struct option_entry *entry, const char *where, const char *config,
                                const char *text, void *settings, struct anb_error *err)
{
    char *whole = NULL;
    const char *slash = strrchr(config, '/');
    int folder_bytes = slash ? (int)(slash - config) + 1 : 0;
    if (*text == '/' || !*text) return set_value(entry, where, text, settings, err);
    if (asprintf(&whole, "%.*s%s", folder_bytes, config, text) < 0)
        return anb_fail(err, ANB_NO_MEMORY, "%s: no memory", where);
    enum anb_status status = set_value(entry, where, whole, settings, err);
    free(whole);
    return status;
}

static enum anb_status set_from_member(const struct option_table *table, const char *path, const struct doc *map,
                                       size_t index, void *settings, struct anb_error *err)
{
    char where[NAME_BYTES], number[32];
    const char *name = doc_key_at(map, index);
    const struct doc *value = doc_at(map, index);
    snprintf(where, sizeof where, "%.64s:%d", path, doc_key_line_at(map, index));
    const struct option_entry *entry = find_entry(table, name, strlen(name));
    if (!entry) return unknown_option(table, where, name, strlen(name), err);
    const char *text = doc_text(value, NULL);
    if (doc_kind(value) == DOC_INT) {
        snprintf(number, sizeof number, "%lld", (long long)doc_int(value, 0));
        text = number;
    }
    if (doc_kind(value) == DOC_BOOL) text = doc_bool(value, false) ? "true" : "false";
    if (!text)
        return anb_fail(err, ANB_INVALID, "%s: %s is %s: a text, an integer, true or false is needed", where, name,
                        doc_kind_word(doc_kind(value)));
    return entry->is_path ? set_path(entry, where, path, text, settings, err)
                          : set_value(entry, where, text, settings, err);
}

static enum anb_status set_from_file(const struct option_table *table, const char *path, void *settings,
                                     struct anb_error *err)
{
    struct buf text;
    struct doc *root = NULL;
    buf_init(&text, CONFIG_BYTES);
    enum anb_status status = file_read(path, &text, err);
    if (status == ANB_OK) status = doc_parse_yaml(buf_slice(&text), path, &root, err);
    if (status == ANB_OK && doc_kind(root) != DOC_MAP)
        status = anb_fail(err, ANB_INVALID, "%s: must be a map of options", path);
    for (size_t i = 0; status == ANB_OK && i < doc_size(root); i++)
        status = set_from_member(table, path, root, i, settings, err);
    doc_free(root);
    buf_fini(&text);
    return status;
}

static enum anb_status set_from_environment(const struct option_table *table, void *settings, struct anb_error *err)
{
    for (size_t i = 0; i < table->n_entries; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "ANABRANCH_%s", table->entries[i].name);
        for (char *c = name; *c; c++) *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        const char *text = getenv(name);
        if (!text) continue;
        enum anb_status status = set_value(&table->entries[i], name, text, settings, err);
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

/* One "--name value", "--name=value" or "--flag" at argv[i]; returns through `used` how many words it took. */
static enum anb_status set_from_word(const struct option_table *table, int argc, char **argv, int i, void *settings,
                                     int *used, struct anb_error *err)
{
    const char *name = argv[i] + 2;
    size_t length = strcspn(name, "=");
    const struct option_entry *entry = find_entry(table, name, length);
    if (!entry) return unknown_option(table, "command line", name, length, err);
    *used = 1;
    if (name[length] == '=') return set_value(entry, "command line", name + length + 1, settings, err);
    if (entry->kind == OPTION_BOOL) return set_value(entry, "command line", "true", settings, err);
    if (i + 1 >= argc) return anb_fail(err, ANB_INVALID, "command line: --%s needs a value", entry->name);
    *used = 2;
    return set_value(entry, "command line", argv[i + 1], settings, err);
}

static enum anb_status set_from_words(const struct option_table *table, int argc, char **argv, void *settings,
                                      int *n_operands, struct anb_error *err)
{
    int n = 0, used;
    for (int i = 1; i < argc; i += used) {
        used = 1;
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc) argv[++n] = argv[i];
            break;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            argv[++n] = argv[i];
            continue;
        }
        if (strncmp(argv[i], "--config", 8) == 0 && (argv[i][8] == '=' || !argv[i][8])) {
            used = argv[i][8] ? 1 : 2;
            continue;
        }
        enum anb_status status = set_from_word(table, argc, argv, i, settings, &used, err);
        if (status != ANB_OK) return status;
    }
    *n_operands = n;
    if (n > 0 && !*table->argument)
        return anb_fail(err, ANB_INVALID, "command line: \"%.64s\" is not expected: see %s --help", argv[1],
                        table->program);
    return ANB_OK;
}

static const char *value_word(const struct option_entry *entry)
{
    if (entry->kind == OPTION_BOOL) return "";
    if (entry->kind == OPTION_INT) return *entry->unit ? entry->unit : "N";
    return entry->is_path ? "PATH" : "TEXT";
}

void options_print_help(const struct option_table *table)
{
    printf("usage: %s [options]%s%s\n\n%s\n\noptions:\n", table->program, *table->argument ? " " : "", table->argument,
           table->summary);
    for (size_t i = 0; i < table->n_entries; i++) {
        const struct option_entry *entry = &table->entries[i];
        char left[NAME_BYTES];
        snprintf(left, sizeof left, "--%s %s", entry->name, value_word(entry));
        printf("  %-30s %s", left, entry->sentence);
        if (entry->kind == OPTION_INT) printf(" (%lld..%lld)", (long long)entry->least, (long long)entry->most);
        if (entry->default_text && entry->kind != OPTION_BOOL) printf(" [%s]", entry->default_text);
        printf("\n");
    }
    printf("  %-30s %s\n", "--config FILE", "read options from this YAML file, too");
    printf("  %-30s %s\n", "--help", "print this");
    printf("\nEach option can also be set in the environment: ANABRANCH_ and its name in capitals, _ for -.\n");
}

static enum anb_status markdown_row(const struct option_entry *entry, struct buf *out, struct anb_error *err)
{
    static const char *const kinds[] = {"text", "integer", "flag"};
    char range[64] = "";
    if (entry->kind == OPTION_INT)
        snprintf(range, sizeof range, "%lld..%lld %s", (long long)entry->least, (long long)entry->most, entry->unit);
    const char *value = entry->default_text ? entry->default_text : entry->optional ? "-" : "(needed)";
    return buf_printf(out, err, "| `%s` | %s | %s | %s | %s |\n", entry->name,
                      entry->is_path ? "path" : kinds[entry->kind], value, range, entry->sentence);
}

enum anb_status options_markdown(const struct option_table *table, struct buf *out, struct anb_error *err)
{
    enum anb_status status = buf_printf(out, err,
                                        "## %s\n\n%s\n\n| option | type | default | range | what it does |\n"
                                        "|---|---|---|---|---|\n",
                                        table->program, table->summary);
    for (size_t i = 0; status == ANB_OK && i < table->n_entries; i++)
        status = markdown_row(&table->entries[i], out, err);
    if (status == ANB_OK) status = buf_append_text(out, "\n", err);
    return status;
}

/* For the page in docs/. CLOSED once printed. */
static enum anb_status print_markdown(const struct option_table *table, struct anb_error *err)
{
    struct buf page;
    buf_init(&page, PAGE_BYTES);
    enum anb_status status = options_markdown(table, &page, err);
    if (status == ANB_OK) fwrite(page.data, 1, page.size, stdout);
    buf_fini(&page);
    return status == ANB_OK ? ANB_CLOSED : status;
}

static enum anb_status scan_words(const struct option_table *table, int argc, char **argv, const char **config,
                                  struct anb_error *err)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            options_print_help(table);
            return ANB_CLOSED;
        }
        if (strcmp(argv[i], "--help-markdown") == 0) return print_markdown(table, err);
        if (strncmp(argv[i], "--config=", 9) == 0) *config = argv[i] + 9;
        if (strcmp(argv[i], "--config") != 0) continue;
        if (i + 1 >= argc) return anb_fail(err, ANB_INVALID, "command line: --config needs a file");
        *config = argv[i + 1];
    }
    return ANB_OK;
}

static enum anb_status check_given(const struct option_table *table, void *settings, struct anb_error *err)
{
    for (size_t i = 0; i < table->n_entries; i++) {
        const struct option_entry *entry = &table->entries[i];
        if (entry->kind != OPTION_TEXT || entry->optional || *(char **)place_of(entry, settings)) continue;
        return anb_fail(err, ANB_INVALID, "--%s is needed: %s", entry->name, entry->sentence);
    }
    return ANB_OK;
}

enum anb_status options_parse(const struct option_table *table, int argc, char **argv, void *settings, int *n_operands,
                              struct anb_error *err)
{
    const char *config = getenv("ANABRANCH_CONFIG");
    enum anb_status status = set_defaults(table, settings, err);
    if (status == ANB_OK) status = scan_words(table, argc, argv, &config, err);
    if (status == ANB_OK && config) status = set_from_file(table, config, settings, err);
    if (status == ANB_OK) status = set_from_environment(table, settings, err);
    if (status == ANB_OK) status = set_from_words(table, argc, argv, settings, n_operands, err);
    if (status == ANB_OK) status = check_given(table, settings, err);
    if (status != ANB_OK) options_fini(table, settings);
    return status;
}

void options_fini(const struct option_table *table, void *settings)
{
    for (size_t i = 0; i < table->n_entries; i++) {
        if (table->entries[i].kind != OPTION_TEXT) continue;
        char **text = place_of(&table->entries[i], settings);
        free(*text);
        *text = NULL;
    }
}

static size_t least_of(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance, by rows; words longer than NAME_BYTES are far. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES], length = strlen(b);
    if (length >= NAME_BYTES) return NAME_BYTES;
    for (size_t j = 0; j <= length; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t above = row[j];
            row[j] = least_of(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[length];
}

const char *nearest_word(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2;
    for (size_t i = 0; words[i]; i++) {
        size_t distance = edit_distance(word, words[i]);
        if (distance >= best) continue;
        best = distance;
        nearest = words[i];
    }
    return nearest;
}
