/* A job on its way in: checked, sent as streams, written to the control log. One worker thread, one submission at a
 * time, so that two with the same request id are the same job.
 *
 * A submission is held by the request that made it and by the worker; the last one frees it. A client that goes away
 * changes nothing: its job is submitted. */
#ifndef ANB_SERVER_SUBMIT_H
#define ANB_SERVER_SUBMIT_H

#include "server/conductor.h"
#include "server/http.h"
#include "server/upload.h"

struct submitter;
struct submission;

struct submit_result {
    enum anb_status status;
    struct anb_error err;
    char job[17];
    bool existed; /* this request id was seen before */
};

/* `incoming`: a folder for what is unpacked. All must outlive the submitter. Submissions wait until submitter_start. */
enum anb_status submitter_new(struct node *node, const struct conductor *conductor, const char *incoming,
                              int64_t model_limit_bytes, struct submitter **submitter, struct anb_error *err);
/* `http` is woken when a submission is done. */
enum anb_status submitter_start(struct submitter *submitter, struct http *http, struct anb_error *err);
/* Cancels what is on its way. After http_stop. */
void submitter_free(struct submitter *submitter);

/* `user`: who submits, as the control log will say. Takes the files of `upload` when it gives OK. AGAIN: too many wait.
 */
enum anb_status submit(struct submitter *submitter, const char *user, struct upload *upload,
                       struct submission **submission, struct anb_error *err);
/* False until it is done. */
bool submission_result(struct submission *submission, struct submit_result *result);
/* True when the worker has sent something since the last call: the wait for it is worth while. One thread asks. */
bool submission_moves(struct submission *submission);
void submission_release(struct submission *submission);

#endif
