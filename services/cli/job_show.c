/* A job in full: what it is, and a table of its rounds.
 *
 * The metrics of train round r are the sites' evaluation of the model they received in it, so the quality of the model
 * that round r made was reported in round r + 1 (or in the final evaluation): the row of round r shows those. */
#include "base/clock.h"
#include "cli/format.h"
#include "cli/job.h"

#include <string.h>

enum { MAX_METRICS = 8, LIST_BYTES = 65536 };

struct settings {
    struct cli_common common;
};

static const struct option_entry entries[] = {CLI_COMMON_ENTRIES(struct settings)};

struct metric_names {
    const char *names[MAX_METRICS];
    size_t n_names;
};

static bool is_training(const struct doc *round)
{
    return strcmp(doc_text(doc_get(round, "task"), "train"), "train") == 0;
}

/* The round after the one at `index`, which reports how good the model of that one is; NULL: not opened yet. */
static const struct doc *round_after(const struct doc *rounds, size_t index)
{
    const struct doc *next = doc_at(rounds, index + 1);
    int64_t number = doc_int(doc_get(doc_at(rounds, index), "round"), 0);
    return doc_int(doc_get(next, "round"), 0) == number + 1 ? next : NULL;
}

/* Names of all metrics that some row will show; those of the initial model alone are in no row. */
static void collect_names(const struct doc *rounds, struct metric_names *found)
{
    for (size_t i = 0; i < doc_size(rounds); i++) {
        const struct doc *round = doc_at(rounds, i), *metrics = doc_get(round, "metrics");
        if (doc_int(doc_get(round, "round"), 0) == 0) continue;
        for (size_t j = 0; j < doc_size(metrics); j++) {
            size_t known = 0;
            while (known < found->n_names && strcmp(found->names[known], doc_key_at(metrics, j)) != 0) known++;
            if (known == found->n_names && known < MAX_METRICS) found->names[found->n_names++] = doc_key_at(metrics, j);
        }
    }
}

static size_t sites_in(const struct doc *round)
{
    const struct doc *sites = doc_get(round, "sites");
    size_t count = 0;
    if (strcmp(doc_text(doc_get(round, "phase"), ""), "closed") == 0) return doc_size(doc_get(round, "counted"));
    for (size_t i = 0; i < doc_size(sites); i++)
        count += strcmp(doc_text(doc_get(doc_at(sites, i), "phase"), ""), "closed") == 0;
    return count;
}

/* "site-2: no update before the deadline; site-3: ..." */
static enum anb_status list_excluded(const struct doc *round, struct buf *out, struct anb_error *err)
{
    const struct doc *excluded = doc_get(round, "excluded");
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < doc_size(excluded); i++) {
        const struct doc *site = doc_at(excluded, i);
        status = buf_printf(out, err, "%s%s: %s", i > 0 ? "; " : "", doc_text(doc_get(site, "site"), "-"),
                            doc_text(doc_get(site, "reason"), "no reason given"));
    }
    return status;
}

static void add_metrics(struct table *table, const struct doc *next_round, const struct metric_names *found)
{
    for (size_t i = 0; i < found->n_names; i++) {
        char text[FORMAT_BYTES];
        const struct doc *value = doc_get(doc_get(next_round, "metrics"), found->names[i]);
        bool known = doc_kind(value) == DOC_INT || doc_kind(value) == DOC_REAL;
        table_cell(table, "%s", known ? format_metric(doc_real(value, 0), text) : "-");
    }
}

/* `now_ms`: until when a round that is not closed has lasted. */
static enum anb_status add_row(struct table *table, const struct doc *rounds, size_t index,
                               const struct metric_names *found, int64_t now_ms, struct anb_error *err)
{
    const struct doc *round = doc_at(rounds, index);
    char bytes[FORMAT_BYTES];
    struct buf excluded;
    int64_t opened_ms = doc_int(doc_get(round, "opened_ms"), 0), closed_ms = doc_int(doc_get(round, "closed_ms"), 0);
    buf_init(&excluded, LIST_BYTES);
    enum anb_status status = list_excluded(round, &excluded, err);
    table_cell(table, "%lld", (long long)doc_int(doc_get(round, "round"), 0));
    table_cell(table, "%zu/%zu", sites_in(round), doc_size(doc_get(round, "sites")));
    add_metrics(table, round_after(rounds, index), found);
    table_cell(table, "%s", format_bytes(doc_int(doc_get(round, "bytes"), 0), bytes));
    table_cell(table, "%.2f%s", (double)((closed_ms ? closed_ms : now_ms) - opened_ms) / 1000, closed_ms ? "" : "+");
    table_cell(table, "%s", buf_text(&excluded));
    buf_fini(&excluded);
    return status;
}

static enum anb_status print_rounds(const struct doc *job, struct anb_error *err)
{
    struct table table;
    struct metric_names found = {.n_names = 0};
    const struct doc *rounds = doc_get(job, "rounds");
    int64_t ended_ms = doc_int(doc_get(job, "ended_ms"), 0), now_ms = ended_ms ? ended_ms : clock_wall_ms();
    enum anb_status status = ANB_OK;
    collect_names(rounds, &found);
    table_init(&table);
    table_column(&table, TABLE_RIGHT, "round");
    table_column(&table, TABLE_RIGHT, "sites in");
    if (found.n_names > 0) table_group(&table, table.n_columns, "global model after the round");
    for (size_t i = 0; i < found.n_names; i++) table_column(&table, TABLE_RIGHT, found.names[i]);
    table_column(&table, TABLE_RIGHT, "bytes");
    table_column(&table, TABLE_RIGHT, "seconds");
    table_column(&table, TABLE_LEFT, "excluded");
    for (size_t i = 0; status == ANB_OK && i < doc_size(rounds); i++)
        if (is_training(doc_at(rounds, i))) status = add_row(&table, rounds, i, &found, now_ms, err);
    if (status == ANB_OK) status = table_print(&table, err);
    table_fini(&table);
    return status;
}

/* -- the lines above the table */

static void add_line(struct table *table, const char *word, const char *text)
{
    if (!text || !*text) return;
    table_cell(table, "%s", word);
    table_cell(table, "%s", text);
}

static void add_state(struct table *table, const struct doc *job)
{
    const char *state = job_state_word(job);
    table_cell(table, "state");
    table_cell_coloured(table, job_state_colour(state), state);
    add_line(table, "reason", doc_text(doc_get(job, "reason"), NULL));
}

static void add_times(struct table *table, const struct doc *job)
{
    char when[FORMAT_BYTES], spent[FORMAT_BYTES];
    int64_t submitted_ms = doc_int(doc_get(job, "submitted_ms"), 0), ended_ms = doc_int(doc_get(job, "ended_ms"), 0);
    table_cell(table, "submitted");
    table_cell(table, "%s by %s", clock_text(submitted_ms, when), doc_text(doc_get(job, "submitter"), "-"));
    table_cell(table, ended_ms ? "took" : "age");
    table_cell(table, "%s", format_duration((ended_ms ? ended_ms : clock_wall_ms()) - submitted_ms, spent));
}

static enum anb_status add_sites(struct table *table, const struct doc *job, struct anb_error *err)
{
    const struct doc *sites = doc_get(job, "sites"), *answers = doc_get(job, "answers");
    enum anb_status status = ANB_OK;
    struct buf list;
    buf_init(&list, LIST_BYTES);
    for (size_t i = 0; status == ANB_OK && i < doc_size(sites); i++)
        status = buf_printf(&list, err, "%s%s", i > 0 ? ", " : "", doc_text(doc_at(sites, i), "-"));
    if (status == ANB_OK) add_line(table, "sites", buf_text(&list));
    for (size_t i = 0; i < doc_size(answers); i++) {
        const struct doc *answer = doc_at(answers, i);
        if (doc_bool(doc_get(answer, "accepted"), true)) continue;
        table_cell(table, "refused by");
        table_cell(table, "%s: %s", doc_text(doc_get(answer, "site"), "-"), doc_text(doc_get(answer, "reason"), "-"));
    }
    buf_fini(&list);
    return status;
}

static void add_model(struct table *table, const struct doc *model)
{
    char bytes[FORMAT_BYTES];
    if (doc_kind(model) != DOC_MAP) return;
    table_cell(table, "model");
    table_cell(table, "%s, sha256 %s", format_bytes(doc_int(doc_get(model, "bytes"), 0), bytes),
               doc_text(doc_get(model, "sha256"), "-"));
}

static enum anb_status print_lines(const struct doc *job, struct anb_error *err)
{
    struct table table;
    table_init(&table);
    table_column(&table, TABLE_LEFT, "");
    table_column(&table, TABLE_LEFT, "");
    add_line(&table, "job", doc_text(doc_get(job, "id"), "-"));
    add_line(&table, "name", doc_text(doc_get(job, "name"), NULL));
    add_state(&table, job);
    add_times(&table, job);
    enum anb_status status = add_sites(&table, job, err);
    add_model(&table, doc_get(job, "model"));
    if (status == ANB_OK) status = table_print(&table, err);
    table_fini(&table);
    return status;
}

/* The evaluation at the end makes no model and so has no row. */
static enum anb_status print_evaluation(const struct doc *rounds, struct anb_error *err)
{
    const struct doc *last = doc_at(rounds, doc_size(rounds) - 1);
    struct buf excluded;
    if (doc_size(rounds) == 0 || is_training(last)) return ANB_OK;
    buf_init(&excluded, LIST_BYTES);
    enum anb_status status = list_excluded(last, &excluded, err);
    printf("final evaluation: %zu of %zu sites in%s", sites_in(last), doc_size(doc_get(last, "sites")),
           excluded.size > 0 ? "; excluded: " : "");
    struct buf safe;
    buf_init(&safe, 2 * LIST_BYTES);
    if (status == ANB_OK) status = format_foreign(buf_text(&excluded), &safe, err);
    printf("%s\n", buf_text(&safe));
    buf_fini(&safe);
    buf_fini(&excluded);
    return status;
}

static enum anb_status print_job(const struct doc *job, struct anb_error *err)
{
    const struct doc *rounds = doc_get(job, "rounds");
    enum anb_status status = print_lines(job, err);
    if (status != ANB_OK || doc_size(rounds) == 0) return status;
    int64_t left_out = doc_int(doc_get(job, "rounds_left_out"), 0);
    printf("\n");
    if (left_out > 0) printf("(the first %lld rounds are left out)\n", (long long)left_out);
    status = print_rounds(job, err);
    return status == ANB_OK ? print_evaluation(rounds, err) : status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct job_target target;
    struct doc *body = NULL;
    char path[JOB_PATH_BYTES];
    enum anb_status status = job_open(&settings->common, operands[0], &target, err);
    if (status != ANB_OK) return status;
    snprintf(path, sizeof path, "/v1/jobs/%s?rounds=all", target.id);
    status = rest_call(target.rest, "GET", path, 0, &body, err);
    if (status == ANB_OK)
        status = settings->common.json ? cli_print_json(body, err) : print_job(doc_get(body, "job"), err);
    doc_free(body);
    rest_close(target.rest);
    return status;
}

static const struct option_table options = CLI_OPTIONS("job show", "ID", "a job and the table of its rounds", entries);
const struct cli_verb verb_job_show = {&options, sizeof(struct settings), 1, run};
