#include "run_private.h"

#include "base/file.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void run_say(struct run *run, const char *format, ...)
{
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    log_event(LOG_INFO, "run", "job=%s round=%d text=%s", run->job, run->task.round, text);
    node_telemetry(run->site->node, run->job, run->task.round, "agent", NULL, 0, -1, text);
}

enum anb_status run_audit(struct run *run, enum audit_what what, const char *outcome, const char *detail,
                          struct anb_error *err)
{
    char on[64];
    snprintf(on, sizeof on, "job %s", run->job);
    const struct audit_event event = {.what = what, .on = on, .outcome = outcome, .detail = detail};
    return audit_write(run->site->audit, &event, err);
}

int64_t run_now_ms(const struct run *run)
{
    return (int64_t)uv_now(run->site->loop);
}

static enum anb_status open_parts(struct run *run, const struct job_state *job, struct anb_error *err)
{
    const struct run_site *site = run->site;
    enum anb_status status = intake_job_copy(job, &run->origin, err);
    run->spec = run->origin.spec;
    if (status == ANB_OK) status = download_new(site->node, site->intake, site->wake, site->owner, &run->download, err);
    if (status == ANB_OK) status = upload_new(site->node, site->wake, site->owner, &run->upload, err);
    if (status == ANB_OK) status = run_trainer_listen(run, err);
    if (status != ANB_OK) return status;
    struct anb_error why;
    if (scope_open(site->intake->policy_file, run->spec, site->data_folder, &run->scope, &why) != ANB_OK)
        snprintf(run->broken, sizeof run->broken, "%s", why.text);
    else if (run->scope.policy)
        run->limits = run->scope.policy->limits;
    run->scope.audit = site->audit;
    return ANB_OK;
}

enum anb_status run_new(const struct run_site *site, const struct job_state *job, struct run **out,
                        struct anb_error *err)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run) return anb_fail(err, ANB_NO_MEMORY, "no memory for a job");
    run->site = site;
    run->model.fd = run->next.fd = -1;
    run->task.round = run->launched_for = -1;
    snprintf(run->job, sizeof run->job, "%s", job->id);
    snprintf(run->folder, sizeof run->folder, "%s/jobs/%s", site->data_folder, job->id);
    snprintf(run->socket, sizeof run->socket, "%s/%s.sock", site->socket_folder, job->id);
    enum anb_status status = open_parts(run, job, err);
    if (status == ANB_OK)
        *out = run;
    else
        run_free(run);
    return status;
}

void run_free(struct run *run)
{
    struct anb_error err;
    if (!run) return;
    process_free(run->process);
    link_free(run->link);
    download_free(run->download);
    upload_free(run->upload);
    scope_close(&run->scope);
    run_model_forget(&run->model);
    run_model_forget(&run->next);
    intake_job_fini(&run->origin);
    log_event(LOG_INFO, "run-gone", "job=%s", run->job);
    if (file_remove_folder(run->folder, &err) != ANB_OK)
        log_event(LOG_WARN, "folder-left", "job=%s reason=%s", run->job, err.text);
    free(run);
}

const char *run_job(const struct run *run)
{
    return run->job;
}

/* -- the end */

static void begin_end(struct run *run, const char *outcome, const char *reason, int64_t grace_ms)
{
    if (run->ending) return;
    run->ending = true;
    download_cancel(run->download);
    upload_cancel(run->upload);
    link_stop_listening(run->link);
    run_trainer_wind_down(run, outcome, reason, grace_ms);
    run_audit(run, AUDIT_JOB_ENDED, outcome, reason, NULL);
    log_event(LOG_INFO, "run-ends", "job=%s outcome=%s", run->job, outcome);
}

void run_stop(struct run *run)
{
    begin_end(run, "stopped", "the site's agent ends", 0);
    if (run->term_ms > run_now_ms(run) && run->term_ms != INT64_MAX) { /* the job had ended already */
        run->term_ms = run_now_ms(run);
        run->kill_ms = run->term_ms + KILL_MS;
    }
}

bool run_is_over(const struct run *run)
{
    return run->ending && !run->process && download_is_idle(run->download) && upload_is_idle(run->upload);
}

/* -- a turn */

static void collect_bundle(struct run *run, const struct download_result *result)
{
    if (result->status == ANB_OK) {
        run->unpacked = true;
        run->signed_model = result->verdict.model;
        return;
    }
    bool may_pass = anb_status_class(result->status) == ANB_CLASS_RETRY && ++run->n_failures < 20;
    if (may_pass)
        run->retry_ms = run_now_ms(run) + RETRY_MS;
    else
        snprintf(run->broken, sizeof run->broken, "the job folder cannot be made: %s", result->err.text);
    if (!may_pass && result->status != ANB_DENIED)
        run_audit(run, AUDIT_BUNDLE_REFUSED, "denied", result->err.text, NULL);
    log_event(LOG_WARN, "bundle-failed", "job=%s reason=%s", run->job, result->err.text);
}

static void collect_model(struct run *run, const struct download_result *result)
{
    if (result->status == ANB_OK) {
        log_event(LOG_DEBUG, "fetched", "job=%s", run->job);
        run_model_forget(&run->next);
        run->next = (struct run_model){.streams = result->streams, .fd = result->fd};
        run->n_failures = 0;
        return;
    }
    bool again = stream_set_equal(&run->failed, &result->streams);
    bool counts = anb_status_class(result->status) != ANB_CLASS_RETRY && result->status != ANB_ABANDONED;
    run->n_failures = (again ? run->n_failures : 0) + (counts ? 1 : 0);
    run->failed = result->streams;
    run->retry_ms = run_now_ms(run) + RETRY_MS;
    log_event(LOG_INFO, "fetch-failed", "job=%s status=%s reason=%s", run->job, anb_status_word(result->status),
              result->err.text);
    if (run->n_failures >= MAX_FETCH_FAILURES && stream_set_equal(&result->streams, &run->task.base))
        run_task_give_up(run, "the model cannot be read: %s", result->err.text);
}

static void collect_download(struct run *run)
{
    struct download_result result;
    if (!download_collect(run->download, &result)) return;
    if (result.is_bundle)
        collect_bundle(run, &result);
    else
        collect_model(run, &result);
}

static void prepare(struct run *run)
{
    if (run->unpacked || *run->broken || !download_is_idle(run->download) || run_now_ms(run) < run->retry_ms) return;
    download_bundle(run->download, &run->origin, run->folder);
}

enum anb_status run_step(struct run *run, const struct duty *duty, bool settled, struct anb_error *err)
{
    collect_download(run);
    enum anb_status status = run_task_collect(run, err);
    if (status != ANB_OK) return status;
    if (duty->kind == DUTY_END) begin_end(run, outcome_words[duty->outcome], duty->reason, run->site->grace_ms);
    if (!run->ending) {
        prepare(run);
        run_task_step(run, duty, settled);
        run_model_step(run, duty);
    }
    run_trainer_step(run);
    if (!run->ending) run_task_offer(run);
    return ANB_OK;
}

void run_activity(struct run *run, struct run_activity *activity)
{
    *activity = (struct run_activity){.word = "idle", .round = run->task.round};
    if (run->ending) return;
    if (run->task.state == TASK_SENDING) {
        activity->word = "uploading";
        activity->rank = 3;
        upload_progress(run->upload, &activity->done, &activity->total);
    } else if (run->task.state == TASK_GIVEN) {
        activity->word = "training";
        activity->rank = 2;
    } else if (!download_is_idle(run->download)) {
        activity->word = "reading";
        activity->rank = 1;
        download_progress(run->download, &activity->done, &activity->total);
    }
}
