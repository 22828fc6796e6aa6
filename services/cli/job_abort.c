#include "cli/job.h"

struct settings {
    struct cli_common common;
};

static const struct option_entry entries[] = {CLI_COMMON_ENTRIES(struct settings)};

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct job_target target;
    struct doc *body = NULL;
    char path[JOB_PATH_BYTES];
    enum anb_status status = job_open(&settings->common, operands[0], &target, err);
    if (status != ANB_OK) return status;
    snprintf(path, sizeof path, "/v1/jobs/%s/abort", target.id);
    status = rest_call(target.rest, "POST", path, 0, &body, err);
    if (status == ANB_OK && settings->common.json)
        status = cli_print_json(body, err);
    else if (status == ANB_OK)
        printf("job %s %s\n", target.id,
               job_has_ended(doc_get(body, "job")) ? job_state_word(doc_get(body, "job")) : "is being aborted");
    doc_free(body);
    rest_close(target.rest);
    return status;
}

static const struct option_table options = CLI_OPTIONS("job abort", "ID", "end a job that runs", entries);
const struct cli_verb verb_job_abort = {&options, sizeof(struct settings), 1, run};
