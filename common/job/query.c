/* Questions about the state: for the services, and those that folding and deciding share. */
#include "job/federation_private.h"

#include <math.h>
#include <string.h>

/* -- for the services */

int64_t federation_epoch(const struct federation *federation)
{
    return federation->epoch;
}

const char *federation_leader(const struct federation *federation)
{
    return federation->leader;
}

int32_t federation_partitions(const struct federation *federation)
{
    return federation->partitions;
}

const struct node_state *federation_node(const struct federation *federation, const char *name)
{
    return node_find(federation, name);
}

const struct node_state *federation_nodes(const struct federation *federation)
{
    return federation->nodes;
}

bool node_is_alive(const struct node_state *node, int64_t now_ms)
{
    return node->up && now_ms - node->last_seen_ms <= NODE_SILENT_MS;
}

size_t federation_n_jobs(const struct federation *federation)
{
    return federation->n_jobs;
}

const struct job_state *federation_job_at(const struct federation *federation, size_t index)
{
    return index < federation->n_jobs ? federation->jobs[index] : NULL;
}

const struct job_state *federation_job(const struct federation *federation, const char *id)
{
    return job_find(federation, id);
}

const struct job_state *federation_job_by_request(const struct federation *federation, const char *submitter,
                                                  const char *request)
{
    for (size_t i = 0; i < federation->n_jobs; i++) {
        const struct job_state *job = federation->jobs[i];
        if (strcmp(job->request, request) == 0 && strcmp(job->submitter, submitter) == 0) return job;
    }
    return NULL;
}

const struct round_state *job_round(const struct job_state *job)
{
    return round_current(job);
}

const struct stream_state *federation_stream(const struct federation *federation, const struct id *id)
{
    const struct stream_box *box = stream_find(federation, id);
    return box ? &box->state : NULL;
}

bool weight_is_good(double weight)
{
    return isfinite(weight) && weight >= WEIGHT_LEAST && weight <= WEIGHT_MOST;
}

/* -- what may be trimmed */

struct need {
    const char *node;
    int32_t partition;
    int64_t lowest;
};

/* Streams in the table are needed, unless they were abandoned: what is over has been forgotten. */
static void need_stream(struct stream_state *stream, void *context)
{
    struct need *need = context;
    int32_t p = need->partition;
    if (strcmp(stream->sender, need->node) != 0 || stream->phase == STREAM_ABANDONED) return;
    if (!(stream->partitions >> p & 1)) return;
    if (stream->phase == STREAM_CLOSED && stream->marks[p].count == 0) return;
    /* Readers seek to the start, also when the first chunk lies behind it. */
    if (stream->start_offsets[p] < need->lowest) need->lowest = stream->start_offsets[p];
}

int64_t federation_needed_offset(const struct federation *federation, const char *node, int32_t partition)
{
    struct need need = {node, partition, INT64_MAX};
    if (partition < 0 || partition >= federation->partitions) return INT64_MAX;
    streams_each((struct federation *)federation, need_stream, &need);
    return need.lowest;
}

struct incarnation_need {
    const char *node;
    int64_t incarnation;
    bool needed;
};

static void need_incarnation(struct stream_state *stream, void *context)
{
    struct incarnation_need *need = context;
    need->needed |= stream->incarnation == need->incarnation && stream->phase != STREAM_ABANDONED &&
                    strcmp(stream->sender, need->node) == 0;
}

bool federation_needs_incarnation(const struct federation *federation, const char *node, int64_t incarnation)
{
    struct incarnation_need need = {node, incarnation, false};
    streams_each((struct federation *)federation, need_incarnation, &need);
    return need.needed;
}

/* -- refusals */

static const char *const refusal_words[] = {
#define X(code, word) word,
    REFUSAL_LIST(X)
#undef X
};

size_t federation_n_refusals(const struct federation *federation)
{
    (void)federation;
    return N_REFUSALS;
}

void federation_refusal_at(const struct federation *federation, size_t index, const char **reason, int64_t *count)
{
    *reason = refusal_words[index];
    *count = federation->refused[index];
}

void federation_count_refusal(struct federation *federation, const char *reason)
{
    for (size_t i = 0; i < N_REFUSALS; i++)
        if (strcmp(refusal_words[i], reason) == 0) federation->refused[i]++;
}

/* -- shared */

uint64_t all_partitions(const struct federation *federation)
{
    return UINT64_MAX >> (MAX_PARTITIONS - federation->partitions);
}

bool texts_rise(const char *const *texts, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (strcmp(texts[i - 1], texts[i]) >= 0) return false;
    return true;
}

bool job_lists_site(const struct job_state *job, const char *site)
{
    for (size_t i = 0; i < job->n_sites; i++)
        if (strcmp(job->sites[i], site) == 0) return true;
    return false;
}

const struct answer_state *job_answer(const struct job_state *job, const char *site)
{
    for (size_t i = 0; i < job->n_answers; i++)
        if (strcmp(job->answers[i].site, site) == 0) return &job->answers[i];
    return NULL;
}

size_t job_n_accepted(const struct job_state *job)
{
    size_t n = 0;
    for (size_t i = 0; i < job->n_answers; i++) n += job->answers[i].accepted;
    return n;
}

int32_t job_n_rounds(const struct job_state *job)
{
    return job->spec->rounds + job->spec->final_evaluation;
}

struct round_state *round_current(const struct job_state *job)
{
    return job->n_rounds > 0 ? job->rounds[job->n_rounds - 1] : NULL;
}

struct part_state *part_find(const struct round_state *round, const char *site)
{
    for (size_t i = 0; i < round->n_parts; i++)
        if (strcmp(round->parts[i].site, site) == 0) return &round->parts[i];
    return NULL;
}

struct share_state *share_find(const struct round_state *round, const char *node)
{
    for (size_t i = 0; i < round->n_shares; i++)
        if (strcmp(round->shares[i].node, node) == 0) return &round->shares[i];
    return NULL;
}

const struct give_up *round_give_up(const struct round_state *round, const char *node)
{
    for (size_t i = 0; i < round->n_give_ups; i++)
        if (strcmp(round->give_ups[i].node, node) == 0) return &round->give_ups[i];
    return NULL;
}

bool round_updates_are_closed(const struct round_state *round)
{
    for (size_t i = 0; i < round->n_parts; i++)
        if (round->parts[i].counts && round->parts[i].phase != PART_CLOSED) return false;
    return true;
}

bool round_shares_are_closed(const struct round_state *round)
{
    for (size_t i = 0; i < round->n_shares; i++)
        if (!round->shares[i].closed) return false;
    return true;
}

/* -- digests */

enum anb_status model_digest(const struct stream_state *const *streams, size_t n_streams, int32_t partitions,
                             struct digest *out, struct anb_error *err)
{
    struct digest digests[MAX_PARTITIONS] = {0};
    for (int32_t p = 0; p < partitions; p++)
        for (size_t i = 0; i < n_streams; i++)
            if (streams[i]->partitions >> p & 1) digests[p] = streams[i]->marks[p].content;
    return digest_of(slice_of(digests, (size_t)partitions * sizeof *digests), out, err);
}

enum anb_status shares_digest(const struct federation *federation, const struct round_state *round, struct digest *out,
                              struct anb_error *err)
{
    const struct stream_state *streams[MAX_PARTITIONS];
    for (size_t i = 0; i < round->n_shares; i++) {
        streams[i] = federation_stream(federation, &round->shares[i].stream);
        if (!streams[i]) return anb_fail(err, ANB_NOT_FOUND, "a share of round %d has no stream", round->round);
    }
    return model_digest(streams, round->n_shares, federation->partitions, out, err);
}
