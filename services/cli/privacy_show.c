/* `privacy show`: what the scopes of a site have spent, from the ledgers that its agent keeps. */
#include "cli/cli.h"
#include "cli/table.h"
#include "privacy/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { MORE_MOST = 100000, DATE_BYTES = 24 };

static const char ending[] = ".ledger";

struct settings {
    struct {
        bool json;
    } common;
};

static const struct option_entry entries[] = {CLI_JSON_ENTRY(struct settings)};

struct row {
    char scope[NAME_MAX + 1];
    struct ledger_entry last;
    double epsilon, left;
    int64_t more; /* updates like the last one that still fit */
};

struct output {
    struct table *table;
    struct doc *list;
};

/* How many more fit: that epsilon rises with each makes halving enough. */
static int64_t count_more(const struct ledger_entry *last)
{
    int64_t low = 0, high = MORE_MOST;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        double n = (double)middle;
        struct privacy_loss after = {last->total.rho + n * last->loss.rho, last->total.pure + n * last->loss.pure,
                                     last->total.numbers + n * last->loss.numbers};
        if (privacy_epsilon(&after, last->budget.delta) <= last->budget.epsilon)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static enum anb_status read_row(const char *path, struct row *row, struct anb_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t size = strlen(name), tail = strlen(ending);
    if (size > tail && strcmp(name + size - tail, ending) == 0) size -= tail;
    *row = (struct row){.more = 0};
    snprintf(row->scope, sizeof row->scope, "%.*s", (int)size, name);
    enum anb_status status = ledger_last(path, &row->last, err);
    if (status != ANB_OK || row->last.number == 0) return status;
    row->epsilon = privacy_epsilon(&row->last.total, row->last.budget.delta);
    row->left = row->last.budget.epsilon > row->epsilon ? row->last.budget.epsilon - row->epsilon : 0;
    row->more = count_more(&row->last);
    return ANB_OK;
}

static const char *write_date(int64_t time_ms, char text[DATE_BYTES])
{
    struct tm parts;
    time_t when = (time_t)(time_ms / 1000);
    if (!gmtime_r(&when, &parts) || strftime(text, DATE_BYTES, "%Y-%m-%d %H:%M", &parts) == 0)
        snprintf(text, DATE_BYTES, "-");
    return text;
}

static void add_cells(const struct row *row, struct table *table)
{
    char date[DATE_BYTES];
    table_cell(table, "%s", row->scope);
    table_cell(table, "%lld", (long long)row->last.number);
    table_cell(table, "%.4g", row->epsilon);
    table_cell(table, "%g", row->last.budget.epsilon);
    table_cell(table, "%.4g", row->left);
    table_cell(table, "%g", row->last.budget.delta);
    table_cell(table, row->more == MORE_MOST ? "> %lld" : "%lld", (long long)row->more);
    table_cell(table, "%s", row->last.number > 0 ? write_date(row->last.time_ms, date) : "-");
    table_cell(table, "%s", row->last.job);
    table_cell(table, "%d", row->last.round);
}

static void add_object(const struct row *row, struct doc *list)
{
    struct doc *map = doc_add_map(list);
    doc_set_text(map, "scope", row->scope);
    doc_set_int(map, "updates", row->last.number);
    doc_set_real(map, "epsilon", row->epsilon);
    doc_set_real(map, "budget", row->last.budget.epsilon);
    doc_set_real(map, "left", row->left);
    doc_set_real(map, "delta", row->last.budget.delta);
    doc_set_int(map, "more_updates", row->more);
    doc_set_int(map, "last_ms", row->last.time_ms);
    doc_set_text(map, "last_job", row->last.job);
    doc_set_int(map, "last_round", row->last.round);
}

static enum anb_status add_ledger(const char *path, const struct output *output, struct anb_error *err)
{
    struct row row;
    enum anb_status status = read_row(path, &row, err);
    if (status != ANB_OK) return status;
    if (output->list)
        add_object(&row, output->list);
    else
        add_cells(&row, output->table);
    return ANB_OK;
}

static int is_ledger(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name), tail = strlen(ending);
    return size > tail && strcmp(entry->d_name + size - tail, ending) == 0;
}

static enum anb_status add_folder(const char *folder, const struct output *output, struct anb_error *err)
{
    struct dirent **found;
    int n = scandir(folder, &found, is_ledger, alphasort);
    if (n < 0) return anb_fail_errno(err, errno, "cannot look into %s", folder);
    enum anb_status status = n > 0 ? ANB_OK : anb_fail(err, ANB_NOT_FOUND, "there is no ledger in %s", folder);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        bool fits = snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name) < (int)sizeof path;
        if (status == ANB_OK && !fits) status = anb_fail(err, ANB_INVALID, "path too long: %.200s", folder);
        if (status == ANB_OK) status = add_ledger(path, output, err);
        free(found[i]);
    }
    free(found);
    return status;
}

/* A ledger, the folder that holds them, or the data folder of an agent. */
static enum anb_status add_all(const char *path, const struct output *output, struct anb_error *err)
{
    struct stat info;
    char inner[PATH_MAX];
    if (stat(path, &info) != 0) return anb_fail_errno(err, errno, "cannot look at %s", path);
    if (!S_ISDIR(info.st_mode)) return add_ledger(path, output, err);
    snprintf(inner, sizeof inner, "%s/privacy", path);
    return add_folder(stat(inner, &info) == 0 ? inner : path, output, err);
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    static const char *const headings[] = {"SCOPE", "UPDATES", "EPSILON", "OF", "LEFT", "DELTA", "MORE"};
    const struct settings *settings = context;
    struct table table;
    struct doc *root = doc_new_map();
    table_init(&table);
    table_column(&table, TABLE_LEFT, headings[0]);
    for (size_t i = 1; i < sizeof headings / sizeof *headings; i++) table_column(&table, TABLE_RIGHT, headings[i]);
    table_column(&table, TABLE_LEFT, "LAST");
    table_column(&table, TABLE_LEFT, "JOB");
    table_column(&table, TABLE_RIGHT, "ROUND");
    const struct output output = {&table, settings->common.json ? doc_set_list(root, "scopes") : NULL};
    enum anb_status status = add_all(operands[0], &output, err);
    if (status == ANB_OK) status = settings->common.json ? cli_print_json(root, err) : table_print(&table, err);
    table_fini(&table);
    doc_free(root);
    return status;
}

static const struct option_table options = CLI_OPTIONS(
    "privacy show", "PATH",
    "what a site's privacy scopes have spent: PATH is a ledger, a folder of them or an agent's data folder", entries);
const struct cli_verb verb_privacy_show = {&options, sizeof(struct settings), 1, run};
