/* The larger decisions: a round opened, cut, closed. All of them fit into one control record, whatever the sites say.
 */
#include "job/decide_private.h"

#include <string.h>

/* -- shares */

static bool can_fold(const struct decide *decide, const struct round_state *round, const struct node_state *node)
{
    return node->role == ROLE_AGGREGATOR && node_is_alive(node, decide->now_ms) &&
           !(round && round_give_up(round, node->name));
}

size_t decide_count_folders(struct decide *decide, const struct round_state *round)
{
    size_t n = 0;
    for (const struct node_state *node = decide->federation->nodes; node; node = node->next)
        n += can_fold(decide, round, node);
    return n;
}

/* Partitions 0..P-1 dealt round robin over those who can fold, by name; who would get none is left out. */
struct share *decide_shares(struct decide *decide, const struct round_state *round, size_t *n_shares)
{
    size_t n_partitions = (size_t)decide->federation->partitions, n = decide_count_folders(decide, round), at = 0;
    if (n > n_partitions) n = n_partitions;
    struct share *shares = decide_alloc(decide, n, sizeof *shares);
    for (const struct node_state *node = decide->federation->nodes; shares && node && at < n; node = node->next) {
        if (!can_fold(decide, round, node)) continue;
        struct share *share = &shares[at];
        share->node = decide_text(decide, node->name, NAME_MAX_BYTES);
        share->partitions = decide_alloc(decide, n_partitions / n + 1, sizeof *share->partitions);
        if (!share->partitions) return NULL;
        for (size_t p = at; p < n_partitions; p += n) share->partitions[share->n_partitions++] = (int32_t)p;
        at++;
    }
    *n_shares = at;
    return shares;
}

/* -- open */

static struct id *copy_ids(struct decide *decide, const struct id *ids, size_t n)
{
    struct id *copy = decide_alloc(decide, n, sizeof *copy);
    if (copy) memcpy(copy, ids, n * sizeof *copy);
    return copy;
}

void decide_open(struct decide *decide, const struct job_state *job, int32_t number, const char **sites, size_t n_sites)
{
    const struct round_state *last = round_current(job);
    struct round_opened *opened = &decide_record(decide, RECORD_ROUND_OPENED)->is.round_opened;
    opened->job = decide_text(decide, job->id, JOB_ID_BYTES);
    opened->round = number;
    opened->task = number < job->spec->rounds ? TASK_TRAIN : TASK_EVALUATE;
    opened->rule = decide_text(decide, job->spec->rule, REASON_MAX_BYTES);
    opened->n_base = last ? last->n_model : 1;
    opened->base = copy_ids(decide, last ? last->model : &job->model, opened->n_base);
    opened->participants = sites;
    opened->n_participants = n_sites;
    opened->quorum = job->spec->quorum;
    opened->deadline_ms = seconds_after(decide->now_ms, job->spec->deadline_s);
    if (opened->task == TASK_TRAIN) opened->shares = decide_shares(decide, NULL, &opened->n_shares);
}

/* -- who counts and who does not */

typedef bool part_test(const struct part_state *part, bool late);

static const char **list_sites(struct decide *decide, const struct round_state *round, part_test *is_in, bool late,
                               size_t *n)
{
    const char **sites = decide_alloc(decide, round->n_parts, sizeof *sites);
    *n = 0;
    for (size_t i = 0; sites && i < round->n_parts; i++)
        if (is_in(&round->parts[i], late)) sites[(*n)++] = decide_text(decide, round->parts[i].site, NAME_MAX_BYTES);
    return sites;
}

static size_t reason_bytes(size_t n_excluded)
{
    size_t bytes = n_excluded ? REASONS_BYTES / n_excluded : REASON_MAX_BYTES;
    return bytes < REASON_MAX_BYTES ? bytes : REASON_MAX_BYTES;
}

/* Who is out, in a word for all, and the sentences for those who may read them. */
static struct exclusion *list_excluded(struct decide *decide, const struct round_state *round, part_test *is_in,
                                       bool late, const char *late_reason, size_t *n, const char ***reasons)
{
    struct exclusion *excluded = decide_alloc(decide, round->n_parts, sizeof *excluded);
    size_t n_out = 0;
    *reasons = decide_alloc(decide, round->n_parts, sizeof **reasons);
    for (size_t i = 0; i < round->n_parts; i++) n_out += !is_in(&round->parts[i], late);
    *n = 0;
    for (size_t i = 0; excluded && *reasons && i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        bool was_out = part->phase == PART_EXCLUDED;
        if (is_in(part, late)) continue;
        excluded[*n].site = decide_text(decide, part->site, NAME_MAX_BYTES);
        excluded[*n].why = was_out ? part->why : WHY_LATE;
        (*reasons)[(*n)++] = decide_text(decide, was_out ? part->reason : late_reason, reason_bytes(n_out));
    }
    return excluded;
}

/* -- cut */

static bool stays(const struct part_state *part, bool late)
{
    return late ? part->phase == PART_CLOSED : part->phase != PART_EXCLUDED;
}

void decide_cut(struct decide *decide, const struct job_state *job, const struct round_state *round, bool late)
{
    struct round_cut *cut = &decide_record(decide, RECORD_ROUND_CUT)->is.round_cut;
    bool all_closed = true;
    for (size_t i = 0; i < round->n_parts; i++)
        all_closed &= round->parts[i].phase == PART_CLOSED || !stays(&round->parts[i], late);
    cut->job = decide_text(decide, job->id, JOB_ID_BYTES);
    cut->round = round->round;
    cut->attempt = round->attempt + 1;
    cut->participants = list_sites(decide, round, stays, late, &cut->n_participants);
    cut->excluded =
        list_excluded(decide, round, stays, late, "no update until the deadline", &cut->n_excluded, &cut->reasons);
    cut->n_reasons = cut->n_excluded;
    cut->shares = decide_shares(decide, round, &cut->n_shares);
    cut->deadline_ms = all_closed ? seconds_after(decide->now_ms, job->spec->deadline_s) : round->deadline_ms;
}

/* -- close */

static bool has_closed(const struct part_state *part, bool late)
{
    (void)late;
    return part->phase == PART_CLOSED;
}

static const struct metric *metric_of(const struct part_state *part, const char *name)
{
    for (size_t i = 0; i < part->n_metrics; i++)
        if (strcmp(part->metrics[i].name, name) == 0) return &part->metrics[i];
    return NULL;
}

/* An evaluation may have no weight; one with a weight that is none is left out. */
static bool counts_in_means(const struct part_state *part)
{
    return part->phase == PART_CLOSED && (part->weight == 0 || weight_is_good(part->weight));
}

/* Over the sites that counted and report it; when none of them has a weight, all weigh the same. */
static double weighted_mean(const struct round_state *round, const char *name)
{
    double sum = 0, weights = 0, plain_sum = 0, n = 0;
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct metric *metric = metric_of(&round->parts[i], name);
        if (!counts_in_means(&round->parts[i]) || !metric) continue;
        sum += round->parts[i].weight * metric->value;
        weights += round->parts[i].weight;
        plain_sum += metric->value;
        n++;
    }
    return weights > 0 ? sum / weights : plain_sum / n;
}

static bool has_metric(const struct round_closed *closed, const char *name)
{
    for (size_t i = 0; i < closed->n_metrics; i++)
        if (strcmp(closed->metrics[i].name, name) == 0) return true;
    return false;
}

static void add_means(struct decide *decide, const struct round_state *round, const struct part_state *part,
                      struct round_closed *closed)
{
    for (size_t i = 0; i < part->n_metrics && closed->n_metrics < PART_MAX_METRICS; i++) {
        const char *name = part->metrics[i].name;
        if (has_metric(closed, name)) continue;
        struct metric *mean = &closed->metrics[closed->n_metrics];
        mean->name = decide_text(decide, name, METRIC_NAME_MAX_BYTES);
        mean->value = weighted_mean(round, name);
        if (!mean->name) return;
        closed->n_metrics++;
    }
}

static void set_model(struct decide *decide, const struct job_state *job, const struct round_state *round,
                      struct round_closed *closed)
{
    if (round->task == TASK_EVALUATE) {
        closed->n_model = round->n_base;
        closed->model = copy_ids(decide, round->base, round->n_base);
        closed->digest = job->rounds[job->n_rounds - 2]->digest;
        return;
    }
    closed->n_model = round->n_shares;
    closed->model = decide_alloc(decide, round->n_shares, sizeof *closed->model);
    for (size_t i = 0; closed->model && i < round->n_shares; i++) closed->model[i] = round->shares[i].stream;
    if (shares_digest(decide->federation, round, &closed->digest, NULL) != ANB_OK) decide->out_of_memory = true;
}

void decide_close(struct decide *decide, const struct job_state *job, const struct round_state *round)
{
    struct round_closed *closed = &decide_record(decide, RECORD_ROUND_CLOSED)->is.round_closed;
    closed->job = decide_text(decide, job->id, JOB_ID_BYTES);
    closed->round = round->round;
    closed->counted = list_sites(decide, round, has_closed, false, &closed->n_counted);
    closed->excluded = list_excluded(decide, round, has_closed, false, "no answer until the deadline",
                                     &closed->n_excluded, &closed->reasons);
    closed->n_reasons = closed->n_excluded;
    closed->metrics = decide_alloc(decide, PART_MAX_METRICS, sizeof *closed->metrics);
    for (size_t i = 0; closed->metrics && i < round->n_parts; i++)
        if (counts_in_means(&round->parts[i])) add_means(decide, round, &round->parts[i], closed);
    set_model(decide, job, round, closed);
}
