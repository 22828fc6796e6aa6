#include "server/submit.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/transfer.h"
#include "server/submit_private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WAITING = 32, SEEN_TIMEOUT_MS = 30000, STEP_MS = 200, FIRST_ROUND = -1 };

struct submission {
    struct upload upload;
    struct submit_result result;
    atomic_bool done; /* `result` stands */
    atomic_int holders;
    char user[NAME_MAX_BYTES + 1];
    const struct submitter *submitter;
    long long seen; /* of the submitter's bytes, by submission_moves */
    struct submission *next;
};

struct submitter {
    struct node *node;
    const struct conductor *conductor;
    struct http *http;
    const char *incoming;
    int64_t model_limit_bytes;
    struct transfer_control control;
    atomic_llong bytes_before; /* of the transfers before the current one */
    pthread_t thread;
    bool is_started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct submission *first, *last; /* waiting */
    size_t n_waiting;
    bool stop;
};

/* -- one submission */

static bool find_request(struct submitter *submitter, const char *user, const char *request, char job[17])
{
    const struct federation *federation = node_lock(submitter->node);
    const struct job_state *state = *request ? federation_job_by_request(federation, user, request) : NULL;
    if (state) snprintf(job, 17, "%s", state->id);
    node_unlock(submitter->node);
    return state != NULL;
}

static enum anb_status new_job_id(struct submitter *submitter, char job[17], struct anb_error *err)
{
    struct id id;
    enum anb_status status = bus_random_id(node_bus(submitter->node), &id, err);
    if (status == ANB_OK) hex_encode(id.bytes, 8, job);
    return status;
}

static enum anb_status send_one(struct submitter *submitter, const char *job, const struct job_spec *spec,
                                enum purpose purpose, const struct layout *layout, int fd, int64_t data_offset,
                                struct id *stream, struct anb_error *err)
{
    const struct transfer_offer offer = {.job = job, .spec = spec, .round = FIRST_ROUND, .purpose = purpose};
    atomic_fetch_add(&submitter->bytes_before, atomic_exchange(&submitter->control.bytes_done, 0) + 1);
    enum anb_status status =
        transfer_send(submitter->node, &offer, layout, fd, data_offset, &submitter->control, stream, err);
    if (status == ANB_ABANDONED) /* not the caller's doing */
        status = anb_fail(err, ANB_UNAVAILABLE, "this server is stopping: submit again with the same request id");
    if (status != ANB_OK) anb_error_prefix(err, "the %s was not sent: ", purpose_words[purpose]);
    return status;
}

static enum anb_status append_submitted(struct submitter *submitter, const char *user, const char *job,
                                        const char *request, const struct checked *checked, const struct id streams[2],
                                        struct anb_error *err)
{
    struct buf spec;
    buf_init(&spec, 2 * JOB_FILE_MAX_BYTES);
    enum anb_status status = job_spec_write_json(checked->spec, &spec, err);
    struct record record = {.kind = RECORD_JOB_SUBMITTED,
                            .is.job_submitted = {.job = job,
                                                 .request = request,
                                                 .name = checked->spec->name,
                                                 .spec = buf_text(&spec),
                                                 .bundle = streams[0],
                                                 .manifest_digest = checked->manifest_digest,
                                                 .signature = checked->signature,
                                                 .model = streams[1],
                                                 .submitter = user}};
    record.is.job_submitted.head.epoch = federation_epoch(node_lock(submitter->node));
    node_unlock(submitter->node);
    if (status == ANB_OK) status = node_append(submitter->node, &record, true, err);
    buf_fini(&spec);
    return status;
}

/* Acknowledged by the broker: now it must come back through the control log, ours or an earlier one of this request. */
static enum anb_status await_job(struct submitter *submitter, const char *user, const char *request,
                                 struct submit_result *result, struct anb_error *err)
{
    struct node *node = submitter->node;
    int64_t deadline_ms = clock_monotonic_ms() + SEEN_TIMEOUT_MS, seen = 0;
    char job[17];
    while (clock_monotonic_ms() < deadline_ms) {
        bool settled = !node_is_behind(node);
        bool ours = federation_job(node_lock(node), result->job) != NULL;
        node_unlock(node);
        if (ours) return ANB_OK;
        if (find_request(submitter, user, request, job)) {
            memcpy(result->job, job, sizeof job);
            result->existed = true;
            return ANB_OK;
        }
        if (settled) return anb_fail(err, ANB_INVALID, "the control log's rules refuse this job");
        seen = node_wait(node, seen, STEP_MS);
    }
    return anb_fail(err, ANB_TIMEOUT,
                    "the job was written but has not come back: submit again with the same request id");
}

static enum anb_status send_job(struct submitter *submitter, const char *user, const struct checked *checked,
                                const struct upload *upload, struct submit_result *result, struct anb_error *err)
{
    struct id streams[2];
    const char *request = checked->manifest->request;
    enum anb_status status = new_job_id(submitter, result->job, err);
    if (status == ANB_OK)
        status = send_one(submitter, result->job, checked->spec, PURPOSE_BUNDLE, checked->bundle_layout,
                          upload->bundle.fd, 0, &streams[0], err);
    if (status == ANB_OK)
        status = send_one(submitter, result->job, checked->spec, PURPOSE_MODEL, checked->model.layout,
                          checked->model_fd, checked->model.data_offset, &streams[1], err);
    if (status == ANB_OK) status = conductor_may_change(submitter->conductor, err);
    if (status == ANB_OK) status = append_submitted(submitter, user, result->job, request, checked, streams, err);
    return status == ANB_OK ? await_job(submitter, user, request, result, err) : status;
}

static enum anb_status check_and_send(struct submitter *submitter, const char *user, const struct upload *upload,
                                      struct submit_result *result, struct anb_error *err)
{
    const struct submit_rules rules = {node_trust(submitter->node), user, submitter->incoming,
                                       submitter->model_limit_bytes};
    struct checked checked;
    enum anb_status status = submission_check(upload, &rules, &checked, err);
    if (status != ANB_OK) return status;
    result->existed = find_request(submitter, user, checked.manifest->request, result->job);
    if (!result->existed) status = send_job(submitter, user, &checked, upload, result, err);
    checked_fini(&checked);
    return status;
}

static void work_on(struct submitter *submitter, struct submission *submission)
{
    struct submit_result *result = &submission->result;
    const struct upload *upload = &submission->upload;
    result->existed = find_request(submitter, submission->user, upload->request, result->job);
    if (result->existed) return;
    result->status = check_and_send(submitter, submission->user, upload, result, &result->err);
    log_event(result->status == ANB_OK ? LOG_INFO : LOG_WARN, "job-submitted", "job=%s user=%s status=%s", result->job,
              submission->user, anb_status_word(result->status));
}

/* -- the queue */

static struct submission *take(struct submitter *submitter)
{
    pthread_mutex_lock(&submitter->lock);
    while (!submitter->first && !submitter->stop) pthread_cond_wait(&submitter->changed, &submitter->lock);
    struct submission *submission = submitter->stop ? NULL : submitter->first;
    if (submission) {
        submitter->first = submission->next;
        if (!submitter->first) submitter->last = NULL;
        submitter->n_waiting--;
    }
    pthread_mutex_unlock(&submitter->lock);
    return submission;
}

static void *run(void *context)
{
    struct submitter *submitter = context;
    struct submission *submission;
    while ((submission = take(submitter)) != NULL) {
        work_on(submitter, submission);
        upload_fini(&submission->upload);
        atomic_store(&submission->done, true);
        submission_release(submission);
        http_wake(submitter->http);
    }
    return NULL;
}

enum anb_status submit(struct submitter *submitter, const char *user, struct upload *upload,
                       struct submission **submission, struct anb_error *err)
{
    struct submission *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for a submission");
    pthread_mutex_lock(&submitter->lock);
    bool has_room = submitter->n_waiting < MAX_WAITING;
    if (has_room) {
        made->upload = *upload;
        made->submitter = submitter;
        snprintf(made->user, sizeof made->user, "%s", user);
        upload_init(upload);
        atomic_init(&made->holders, 2);
        if (submitter->last)
            submitter->last->next = made;
        else
            submitter->first = made;
        submitter->last = made;
        submitter->n_waiting++;
        pthread_cond_signal(&submitter->changed);
    }
    pthread_mutex_unlock(&submitter->lock);
    if (has_room)
        *submission = made;
    else
        free(made);
    return has_room ? ANB_OK : anb_fail(err, ANB_AGAIN, "%d submissions wait already: try again", MAX_WAITING);
}

bool submission_result(struct submission *submission, struct submit_result *result)
{
    if (!atomic_load(&submission->done)) return false;
    *result = submission->result;
    return true;
}

bool submission_moves(struct submission *submission)
{
    const struct submitter *submitter = submission->submitter;
    long long bytes = atomic_load(&submitter->bytes_before) + atomic_load(&submitter->control.bytes_done);
    bool moves = bytes != submission->seen;
    submission->seen = bytes;
    return moves;
}

void submission_release(struct submission *submission)
{
    if (atomic_fetch_sub(&submission->holders, 1) > 1) return;
    upload_fini(&submission->upload);
    free(submission);
}

enum anb_status submitter_new(struct node *node, const struct conductor *conductor, const char *incoming,
                              int64_t model_limit_bytes, struct submitter **submitter, struct anb_error *err)
{
    struct submitter *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for submissions");
    made->node = node;
    made->conductor = conductor;
    made->incoming = incoming;
    made->model_limit_bytes = model_limit_bytes;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    *submitter = made;
    return ANB_OK;
}

enum anb_status submitter_start(struct submitter *submitter, struct http *http, struct anb_error *err)
{
    submitter->http = http;
    if (pthread_create(&submitter->thread, NULL, run, submitter) != 0)
        return anb_fail(err, ANB_IO, "cannot start the thread for submissions");
    submitter->is_started = true;
    return ANB_OK;
}

static void stop_thread(struct submitter *submitter)
{
    pthread_mutex_lock(&submitter->lock);
    submitter->stop = true;
    atomic_store(&submitter->control.cancel, true);
    pthread_cond_signal(&submitter->changed);
    pthread_mutex_unlock(&submitter->lock);
    if (submitter->is_started) pthread_join(submitter->thread, NULL);
}

void submitter_free(struct submitter *submitter)
{
    if (!submitter) return;
    stop_thread(submitter);
    while (submitter->first) {
        struct submission *next = submitter->first->next;
        submission_release(submitter->first);
        submitter->first = next;
    }
    pthread_cond_destroy(&submitter->changed);
    pthread_mutex_destroy(&submitter->lock);
    free(submitter);
}
