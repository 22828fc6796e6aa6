/* A job from its submission to its end, less its rounds. */
#include "job/federation_private.h"

#include <stdlib.h>
#include <string.h>

enum { REQUEST_MAX_BYTES = 128, END_REASON_MAX_BYTES = 4096 };

enum anb_status find_job(struct apply *apply, const char *id, struct job_state **job)
{
    *job = job_find(apply->federation, id);
    if (*job) return ANB_OK;
    return refuse(apply, REFUSAL_UNKNOWN_JOB, ANB_EXISTS, "job \"%.32s\" is not known, or deleted", id);
}

/* -- submission */

static enum anb_status check_beginning(struct apply *apply, const struct job_submitted *record, const struct id *id,
                                       enum purpose purpose)
{
    const struct stream_box *box = stream_find(apply->federation, id);
    char text[ID_TEXT_BYTES];
    if (box && box->state.phase == STREAM_CLOSED && box->state.purpose == purpose && box->state.round == -1 &&
        strcmp(box->job, record->job) == 0)
        return ANB_OK;
    return refuse(apply, REFUSAL_UNKNOWN_STREAM, ANB_INVALID, "job %s: stream %s is no closed %s of it", record->job,
                  id_text(id, text), purpose_words[purpose]);
}

static enum anb_status check_submission(struct apply *apply, const struct job_submitted *record)
{
    unsigned char id[(JOB_ID_BYTES - 1) / 2];
    size_t request_bytes = strlen(record->request);
    if (!hex_decode(record->job, id, sizeof id))
        return refuse(apply, REFUSAL_BAD_RECORD, ANB_INVALID, "\"%.32s\" is no job id: 16 hexadecimal digits",
                      record->job);
    if (request_bytes < 1 || request_bytes > REQUEST_MAX_BYTES)
        return refuse(apply, REFUSAL_BAD_RECORD, ANB_INVALID, "job %s: a request id has 1..%d bytes, not %zu",
                      record->job, REQUEST_MAX_BYTES, request_bytes);
    if (job_find(apply->federation, record->job))
        return refuse(apply, REFUSAL_REPEATED, ANB_EXISTS, "job %s was submitted before", record->job);
    if (federation_job_by_request(apply->federation, record->submitter, record->request))
        return refuse(apply, REFUSAL_REPEATED, ANB_EXISTS, "request \"%s\" was submitted before", record->request);
    enum anb_status status = check_beginning(apply, record, &record->bundle, PURPOSE_BUNDLE);
    return status == ANB_OK ? check_beginning(apply, record, &record->model, PURPOSE_MODEL) : status;
}

static bool fill_job(struct job_state *job, const struct job_submitted *record)
{
    struct arena *arena = job_arena(job);
    job->id = text_copy(arena, record->job);
    job->request = text_copy(arena, record->request);
    job->submitter = text_copy(arena, record->submitter);
    job->reason = "";
    job->submitted_ms = record->head.time_ms;
    job->bundle = record->bundle;
    job->manifest_digest = record->manifest_digest;
    job->signature = record->signature;
    job->model = record->model;
    return job->id && job->request && job->submitter;
}

enum anb_status apply_job_submitted(struct apply *apply, const struct job_submitted *record)
{
    struct job_spec *spec = NULL;
    struct anb_error why = {0};
    enum anb_status status = check_submission(apply, record);
    if (status != ANB_OK) return status;
    status = job_spec_parse(slice_of_text(record->spec), "the job's specification", &spec, &why);
    if (status == ANB_NO_MEMORY) return out_of_memory(apply);
    if (status != ANB_OK) return refuse(apply, REFUSAL_BAD_SPEC, ANB_INVALID, "job %s: %s", record->job, why.text);
    struct job_state *job = job_new(apply->federation);
    if (!job) {
        job_spec_free(spec);
        return out_of_memory(apply);
    }
    job->spec = spec;
    if (!fill_job(job, record)) {
        job_free(job);
        return out_of_memory(apply);
    }
    apply->federation->jobs[apply->federation->n_jobs++] = job;
    job_touch(apply, job);
    return ANB_OK;
}

/* -- answers */

static bool may_take_part(const struct job_state *job, const char *site)
{
    for (size_t i = 0; i < job->spec->n_site_names; i++)
        if (strcmp(job->spec->site_names[i], site) == 0) return true;
    return job->spec->n_site_names == 0;
}

static enum anb_status check_answer(struct apply *apply, const struct job_state *job)
{
    const char *site = apply->node->name;
    if (apply->node->role != ROLE_CLIENT)
        return refuse(apply, REFUSAL_WRONG_ROLE, ANB_DENIED, "job %s: %s is no client", job->id, site);
    if (job->phase != JOB_SUBMITTED)
        return refuse(apply, REFUSAL_LATE, ANB_EXISTS, "job %s: the answer of %s comes too late", job->id, site);
    if (!may_take_part(job, site))
        return refuse(apply, REFUSAL_NOT_A_SITE, ANB_DENIED, "job %s: %s is not among its sites", job->id, site);
    if (job_answer(job, site))
        return refuse(apply, REFUSAL_REPEATED, ANB_EXISTS, "job %s: %s has answered before", job->id, site);
    return ANB_OK;
}

static bool insert_answer(struct job_state *job, const struct answer_state *answer)
{
    struct answer_state *answers = realloc(job->answers, (job->n_answers + 1) * sizeof *answers);
    if (!answers) return false;
    size_t at = job->n_answers++;
    for (; at > 0 && strcmp(answers[at - 1].site, answer->site) > 0; at--) answers[at] = answers[at - 1];
    answers[at] = *answer;
    job->answers = answers;
    return true;
}

enum anb_status apply_job_answered(struct apply *apply, const struct job_answered *record)
{
    struct job_state *job;
    enum anb_status status = find_job(apply, record->job, &job);
    if (status == ANB_OK) status = check_answer(apply, job);
    if (status != ANB_OK) return status;
    struct answer_state answer = {apply->node->name, record->accepted, text_copy(job_arena(job), record->reason)};
    if (!answer.reason || !insert_answer(job, &answer)) return out_of_memory(apply);
    if (job->minimum_met_ms == 0 && job_n_accepted(job) >= (size_t)job->spec->sites_minimum)
        job->minimum_met_ms = apply->now_ms;
    job_touch(apply, job);
    return ANB_OK;
}

/* -- start */

static enum anb_status check_start(struct apply *apply, const struct job_state *job, const struct job_started *record)
{
    if (!machine_allows(&job_machine, job->phase, JOB_RUNNING))
        return refuse(apply, REFUSAL_ILLEGAL_MOVE, ANB_INVALID, "job %s cannot start now", job->id);
    if (record->n_sites < 1 || !texts_rise(record->sites, record->n_sites))
        return refuse(apply, REFUSAL_BAD_RECORD, ANB_INVALID, "job %s: its sites are not sorted, or none", job->id);
    for (size_t i = 0; i < record->n_sites; i++) {
        const struct answer_state *answer = job_answer(job, record->sites[i]);
        if (!answer || !answer->accepted)
            return refuse(apply, REFUSAL_NOT_A_SITE, ANB_INVALID, "job %s: \"%.64s\" has not accepted it", job->id,
                          record->sites[i]);
    }
    return ANB_OK;
}

enum anb_status apply_job_started(struct apply *apply, const struct job_started *record)
{
    struct job_state *job;
    enum anb_status status = find_job(apply, record->job, &job);
    if (status == ANB_OK) status = check_start(apply, job, record);
    if (status != ANB_OK) return status;
    job->sites = arena_alloc_array(job_arena(job), record->n_sites, sizeof *job->sites);
    if (!job->sites) return out_of_memory(apply);
    for (size_t i = 0; i < record->n_sites; i++) job->sites[i] = job_answer(job, record->sites[i])->site;
    job->n_sites = record->n_sites;
    job->started_ms = record->head.time_ms;
    job_move(job, JOB_RUNNING);
    job_touch(apply, job);
    return ANB_OK;
}

/* -- end */

enum anb_status apply_model_stored(struct apply *apply, const struct model_stored *record)
{
    struct job_state *job;
    enum anb_status status = find_job(apply, record->job, &job);
    if (status != ANB_OK) return status;
    if (job->phase != JOB_STORING || record->round != job->spec->rounds - 1)
        return refuse(apply, REFUSAL_ILLEGAL_MOVE, ANB_INVALID, "job %s has no model of round %d to store now", job->id,
                      record->round);
    if (job->stored || job->store_failure)
        return refuse(apply, REFUSAL_REPEATED, ANB_EXISTS, "job %s: its model was stored before", job->id);
    job->stored = record->stored;
    if (!job->stored && !(job->store_failure = text_copy(job_arena(job), record->reason))) return out_of_memory(apply);
    job->file_digest = record->file_digest;
    job->file_bytes = record->file_bytes;
    job_touch(apply, job);
    return ANB_OK;
}

static bool is_of_job(const struct stream_state *stream, const void *context)
{
    return strcmp(stream->job, context) == 0;
}

enum anb_status apply_job_ended(struct apply *apply, const struct job_ended *record)
{
    struct job_state *job;
    enum anb_status status = find_job(apply, record->job, &job);
    if (status != ANB_OK) return status;
    if (!machine_allows(&job_machine, job->phase, JOB_ENDED))
        return refuse(apply, REFUSAL_LATE, ANB_EXISTS, "job %s has ended before", job->id);
    bool is_done = job->stored || (job->phase == JOB_STORING && !job_spec_stores_result(job->spec));
    if (record->outcome == OUTCOME_COMPLETED && !is_done)
        return refuse(apply, REFUSAL_ILLEGAL_MOVE, ANB_INVALID, "job %s is not complete: no model is stored", job->id);
    job->reason = text_cut(job_arena(job), record->reason, END_REASON_MAX_BYTES);
    if (!job->reason) return out_of_memory(apply);
    job->outcome = record->outcome;
    job->ended_ms = record->head.time_ms;
    job_move(job, JOB_ENDED);
    streams_forget(apply->federation, is_of_job, job->id);
    job_touch(apply, job);
    return ANB_OK;
}

enum anb_status apply_job_deleted(struct apply *apply, const struct job_deleted *record)
{
    struct federation *federation = apply->federation;
    struct job_state *job;
    enum anb_status status = find_job(apply, record->job, &job);
    if (status != ANB_OK) return status;
    if (job->phase != JOB_ENDED)
        return refuse(apply, REFUSAL_ILLEGAL_MOVE, ANB_INVALID, "job %s has not ended: abort it first", job->id);
    size_t at = 0;
    while (federation->jobs[at] != job) at++;
    history_drop(federation, job);
    federation->n_jobs--;
    memmove(&federation->jobs[at], &federation->jobs[at + 1], (federation->n_jobs - at) * sizeof *federation->jobs);
    job_free(job);
    return ANB_OK;
}
