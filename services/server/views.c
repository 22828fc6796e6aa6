#include "server/views.h"

#include "job/machine.h"

const struct round_state *last_model_round(const struct job_state *job)
{
    for (size_t i = job->n_rounds; i > 0; i--) {
        const struct round_state *round = job->rounds[i - 1];
        if (round->task == TASK_TRAIN && round->phase == ROUND_CLOSED && round->n_model > 0) return round;
    }
    return NULL;
}

/* 0 and "" stand for "not yet" in the state, null in JSON. */
static void set_time(struct doc *map, const char *key, int64_t ms)
{
    if (ms)
        doc_set_int(map, key, ms);
    else
        doc_set_text(map, key, NULL);
}

static void set_reason(struct doc *map, const char *reason)
{
    doc_set_text(map, "reason", reason && *reason ? reason : NULL);
}

static void set_metrics(struct doc *map, const struct metric *metrics, size_t n_metrics)
{
    struct doc *values = doc_set_map(map, "metrics");
    for (size_t i = 0; i < n_metrics; i++) doc_set_real(values, metrics[i].name, metrics[i].value);
}

void view_summary(struct doc *map, const struct job_state *job)
{
    bool ended = job->phase == JOB_ENDED;
    doc_set_text(map, "id", job->id);
    doc_set_text(map, "name", job->spec->name);
    doc_set_text(map, "phase", job_machine.states[job->phase]);
    doc_set_text(map, "outcome", ended ? outcome_words[job->outcome] : NULL);
    set_reason(map, ended ? job->reason : NULL);
    if (job->n_rounds)
        doc_set_int(map, "round", job->rounds[job->n_rounds - 1]->round);
    else
        doc_set_text(map, "round", NULL);
    doc_set_int(map, "rounds_total", job->spec->rounds);
    struct doc *sites = doc_set_list(map, "sites");
    for (size_t i = 0; i < job->n_sites; i++) doc_add_text(sites, job->sites[i]);
    set_time(map, "submitted_ms", job->submitted_ms);
    set_time(map, "started_ms", job->started_ms);
    set_time(map, "ended_ms", job->ended_ms);
    doc_set_int(map, "revision", job->revision);
}

/* -- a job */

static void set_spec(struct doc *map, const struct job_spec *spec)
{
    struct buf text;
    struct doc *copy = NULL;
    buf_init(&text, 4 * JOB_FILE_MAX_BYTES);
    if (job_spec_write_json(spec, &text, NULL) == ANB_OK) doc_parse_json(buf_slice(&text), "spec", &copy, NULL);
    doc_set_copy(map, "spec", copy);
    doc_free(copy);
    buf_fini(&text);
}

static void set_answers(struct doc *map, const struct job_state *job)
{
    struct doc *answers = doc_set_list(map, "answers");
    for (size_t i = 0; i < job->n_answers; i++) {
        struct doc *answer = doc_add_map(answers);
        doc_set_text(answer, "site", job->answers[i].site);
        doc_set_bool(answer, "accepted", job->answers[i].accepted);
        set_reason(answer, job->answers[i].reason);
    }
}

static void set_counted(struct doc *map, const struct round_state *round)
{
    struct doc *counted = doc_set_list(map, "counted"), *excluded = doc_set_list(map, "excluded");
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        if (part->phase == PART_EXCLUDED) {
            struct doc *exclusion = doc_add_map(excluded);
            doc_set_text(exclusion, "site", part->site);
            doc_set_text(exclusion, "reason", part->reason ? part->reason : "");
        } else if (round->phase == ROUND_CLOSED && part->phase == PART_CLOSED)
            doc_add_text(counted, part->site);
    }
}

static void set_parts(struct doc *map, const struct round_state *round)
{
    struct doc *sites = doc_set_list(map, "sites");
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        struct doc *site = doc_add_map(sites);
        doc_set_text(site, "site", part->site);
        doc_set_text(site, "phase", part_machine.states[part->phase]);
        doc_set_real(site, "weight", part->weight);
        set_metrics(site, part->metrics, part->n_metrics);
        set_reason(site, part->reason);
    }
}

static void set_shares(struct doc *map, const struct round_state *round)
{
    struct doc *shares = doc_set_list(map, "shares");
    for (size_t i = 0; i < round->n_shares; i++) {
        struct doc *share = doc_add_map(shares);
        doc_set_text(share, "node", round->shares[i].node);
        struct doc *partitions = doc_set_list(share, "partitions");
        for (int p = 0; p < MAX_PARTITIONS; p++)
            if (round->shares[i].partitions >> p & 1) doc_add_int(partitions, p);
        doc_set_bool(share, "closed", round->shares[i].closed);
    }
}

static void add_round(struct doc *list, const struct round_state *round)
{
    char digest[DIGEST_TEXT_BYTES];
    struct doc *map = doc_add_map(list);
    doc_set_int(map, "round", round->round);
    doc_set_text(map, "task", task_words[round->task]);
    doc_set_text(map, "phase", round_machine.states[round->phase]);
    doc_set_int(map, "attempt", round->attempt);
    set_time(map, "opened_ms", round->opened_ms);
    set_time(map, "closed_ms", round->closed_ms);
    set_time(map, "deadline_ms", round->deadline_ms);
    doc_set_int(map, "bytes", round->bytes);
    doc_set_text(map, "digest", round->n_model ? digest_text(&round->digest, digest) : NULL);
    set_metrics(map, round->metrics, round->n_metrics);
    set_counted(map, round);
    set_parts(map, round);
    set_shares(map, round);
}

/* How many of the oldest rounds do not fit. */
static size_t rounds_left_out(const struct job_state *job, enum view_rounds rounds)
{
    size_t n_parts = 0, first = job->n_rounds;
    if (rounds == VIEW_NO_ROUNDS) return job->n_rounds;
    if (rounds == VIEW_LAST_ROUND) return job->n_rounds ? job->n_rounds - 1 : 0;
    while (first > 0 && n_parts + job->rounds[first - 1]->n_parts + 1 <= VIEW_MAX_PARTS)
        n_parts += job->rounds[--first]->n_parts + 1;
    return first;
}

static void set_rounds(struct doc *map, const struct job_state *job, enum view_rounds rounds)
{
    size_t first = rounds_left_out(job, rounds);
    doc_set_int(map, "rounds_left_out", job->n_forgotten + (int64_t)first);
    struct doc *list = doc_set_list(map, "rounds");
    for (size_t i = first; i < job->n_rounds; i++) add_round(list, job->rounds[i]);
}

static void set_model(struct doc *map, const struct job_state *job)
{
    char digest[DIGEST_TEXT_BYTES];
    const struct round_state *round = last_model_round(job);
    if (!job->stored || !round) {
        doc_set_text(map, "model", NULL);
        return;
    }
    struct doc *model = doc_set_map(map, "model");
    doc_set_text(model, "sha256", digest_text(&job->file_digest, digest));
    doc_set_int(model, "bytes", job->file_bytes);
    doc_set_int(model, "round", round->round);
}

void view_job(struct doc *map, const struct job_state *job, enum view_rounds rounds)
{
    view_summary(map, job);
    doc_set_text(map, "submitter", job->submitter);
    doc_set_text(map, "request", job->request);
    set_spec(map, job->spec);
    set_answers(map, job);
    set_rounds(map, job, rounds);
    set_model(map, job);
}

/* -- nodes */

void view_nodes(struct doc *list, const struct node_state *first, enum role role, int64_t now_ms)
{
    for (const struct node_state *node = first; node; node = node->next) {
        if (node->role != role) continue;
        struct doc *map = doc_add_map(list);
        doc_set_text(map, "name", node->name);
        doc_set_bool(map, "up", node->up);
        doc_set_bool(map, "alive", node_is_alive(node, now_ms));
        doc_set_int(map, "incarnation", node->incarnation);
        set_time(map, "last_seen_ms", node->last_seen_ms);
        doc_set_text(map, "activity", *node->activity ? node->activity : NULL);
        doc_set_text(map, "version", node->version);
    }
}
