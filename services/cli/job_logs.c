#include "cli/format.h"
#include "cli/job.h"
#include "cli/terminal.h"

#include <string.h>

enum { LINES_EACH = 1000, FOLLOW_S = 20, AWAY_MS = 60000, LINE_CEILING_BYTES = 1 << 20 };

struct settings {
    struct cli_common common;
    bool follow;
};

static const struct option_entry entries[] = {
    CLI_COMMON_ENTRIES(struct settings),
    OPTION_BOOL_ENTRY(struct settings, follow, "follow", "wait for more lines until the job has ended"),
};

static enum anb_status print_json_line(const struct doc *line, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, LINE_CEILING_BYTES);
    enum anb_status status = doc_write_json(line, false, &text, err);
    if (status == ANB_OK) printf("%s\n", buf_text(&text));
    buf_fini(&text);
    return status;
}

/* "site-1  round 3  loss 0.5" */
static enum anb_status print_text_line(const struct doc *line, struct anb_error *err)
{
    struct buf text;
    const struct doc *round = doc_get(line, "round");
    const char *dim = terminal_has_colours(stdout) ? "\033[2m" : "", *plain = *dim ? "\033[0m" : "";
    buf_init(&text, LINE_CEILING_BYTES);
    enum anb_status status = buf_append_text(&text, dim, err);
    if (status == ANB_OK) status = format_foreign(doc_text(doc_get(line, "site"), "-"), &text, err);
    if (status == ANB_OK && doc_kind(round) == DOC_INT)
        status = buf_printf(&text, err, "  round %lld", (long long)doc_int(round, 0));
    if (status == ANB_OK) status = buf_printf(&text, err, "%s  ", plain);
    if (status == ANB_OK) status = format_foreign(doc_text(doc_get(line, "text"), ""), &text, err);
    if (status == ANB_OK) printf("%s\n", buf_text(&text));
    buf_fini(&text);
    return status;
}

/* Print one answer's lines; *next moves behind them, *more says whether to ask again. */
static enum anb_status print_lines(const struct settings *settings, const struct doc *body, int64_t *next, bool *more,
                                   struct anb_error *err)
{
    const struct doc *lines = doc_get(body, "lines");
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < doc_size(lines); i++) {
        const struct doc *line = doc_at(lines, i);
        status = settings->common.json ? print_json_line(line, err) : print_text_line(line, err);
    }
    fflush(stdout);
    int64_t behind = doc_int(doc_get(body, "next"), *next);
    bool some = doc_size(lines) > 0 && behind > *next;
    *next = behind;
    *more = some || (settings->follow && !doc_bool(doc_get(body, "ended"), true));
    return status;
}

static enum anb_status print_all(const struct settings *settings, const struct job_target *target,
                                 struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    int64_t next = 0;
    bool more = true;
    while (more && status == ANB_OK) {
        char path[JOB_PATH_BYTES];
        struct doc *body = NULL;
        int64_t wait_s = settings->follow ? FOLLOW_S : 0;
        snprintf(path, sizeof path, "/v1/jobs/%s/logs?from=%lld&limit=%d&wait_s=%lld", target->id, (long long)next,
                 LINES_EACH, (long long)wait_s);
        status = rest_call(target->rest, "GET", path, wait_s, &body, err);
        if (status == ANB_OK) status = print_lines(settings, body, &next, &more, err);
        doc_free(body);
        if (settings->follow) rest_set_patience(target->rest, AWAY_MS);
    }
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct job_target target;
    enum anb_status status = job_open(&settings->common, operands[0], &target, err);
    if (status != ANB_OK) return status;
    status = print_all(settings, &target, err);
    rest_close(target.rest);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("job logs", "ID", "what the trainers of a job printed; JSON: one object a line", entries);
const struct cli_verb verb_job_logs = {&options, sizeof(struct settings), 1, run};
