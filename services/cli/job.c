#include "cli/job.h"

#include "cli/format.h"

#include <stdlib.h>
#include <string.h>

bool job_id_is_prefix(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= JOB_ID_DIGITS && strspn(text, "0123456789abcdef") == length;
}

/* The texts of all matching ids, up to a few, for the sentence. */
static enum anb_status ambiguous(const struct doc *jobs, const char *prefix, struct anb_error *err)
{
    char list[160] = "";
    int shown = 0;
    for (size_t i = 0; i < doc_size(jobs) && shown < 5; i++) {
        const char *id = doc_text(doc_get(doc_at(jobs, i), "id"), "");
        if (strncmp(id, prefix, strlen(prefix)) != 0) continue;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, " %.16s", id);
        shown++;
    }
    return anb_fail(err, ANB_INVALID, "several jobs begin with \"%s\":%s: type more digits", prefix, list);
}

enum anb_status job_id_find(const struct doc *jobs, const char *prefix, char id[JOB_ID_DIGITS + 1],
                            struct anb_error *err)
{
    const char *found = NULL;
    for (size_t i = 0; i < doc_size(jobs); i++) {
        const char *text = doc_text(doc_get(doc_at(jobs, i), "id"), "");
        if (strncmp(text, prefix, strlen(prefix)) != 0) continue;
        if (found) return ambiguous(jobs, prefix, err);
        found = text;
    }
    if (!found || !job_id_is_prefix(found) || strlen(found) != JOB_ID_DIGITS)
        return anb_fail(err, ANB_NOT_FOUND, "no job begins with \"%s\": see anabranch job list", prefix);
    memcpy(id, found, JOB_ID_DIGITS + 1);
    return ANB_OK;
}

static enum anb_status resolve(struct rest *rest, const char *prefix, char id[JOB_ID_DIGITS + 1], struct anb_error *err)
{
    struct doc *body = NULL;
    if (strlen(prefix) == JOB_ID_DIGITS) {
        memcpy(id, prefix, JOB_ID_DIGITS + 1);
        return ANB_OK;
    }
    enum anb_status status = rest_call(rest, "GET", "/v1/jobs", 0, &body, err);
    if (status == ANB_OK) status = job_id_find(doc_get(body, "jobs"), prefix, id, err);
    doc_free(body);
    return status;
}

enum anb_status job_open(const struct cli_common *common, const char *operand, struct job_target *target,
                         struct anb_error *err)
{
    struct rest *rest = NULL;
    if (!job_id_is_prefix(operand))
        return anb_fail(err, ANB_INVALID, "\"%.64s\" is not a job id: it has 1 to 16 of 0-9 and a-f", operand);
    enum anb_status status = rest_open(common->server, &rest, err);
    if (status != ANB_OK) return status;
    status = resolve(rest, operand, target->id, err);
    if (status == ANB_OK)
        target->rest = rest;
    else
        rest_close(rest);
    return status;
}

bool job_has_ended(const struct doc *summary)
{
    return strcmp(doc_text(doc_get(summary, "phase"), ""), "ended") == 0;
}

const char *job_state_word(const struct doc *summary)
{
    const char *phase = doc_text(doc_get(summary, "phase"), "unknown");
    return job_has_ended(summary) ? doc_text(doc_get(summary, "outcome"), phase) : phase;
}

enum table_colour job_state_colour(const char *state_word)
{
    if (strcmp(state_word, "completed") == 0) return TABLE_GREEN;
    bool bad = strcmp(state_word, "failed") == 0 || strcmp(state_word, "aborted") == 0;
    return bad ? TABLE_RED : TABLE_YELLOW;
}

int64_t job_rounds_done(const struct doc *summary)
{
    int64_t total = doc_int(doc_get(summary, "rounds_total"), 0), current = doc_int(doc_get(summary, "round"), 0);
    bool whole = strcmp(job_state_word(summary), "completed") == 0 || current > total;
    return whole ? total : current;
}

void job_print_completed(const struct doc *summary)
{
    char spent[FORMAT_BYTES];
    const char *id = doc_text(doc_get(summary, "id"), "");
    format_duration(doc_int(doc_get(summary, "ended_ms"), 0) - doc_int(doc_get(summary, "submitted_ms"), 0), spent);
    printf("job %s completed in %s\n", id, spent);
    fflush(stdout);
    fprintf(stderr, "next: anabranch job show %s; anabranch job download %s\n", id, id);
}
