/* What the leader should do next: at most one step for each job, from the state and the time alone. */
#include "job/decide_private.h"

#include "wire/wire.h"

#include <stdio.h>
#include <string.h>

enum { SEARCH_MS = 500 /* between looks for nodes that pulse again */, MORE_SITES_MS = 2000 };

/* -- sentences */

void sentence_add(struct sentence *sentence, const char *format, ...)
{
    char text[700]; /* more than the longest foreign reason with its name */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t size = strlen(text);
    if (sentence->size + size + 32 > sizeof sentence->text) {
        sentence->n_left_out++;
        return;
    }
    memcpy(sentence->text + sentence->size, text, size + 1);
    sentence->size += size;
}

void sentence_item(struct sentence *sentence, const char *group, bool first, const char *name, const char *reason)
{
    const char *before = !first ? ", " : sentence->size > 0 ? "; " : "";
    if (reason && *reason)
        sentence_add(sentence, "%s%s%s (%s)", before, first ? group : "", name, reason);
    else
        sentence_add(sentence, "%s%s%s", before, first ? group : "", name);
}

/* -- time */

bool is_due(struct decide *decide, int64_t at_ms)
{
    if (decide->now_ms >= at_ms) return true;
    if (at_ms < decide->wake_ms) decide->wake_ms = at_ms;
    return false;
}

void ask_again_in(struct decide *decide, int64_t ms)
{
    is_due(decide, decide->now_ms + ms);
}

bool has_settled(const struct decide *decide)
{
    return decide->now_ms >= decide->federation->leader_since_ms + SETTLE_MS;
}

bool may_be_alive(struct decide *decide, const struct node_state *node)
{
    if (!node->up) return false;
    bool silent = is_due(decide, node->last_seen_ms + NODE_SILENT_MS + 1);
    return !silent || !is_due(decide, decide->federation->leader_since_ms + SETTLE_MS);
}

/* -- records */

void *decide_alloc(struct decide *decide, size_t count, size_t size)
{
    void *memory = arena_alloc_array(decide->arena, count, size);
    if (!memory) decide->out_of_memory = true;
    return memory;
}

const char *decide_text(struct decide *decide, const char *text, size_t most_bytes)
{
    const char *copy = text_cut(decide->arena, text, most_bytes);
    if (!copy) decide->out_of_memory = true;
    return copy;
}

struct record *decide_record(struct decide *decide, enum record_kind kind)
{
    struct record *record = &decide->records[decide->n_records++];
    record->kind = kind;
    record_head(record)->epoch = decide->federation->epoch;
    return record;
}

void decide_end(struct decide *decide, const struct job_state *job, enum outcome outcome, const char *reason)
{
    struct record *record = decide_record(decide, RECORD_JOB_ENDED);
    record->is.job_ended.job = decide_text(decide, job->id, JOB_ID_BYTES);
    record->is.job_ended.outcome = outcome;
    record->is.job_ended.reason = decide_text(decide, reason, SENTENCE_BYTES);
}

static void fail_job(struct decide *decide, const struct job_state *job, struct sentence *sentence)
{
    if (sentence->n_left_out > 0)
        snprintf(sentence->text + sentence->size, sizeof sentence->text - sentence->size, ", and %zu more",
                 sentence->n_left_out);
    decide_end(decide, job, OUTCOME_FAILED, sentence->text);
}

/* -- start */

static bool all_clients_have_answered(struct decide *decide, const struct job_state *job)
{
    for (const struct node_state *node = decide->federation->nodes; node; node = node->next)
        if (node->role == ROLE_CLIENT && !job_answer(job, node->name) && may_be_alive(decide, node)) return false;
    return true;
}

static void start_job(struct decide *decide, const struct job_state *job)
{
    struct record *record = decide_record(decide, RECORD_JOB_STARTED);
    const char **sites = decide_alloc(decide, job->n_answers, sizeof *sites);
    if (!sites) return;
    size_t n = 0;
    for (size_t i = 0; i < job->n_answers && n < JOB_MAX_SITES; i++)
        if (job->answers[i].accepted) sites[n++] = decide_text(decide, job->answers[i].site, NAME_MAX_BYTES);
    record->is.job_started.job = decide_text(decide, job->id, JOB_ID_BYTES);
    record->is.job_started.sites = sites;
    record->is.job_started.n_sites = n;
}

static void name_who_did_not_answer(struct decide *decide, const struct job_state *job, struct sentence *sentence)
{
    bool first = true;
    for (size_t i = 0; i < job->spec->n_site_names; i++) {
        if (job_answer(job, job->spec->site_names[i])) continue;
        sentence_item(sentence, "no answer from ", first, job->spec->site_names[i], NULL);
        first = false;
    }
    for (const struct node_state *node = decide->federation->nodes; node; node = node->next) {
        if (job->spec->n_site_names > 0 || node->role != ROLE_CLIENT || !node->up || job_answer(job, node->name))
            continue;
        sentence_item(sentence, "no answer from ", first, node->name, NULL);
        first = false;
    }
}

static void fail_submitted(struct decide *decide, const struct job_state *job)
{
    struct sentence sentence = {.size = 0};
    bool first = true;
    sentence_add(&sentence, "%zu sites accepted, %d are needed", job_n_accepted(job), job->spec->sites_minimum);
    for (size_t i = 0; i < job->n_answers; i++) {
        if (job->answers[i].accepted) continue;
        sentence_item(&sentence, "refused by ", first, job->answers[i].site, job->answers[i].reason);
        first = false;
    }
    name_who_did_not_answer(decide, job, &sentence);
    fail_job(decide, job, &sentence);
}

/* Waits count from when somebody led who could act. */
static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void decide_submitted(struct decide *decide, const struct job_state *job)
{
    const struct job_spec *spec = job->spec;
    size_t accepted = job_n_accepted(job), refused = job->n_answers - accepted, named = spec->n_site_names;
    int64_t since = later(job->submitted_ms, decide->federation->leader_since_ms);
    if (named > 0 && named - refused < (size_t)spec->sites_minimum) {
        fail_submitted(decide, job);
    } else if (accepted < (size_t)spec->sites_minimum) {
        if (is_due(decide, seconds_after(since, spec->wait_s))) fail_submitted(decide, job);
    } else {
        bool all = named > 0 ? job->n_answers == named : all_clients_have_answered(decide, job);
        if (all || (named == 0 && is_due(decide, job->minimum_met_ms + MORE_SITES_MS)) ||
            is_due(decide, seconds_after(since, spec->wait_s)))
            start_job(decide, job);
    }
}

/* -- the next round */

/* A new leader hears of the nodes one by one: it waits for the silent ones before it leaves one out. */
static bool somebody_may_come(struct decide *decide, const struct job_state *job)
{
    for (const struct node_state *node = decide->federation->nodes; node; node = node->next) {
        bool wanted = node->role == ROLE_AGGREGATOR || job_lists_site(job, node->name);
        if (wanted && node->up && !node_is_alive(node, decide->now_ms) && !has_settled(decide)) return true;
    }
    return false;
}

static const char **choose_sites(struct decide *decide, const struct job_state *job, size_t *n)
{
    const char **sites = decide_alloc(decide, job->n_sites, sizeof *sites);
    *n = 0;
    for (size_t i = 0; sites && i < job->n_sites; i++)
        if (node_is_alive(node_find(decide->federation, job->sites[i]), decide->now_ms)) sites[(*n)++] = job->sites[i];
    if (sites && *n < (size_t)job->spec->quorum) {
        memcpy(sites, job->sites, job->n_sites * sizeof *sites);
        *n = job->n_sites;
    }
    for (size_t i = 0; sites && i < *n; i++) sites[i] = decide_text(decide, sites[i], NAME_MAX_BYTES);
    return sites;
}

void decide_next_round(struct decide *decide, const struct job_state *job)
{
    const struct round_state *last = round_current(job);
    int32_t number = last ? last->round + 1 : 0;
    int64_t since = later(last ? last->closed_ms : job->started_ms, decide->federation->leader_since_ms);
    size_t n_sites;
    if (somebody_may_come(decide, job)) {
        ask_again_in(decide, SEARCH_MS);
    } else if (number < job->spec->rounds && decide_count_folders(decide, NULL) == 0) {
        ask_again_in(decide, SEARCH_MS);
        if (is_due(decide, seconds_after(since, job->spec->wait_s)))
            decide_end(decide, job, OUTCOME_FAILED, "no aggregator is up");
    } else {
        const char **sites = choose_sites(decide, job, &n_sites);
        if (sites) decide_open(decide, job, number, sites, n_sites);
    }
}

/* -- an open round */

struct tally {
    size_t n_closed, n_pending, n_excluded;
    size_t n_gone; /* excluded, but in the set of the current attempt */
};

static struct tally tally_parts(const struct round_state *round)
{
    struct tally tally = {0};
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        tally.n_closed += part->phase == PART_CLOSED;
        tally.n_excluded += part->phase == PART_EXCLUDED;
        tally.n_pending += part->phase == PART_WAITING || part->phase == PART_OPENED;
        tally.n_gone += part->phase == PART_EXCLUDED && part->counts;
    }
    return tally;
}

static void fail_without_quorum(struct decide *decide, const struct job_state *job, const struct round_state *round,
                                size_t n_updates)
{
    struct sentence sentence = {.size = 0};
    bool first = true;
    sentence_add(&sentence, "round %d: %zu updates, %d are needed", round->round, n_updates, round->quorum);
    for (size_t i = 0; i < round->n_parts; i++) {
        if (round->parts[i].phase == PART_CLOSED || round->parts[i].phase == PART_EXCLUDED) continue;
        sentence_item(&sentence, "missing: ", first, round->parts[i].site, NULL);
        first = false;
    }
    first = true;
    for (size_t i = 0; i < round->n_parts; i++) {
        if (round->parts[i].phase != PART_EXCLUDED) continue;
        sentence_item(&sentence, "excluded: ", first, round->parts[i].site, round->parts[i].reason);
        first = false;
    }
    fail_job(decide, job, &sentence);
}

static void fail_without_fold(struct decide *decide, const struct job_state *job, const struct round_state *round,
                              const char *why)
{
    struct sentence sentence = {.size = 0};
    bool first = true;
    sentence_add(&sentence, "round %d: %s", round->round, why);
    for (size_t i = 0; i < round->n_shares; i++) {
        const struct share_state *share = &round->shares[i];
        const struct node_state *node = node_find(decide->federation, share->node);
        const struct give_up *give_up = round_give_up(round, share->node);
        if (share->closed) continue;
        const char *state = node_is_alive(node, decide->now_ms) ? "not done" : "down";
        sentence_item(&sentence, "aggregator ", first, share->node, give_up ? give_up->reason : state);
        first = false;
    }
    fail_job(decide, job, &sentence);
}

/* An aggregator that will not close its share: gone, or given up. */
static bool a_share_is_broken(struct decide *decide, const struct round_state *round)
{
    bool broken = false;
    for (size_t i = 0; i < round->n_shares; i++) {
        const struct share_state *share = &round->shares[i];
        if (share->closed) continue;
        broken |=
            round_give_up(round, share->node) || !may_be_alive(decide, node_find(decide->federation, share->node));
    }
    return broken;
}

static bool all_who_live_gave_up(struct decide *decide, const struct round_state *round)
{
    bool any = false;
    for (const struct node_state *node = decide->federation->nodes; node; node = node->next) {
        if (node->role != ROLE_AGGREGATOR || !may_be_alive(decide, node)) continue;
        if (!round_give_up(round, node->name)) return false;
        any = true;
    }
    return any;
}

/* Cut as soon as somebody can fold; end the job when nobody ever will. */
static void cut_when_possible(struct decide *decide, const struct job_state *job, const struct round_state *round,
                              bool late)
{
    if (decide_count_folders(decide, round) > 0) {
        decide_cut(decide, job, round, late);
    } else if (all_who_live_gave_up(decide, round)) {
        fail_without_fold(decide, job, round, "every aggregator gave up");
    } else {
        ask_again_in(decide, SEARCH_MS);
        if (is_due(decide, round->fold_deadline_ms)) fail_without_fold(decide, job, round, "no aggregator is up");
    }
}

void decide_training(struct decide *decide, const struct job_state *job, const struct round_state *round)
{
    struct tally tally = tally_parts(round);
    if (round->n_parts - tally.n_excluded < (size_t)round->quorum)
        fail_without_quorum(decide, job, round, tally.n_closed);
    else if (tally.n_pending == 0 && tally.n_gone > 0)
        cut_when_possible(decide, job, round, false);
    else if (tally.n_pending == 0 && round_shares_are_closed(round))
        decide_close(decide, job, round);
    else if (tally.n_pending > 0 && is_due(decide, round->deadline_ms) && tally.n_closed < (size_t)round->quorum)
        fail_without_quorum(decide, job, round, tally.n_closed);
    else if (tally.n_pending > 0 && is_due(decide, round->deadline_ms))
        cut_when_possible(decide, job, round, true);
    else if (a_share_is_broken(decide, round))
        cut_when_possible(decide, job, round, false);
    else if (tally.n_pending == 0 && is_due(decide, round->fold_deadline_ms))
        fail_without_fold(decide, job, round, "the model was not folded in time");
}

void decide_evaluation(struct decide *decide, const struct job_state *job, const struct round_state *round)
{
    if (tally_parts(round).n_pending == 0 || is_due(decide, round->deadline_ms)) decide_close(decide, job, round);
}

/* -- all jobs */

static void decide_job(struct decide *decide, const struct job_state *job)
{
    const struct round_state *round = round_current(job);
    char reason[REASON_MAX_BYTES + 32];
    switch (job->phase) {
    case JOB_SUBMITTED: decide_submitted(decide, job); break;
    case JOB_RUNNING:
        if (!round || round->phase == ROUND_CLOSED)
            decide_next_round(decide, job);
        else if (round->task == TASK_TRAIN)
            decide_training(decide, job, round);
        else
            decide_evaluation(decide, job, round);
        break;
    case JOB_STORING:
        if (job->stored || !job_spec_stores_result(job->spec)) decide_end(decide, job, OUTCOME_COMPLETED, "");
        if (!job->store_failure) break;
        snprintf(reason, sizeof reason, "model store: %s", job->store_failure);
        decide_end(decide, job, OUTCOME_FAILED, reason);
        break;
    case JOB_ENDED: break;
    }
}

enum anb_status federation_decide(struct federation *federation, const char *self, int64_t now_ms, struct arena *arena,
                                  struct record **records, size_t *n_records, int64_t *wake_ms, struct anb_error *err)
{
    struct decide decide = {.federation = federation, .now_ms = now_ms, .wake_ms = INT64_MAX, .arena = arena};
    if (federation->leader && strcmp(federation->leader, self) == 0) {
        decide.records = decide_alloc(&decide, federation->n_jobs, sizeof *decide.records);
        for (size_t i = 0; !decide.out_of_memory && i < federation->n_jobs; i++)
            decide_job(&decide, federation->jobs[i]);
    }
    if (decide.out_of_memory) return anb_fail(err, ANB_NO_MEMORY, "no memory for the next decisions");
    *records = decide.records;
    *n_records = decide.n_records;
    *wake_ms = decide.wake_ms;
    return ANB_OK;
}
