#include "cli/format.h"
#include "cli/job.h"

struct settings {
    struct cli_common common;
    int64_t timeout_s;
};

static const struct option_entry entries[] = {
    CLI_COMMON_ENTRIES(struct settings),
    OPTION_INT_ENTRY(struct settings, timeout_s, "timeout", "0", 0, 31536000, "s", "give up after so long; 0: never"),
};

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct job_target target;
    struct doc *body = NULL;
    enum anb_status status = job_open(&settings->common, operands[0], &target, err);
    if (status != ANB_OK) return status;
    status = job_watch(target.rest, target.id, settings->timeout_s, settings->common.json, &body, err);
    rest_close(target.rest);
    if (settings->common.json && (status == ANB_OK || status == ANB_ABANDONED)) {
        enum anb_status printed = cli_print_json(body, err);
        if (printed != ANB_OK) status = printed;
    } else if (status == ANB_OK) {
        job_print_completed(doc_get(body, "job"));
    }
    doc_free(body);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("job wait", "ID", "wait until a job has ended; exit code 1 when it failed or was aborted", entries);
const struct cli_verb verb_job_wait = {&options, sizeof(struct settings), 1, run};
