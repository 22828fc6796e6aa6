/* What the job verbs share: finding the job that an id or its beginning means, and the words for its state. One thread.
 */
#ifndef ANB_CLI_JOB_H
#define ANB_CLI_JOB_H

#include "cli/cli.h"
#include "cli/rest.h"
#include "cli/table.h"

enum { JOB_ID_DIGITS = 16, JOB_PATH_BYTES = 160 };

struct job_target {
    struct rest *rest;
    char id[JOB_ID_DIGITS + 1];
};

/* Reach the server and find the job. Close with rest_close(target->rest) on success only. */
enum anb_status job_open(const struct cli_common *common, const char *operand, struct job_target *target,
                         struct anb_error *err);

/* Whether `text` can be a job id or its beginning: 1 to 16 of 0-9 and a-f. */
bool job_id_is_prefix(const char *text);
/* The whole id of the one job of `jobs` (a list of summaries) that begins so. */
enum anb_status job_id_find(const struct doc *jobs, const char *prefix, char id[JOB_ID_DIGITS + 1],
                            struct anb_error *err);

/* Of a summary as the server gives it. */
const char *job_state_word(const struct doc *summary); /* the outcome once it has ended, else the phase */
enum table_colour job_state_colour(const char *state_word);
bool job_has_ended(const struct doc *summary);
int64_t job_rounds_done(const struct doc *summary);

/* "job ID completed in 12s", and how to get its model. */
void job_print_completed(const struct doc *summary);

/* Follow the job until it has ended: a bar on a terminal, else a line for each closed round; nothing when `quiet`.
 * `timeout_s` 0: no limit. OK: completed; ABANDONED: failed or aborted; TIMEOUT. *job (which may come with ABANDONED,
 * too, else NULL) is the last answer, {"job": ...}, for the caller to free. */
enum anb_status job_watch(struct rest *rest, const char *id, int64_t timeout_s, bool quiet, struct doc **job,
                          struct anb_error *err);

#endif
