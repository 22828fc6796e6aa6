#include "base/clock.h"
#include "cli/format.h"
#include "cli/job.h"

struct settings {
    struct cli_common common;
};

static const struct option_entry entries[] = {CLI_COMMON_ENTRIES(struct settings)};

static void add_row(struct table *table, const struct doc *job)
{
    char age[FORMAT_BYTES];
    const char *state = job_state_word(job);
    int64_t submitted_ms = doc_int(doc_get(job, "submitted_ms"), 0);
    table_cell(table, "%s", doc_text(doc_get(job, "id"), "-"));
    table_cell(table, "%s", doc_text(doc_get(job, "name"), "-"));
    table_cell_coloured(table, job_state_colour(state), state);
    table_cell(table, "%lld/%lld", (long long)job_rounds_done(job),
               (long long)doc_int(doc_get(job, "rounds_total"), 0));
    table_cell(table, "%zu", doc_size(doc_get(job, "sites")));
    table_cell(table, "%s", format_duration(clock_wall_ms() - submitted_ms, age));
    table_cell(table, "%s", doc_text(doc_get(job, "reason"), ""));
}

static enum anb_status print_jobs(const struct doc *jobs, struct anb_error *err)
{
    struct table table;
    if (doc_size(jobs) == 0) {
        printf("no jobs yet: anabranch job submit DIR sends one\n");
        return ANB_OK;
    }
    table_init(&table);
    table_column(&table, TABLE_LEFT, "id");
    table_column(&table, TABLE_LEFT, "name");
    table_column(&table, TABLE_LEFT, "state");
    table_column(&table, TABLE_RIGHT, "rounds");
    table_column(&table, TABLE_RIGHT, "sites");
    table_column(&table, TABLE_RIGHT, "age");
    table_column(&table, TABLE_LEFT, "reason");
    for (size_t i = 0; i < doc_size(jobs); i++) add_row(&table, doc_at(jobs, i));
    enum anb_status status = table_print(&table, err);
    table_fini(&table);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct rest *rest = NULL;
    struct doc *body = NULL;
    (void)operands;
    enum anb_status status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = rest_call(rest, "GET", "/v1/jobs", 0, &body, err);
    if (status == ANB_OK)
        status = settings->common.json ? cli_print_json(body, err) : print_jobs(doc_get(body, "jobs"), err);
    doc_free(body);
    rest_close(rest);
    return status;
}

static const struct option_table options = CLI_OPTIONS("job list", "", "list all jobs, newest last", entries);
const struct cli_verb verb_job_list = {&options, sizeof(struct settings), 0, run};
