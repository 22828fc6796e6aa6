#include "answering.h"

#include "base/log.h"
#include "base/utf8.h"
#include "download.h"
#include "duty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_AGAIN_MS = 10000, RETRY_MS = 500, MAX_ANSWERS = 64 };

struct answer { /* sent, and not seen in the log yet, perhaps */
    char job[32];
    int64_t at_ms;
};

struct answering {
    struct node *node;
    const struct intake_site *site;
    struct download *download;
    struct intake_job job; /* on the worker, when it is busy; its spec NULL: none */
    int64_t retry_ms;      /* not before */
    int64_t now_ms;
    struct answer answers[MAX_ANSWERS]; /* a ring */
    size_t n_answers;
};

/* -- the answer */

static bool was_answered(const struct answering *answering, const char *job)
{
    for (size_t i = 0; i < MAX_ANSWERS; i++) {
        const struct answer *answer = &answering->answers[i];
        if (strcmp(answer->job, job) == 0 && answering->now_ms < answer->at_ms + ANSWER_AGAIN_MS) return true;
    }
    return false;
}

/* What was decided is on the site's disk before anybody hears it. */
static enum anb_status tell(struct answering *answering, const char *reason, struct anb_error *err)
{
    const struct intake_job *job = &answering->job;
    bool accepted = !*reason;
    struct record record = {.kind = RECORD_JOB_ANSWERED,
                            .is.job_answered = {.job = job->id, .accepted = accepted, .reason = reason}};
    enum anb_status status = intake_audit(answering->site, job, accepted ? AUDIT_JOB_ACCEPTED : AUDIT_JOB_REFUSED,
                                          accepted ? NULL : "denied", reason, err);
    return status == ANB_OK || !accepted ? node_append(answering->node, &record, false, err) : status;
}

/* `reason` "": it is accepted. Not told: the job asks again at the next turn. */
static void answer(struct answering *answering, const char *reason)
{
    const char *job = answering->job.id;
    struct anb_error err;
    if (tell(answering, reason, &err) != ANB_OK) {
        log_event(LOG_WARN, "not-answered", "job=%s reason=%s", job, err.text);
        answering->retry_ms = answering->now_ms + RETRY_MS;
        return;
    }
    struct answer *note = &answering->answers[answering->n_answers++ % MAX_ANSWERS];
    snprintf(note->job, sizeof note->job, "%s", job);
    note->at_ms = answering->now_ms;
    log_event(LOG_INFO, "job-answered", "job=%s accepted=%s reason=%s", job, *reason ? "false" : "true", reason);
}

/* -- the question */

static bool asks(const struct answering *answering, const struct job_state *job)
{
    struct duty duty;
    duty_of(job, node_name(answering->node), &duty);
    return job && duty.kind == DUTY_ANSWER;
}

/* Copy the first job that waits for this site's answer out of the state. */
static bool find_question(struct answering *answering, int64_t *bundle_bytes)
{
    const struct federation *federation = node_lock(answering->node);
    bool found = false;
    for (size_t i = 0; !found && i < federation_n_jobs(federation); i++) {
        struct anb_error err;
        const struct job_state *job = federation_job_at(federation, i);
        if (!asks(answering, job) || was_answered(answering, job->id)) continue;
        const struct stream_state *bundle = federation_stream(federation, &job->bundle);
        *bundle_bytes = bundle ? bundle->data_bytes : 0;
        found = intake_job_copy(job, &answering->job, &err) == ANB_OK;
        if (!found) log_event(LOG_ERROR, "job-not-read", "job=%s reason=%s", job->id, err.text);
    }
    node_unlock(answering->node);
    return found;
}

static void forget_job(struct answering *answering)
{
    intake_job_fini(&answering->job);
}

/* What can be said without the folder. */
static bool refuse_at_once(struct answering *answering, int64_t bundle_bytes)
{
    const struct intake_job *job = &answering->job;
    struct policy_decision decision = {.n_findings = 0};
    char reason[INTAKE_REASON_BYTES];
    intake_foresee(answering->site, job, bundle_bytes, &decision);
    bool denied = intake_denies(&decision, reason) || duty_refusal(job->spec, getenv("PATH"), reason);
    if (denied) {
        utf8_repair(reason);
        answer(answering, reason);
    }
    return denied;
}

static void begin(struct answering *answering)
{
    int64_t bundle_bytes;
    for (int i = 0; i < MAX_ANSWERS && answering->now_ms >= answering->retry_ms; i++) {
        if (!find_question(answering, &bundle_bytes)) return;
        if (!refuse_at_once(answering, bundle_bytes)) {
            download_bundle(answering->download, &answering->job, NULL);
            return;
        }
        forget_job(answering);
    }
}

/* -- the verdict */

static void collect(struct answering *answering)
{
    struct download_result result;
    char reason[INTAKE_REASON_BYTES] = "";
    if (!download_collect(answering->download, &result)) return;
    enum anb_status_class class = anb_status_class(result.status);
    if (class == ANB_CLASS_RETRY || class == ANB_CLASS_FATAL || result.status == ANB_ABANDONED) {
        log_event(LOG_WARN, "bundle-failed", "job=%s reason=%s", answering->job.id, result.err.text);
        answering->retry_ms = answering->now_ms + RETRY_MS;
    } else {
        if (result.status != ANB_OK)
            snprintf(reason, sizeof reason, "%s%.360s",
                     result.status == ANB_DENIED ? "" : "the job folder: ", result.err.text);
        utf8_repair(reason);
        answer(answering, reason);
    }
    forget_job(answering);
}

/* Nobody waits for the verdict any more. */
static void cancel_what_is_late(struct answering *answering)
{
    const struct federation *federation = node_lock(answering->node);
    bool wanted = asks(answering, federation_job(federation, answering->job.id));
    node_unlock(answering->node);
    if (!wanted) download_cancel(answering->download);
}

void answering_step(struct answering *answering, int64_t now_ms)
{
    answering->now_ms = now_ms;
    collect(answering);
    if (download_is_idle(answering->download))
        begin(answering);
    else
        cancel_what_is_late(answering);
}

/* -- life */

enum anb_status answering_new(struct node *node, const struct intake_site *site, void (*wake)(void *owner), void *owner,
                              struct answering **out, struct anb_error *err)
{
    struct answering *answering = calloc(1, sizeof *answering);
    if (!answering) return anb_fail(err, ANB_NO_MEMORY, "no memory for answers");
    answering->node = node;
    answering->site = site;
    enum anb_status status = download_new(node, site, wake, owner, &answering->download, err);
    if (status == ANB_OK)
        *out = answering;
    else
        free(answering);
    return status;
}

void answering_free(struct answering *answering)
{
    if (!answering) return;
    download_free(answering->download);
    forget_job(answering);
    free(answering);
}
