/* What users ask and order about jobs. */
#include "base/clock.h"
#include "server/access.h"
#include "server/audited.h"
#include "server/routes.h"
#include "server/server.h"
#include "server/views.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_WAIT_S = 60,
    ORDER_WAIT_MS = 15000,
    SUBMIT_STALL_MS = 60000, /* so long nothing may move */
    LOG_DEFAULT_LINES = 1000,
    LOG_LATE_MS = 2000 /* lines may still come so long after a job's end */
};

static enum verdict no_such_job(struct answer *answer, const char *job)
{
    struct anb_error err;
    anb_fail(&err, ANB_NOT_FOUND, "there is no job %s", job);
    return answer_error(answer, &err);
}

/* {"job":...}, or 404 when it is gone. */
static enum verdict answer_job(struct server *server, const char *id, enum view_rounds rounds, int code,
                               struct answer *answer)
{
    struct doc *doc = doc_new_map();
    const struct job_state *job = federation_job(node_lock(server->node), id);
    if (job) view_job(doc_set_map(doc, "job"), job, rounds);
    node_unlock(server->node);
    if (job) return answer_doc(answer, code, doc);
    doc_free(doc);
    return no_such_job(answer, id);
}

/* -- submit */

static void release_submission(void *work)
{
    submission_release(work);
}

enum verdict handle_submit(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct submission *submission = request->work;
    struct submit_result result;
    struct anb_error err;
    if (!submission) {
        if (audited(server, request, AUDIT_JOB_SUBMITTED, "request", request->upload.request, "asked", &err) !=
                ANB_OK ||
            submit(server->submitter, request->user.name, &request->upload, &submission, &err) != ANB_OK)
            return answer_error(answer, &err);
        request->work = submission;
        request->work_free = release_submission;
        request->wait_until_ms = clock_monotonic_ms() + SUBMIT_STALL_MS;
    }
    if (submission_result(submission, &result)) {
        if (result.status != ANB_OK) return answer_error(answer, &result.err);
        audited(server, request, AUDIT_JOB_SUBMITTED, "job", result.job, "accepted", NULL);
        return answer_job(server, result.job, VIEW_ALL_ROUNDS, result.existed ? 200 : 201, answer);
    }
    if (request->late && !request->is_last && submission_moves(submission)) {
        request->wait_until_ms = clock_monotonic_ms() + SUBMIT_STALL_MS;
        request->late = false;
    }
    if (!request->late) return WAIT;
    anb_fail(&err, ANB_UNAVAILABLE,
             "the broker takes nothing now; the job may still be accepted: submit again with the same request id");
    return answer_error(answer, &err);
}

/* -- list and show */

enum verdict handle_jobs(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct doc *doc = doc_new_map();
    struct doc *list = doc_set_list(doc, "jobs");
    const struct federation *federation = node_lock(server->node);
    for (size_t i = 0; i < federation_n_jobs(federation); i++) {
        const struct job_state *job = federation_job_at(federation, i);
        if (access_may_see(request, job->submitter)) view_summary(doc_add_map(list), job);
    }
    node_unlock(server->node);
    return answer_doc(answer, 200, doc);
}

static enum anb_status read_rounds(const struct target *target, enum view_rounds *rounds, struct anb_error *err)
{
    static const char *const words[] = {"none", "last", "all"};
    const char *word = target_query(target, "rounds");
    *rounds = VIEW_ALL_ROUNDS;
    if (!word) return ANB_OK;
    for (int i = VIEW_NO_ROUNDS; i <= VIEW_ALL_ROUNDS; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *rounds = (enum view_rounds)i;
        return ANB_OK;
    }
    return anb_fail(err, ANB_INVALID, "rounds must be none, last or all, got \"%s\"", word);
}

static enum anb_status read_wait(struct request *request, struct anb_error *err)
{
    int64_t wait_s = 0;
    enum anb_status status = target_query_int(&request->target, "wait_s", 0, MAX_WAIT_S, &wait_s, err);
    if (status == ANB_OK && !request->wait_until_ms) request->wait_until_ms = clock_monotonic_ms() + wait_s * 1000;
    if (status == ANB_OK && wait_s == 0) request->late = true;
    return status;
}

enum verdict handle_job(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct anb_error err;
    enum view_rounds rounds;
    int64_t known = -1;
    enum anb_status status = read_rounds(&request->target, &rounds, &err);
    if (status == ANB_OK) status = target_query_int(&request->target, "revision", 0, INT64_MAX, &known, &err);
    if (status == ANB_OK) status = read_wait(request, &err);
    if (status != ANB_OK) return answer_error(answer, &err);
    const struct job_state *job = federation_job(node_lock(server->node), request->id);
    bool is_new = !job || job->revision > known;
    node_unlock(server->node);
    return is_new || request->late ? answer_job(server, request->id, rounds, 200, answer) : WAIT;
}

/* -- orders */

struct job_end { /* what orders look at */
    bool exists, has_ended;
    enum outcome outcome;
};

static struct job_end look_at_end(struct server *server, const char *id)
{
    struct job_end end = {.exists = false};
    const struct job_state *job = federation_job(node_lock(server->node), id);
    if (job) end = (struct job_end){true, job->phase == JOB_ENDED, job->outcome};
    node_unlock(server->node);
    return end;
}

/* Give the order once, then wait for what the control log says. */
static enum verdict order_and_wait(struct server *server, struct request *request, enum order order,
                                   struct answer *answer)
{
    struct anb_error err;
    if (!request->wait_until_ms) {
        enum audit_what what = order == ORDER_ABORT ? AUDIT_JOB_ABORTED : AUDIT_JOB_DELETED;
        if (audited(server, request, what, "job", request->id, NULL, &err) != ANB_OK ||
            conductor_give_order(server->conductor, order, request->id, &err) != ANB_OK)
            return answer_error(answer, &err);
        request->wait_until_ms = clock_monotonic_ms() + ORDER_WAIT_MS;
    }
    if (!request->late) return WAIT;
    anb_fail(&err, ANB_UNAVAILABLE, "the order has not come back through the control log: try again");
    return answer_error(answer, &err);
}

enum verdict handle_abort(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct job_end end = look_at_end(server, request->id);
    if (!end.exists) return no_such_job(answer, request->id);
    if (!end.has_ended) return order_and_wait(server, request, ORDER_ABORT, answer);
    if (end.outcome == OUTCOME_ABORTED) return answer_job(server, request->id, VIEW_ALL_ROUNDS, 200, answer);
    struct anb_error err;
    anb_fail(&err, ANB_EXISTS, "job %s has already ended: %s", request->id, outcome_words[end.outcome]);
    return answer_error(answer, &err);
}

enum verdict handle_delete(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct job_end end = look_at_end(server, request->id);
    if (end.exists && !end.has_ended) {
        struct anb_error err;
        anb_fail(&err, ANB_EXISTS, "job %s still runs: abort it first", request->id);
        return answer_error(answer, &err);
    }
    if (end.exists) return order_and_wait(server, request, ORDER_DELETE, answer);
    if (!request->wait_until_ms) return no_such_job(answer, request->id);
    answer->code = 204;
    return ANSWERED;
}

/* -- logs and model */

/* When no more lines will come: the job has ended, and stragglers have had their time. 0: it still runs. Monotonic. */
static int64_t end_of_lines_ms(struct server *server, const char *id)
{
    const struct job_state *job = federation_job(node_lock(server->node), id);
    bool ended = !job || job->phase == JOB_ENDED;
    int64_t age_ms = job ? bus_now_ms(node_bus(server->node)) - job->ended_ms : LOG_LATE_MS;
    node_unlock(server->node);
    return ended ? clock_monotonic_ms() - age_ms + LOG_LATE_MS : 0;
}

static enum verdict answer_lines(struct server *server, const char *id, int64_t from, int64_t limit, bool ended,
                                 struct answer *answer)
{
    struct anb_error err;
    struct doc *doc = doc_new_map();
    struct doc *lines = doc_set_list(doc, "lines");
    int64_t next;
    if (job_logs_read(server->logs, id, from, limit, lines, &next, &err) != ANB_OK) {
        doc_free(doc);
        return answer_error(answer, &err);
    }
    doc_set_int(doc, "next", next);
    doc_set_bool(doc, "ended", ended && next >= job_logs_count(server->logs, id));
    return answer_doc(answer, 200, doc);
}

enum verdict handle_logs(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct anb_error err;
    int64_t from = 0, limit = LOG_DEFAULT_LINES;
    enum anb_status status = target_query_int(&request->target, "from", 0, INT64_MAX, &from, &err);
    if (status == ANB_OK) status = target_query_int(&request->target, "limit", 1, JOB_LOG_READ_LINES, &limit, &err);
    if (status == ANB_OK) status = read_wait(request, &err);
    if (status != ANB_OK) return answer_error(answer, &err);
    if (!look_at_end(server, request->id).exists) return no_such_job(answer, request->id);
    int64_t end_ms = end_of_lines_ms(server, request->id); /* before the lines are counted */
    bool ended = end_ms && clock_monotonic_ms() >= end_ms;
    if (end_ms && end_ms < request->wait_until_ms) request->wait_until_ms = end_ms;
    bool has_more = job_logs_count(server->logs, request->id) > from;
    if (!has_more && !ended && !request->late) return WAIT;
    return answer_lines(server, request->id, from, limit, ended, answer);
}

struct stored_model { /* what the control log says of it */
    bool exists;
    struct digest digest;
    int64_t bytes;
};

static enum verdict answer_file(struct server *server, const struct request *request, const struct stored_model *model,
                                struct answer *answer)
{
    struct anb_error err;
    const char *id = request->id;
    int fd;
    int64_t bytes;
    enum anb_status status = store_open_model(server->store, id, &fd, &bytes, &err);
    if (status == ANB_OK && bytes != model->bytes) {
        close(fd);
        status = anb_fail(&err, ANB_IO, "the stored model of job %s has another size than the control log says", id);
    }
    if (status != ANB_OK) return answer_error(answer, &err);
    if (audited(server, request, AUDIT_MODEL_DOWNLOADED, "job", id, NULL, &err) != ANB_OK) {
        close(fd);
        return answer_error(answer, &err);
    }
    char digest[DIGEST_TEXT_BYTES];
    answer->code = 200;
    answer->fd = fd;
    answer->file_bytes = bytes;
    answer->content_type = "application/octet-stream";
    snprintf(answer->etag, sizeof answer->etag, "\"%s\"", digest_text(&model->digest, digest));
    return ANSWERED;
}

enum verdict handle_model(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct anb_error err;
    struct stored_model model = {.exists = false};
    const struct job_state *job = federation_job(node_lock(server->node), request->id);
    bool known = job != NULL, kept = known && job_spec_stores_result(job->spec);
    if (known) model = (struct stored_model){job->stored, job->file_digest, job->file_bytes};
    node_unlock(server->node);
    if (!known) return no_such_job(answer, request->id);
    if (model.exists) return answer_file(server, request, &model, answer);
    anb_fail(&err, ANB_NOT_FOUND,
             kept ? "job %s has no model yet" : "job %s leaves no model at the server: its results are []",
             request->id);
    return answer_error(answer, &err);
}
