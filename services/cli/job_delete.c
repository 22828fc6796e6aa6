#include "cli/job.h"
#include "cli/terminal.h"

#include <string.h>

struct settings {
    struct cli_common common;
    bool yes;
};

static const struct option_entry entries[] = {
    CLI_COMMON_ENTRIES(struct settings),
    OPTION_BOOL_ENTRY(struct settings, yes, "yes", "do not ask; needed without a terminal"),
};

static enum anb_status ask_user(const char *id, struct anb_error *err)
{
    char answer[16] = "";
    if (!terminal_is(stdin) || !terminal_is(stderr))
        return anb_fail(err, ANB_INVALID, "job %s and its model would be deleted for ever: add --yes to do it", id);
    fprintf(stderr, "delete job %s and its model for ever? [y/N] ", id);
    if (fgets(answer, sizeof answer, stdin) && (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
        return ANB_OK;
    return anb_fail(err, ANB_INVALID, "nothing was deleted");
}

static enum anb_status delete_job(const struct settings *settings, const struct job_target *target,
                                  struct anb_error *err)
{
    char path[JOB_PATH_BYTES];
    enum anb_status status = settings->yes ? ANB_OK : ask_user(target->id, err);
    if (status != ANB_OK) return status;
    snprintf(path, sizeof path, "/v1/jobs/%s", target->id);
    status = rest_call(target->rest, "DELETE", path, 0, NULL, err);
    if (status != ANB_OK) return status;
    printf(settings->common.json ? "{\"deleted\": \"%s\"}\n" : "job %s deleted\n", target->id);
    return ANB_OK;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct job_target target;
    enum anb_status status = job_open(&settings->common, operands[0], &target, err);
    if (status != ANB_OK) return status;
    status = delete_job(settings, &target, err);
    rest_close(target.rest);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("job delete", "ID", "forget a job that has ended, and its model", entries);
const struct cli_verb verb_job_delete = {&options, sizeof(struct settings), 1, run};
