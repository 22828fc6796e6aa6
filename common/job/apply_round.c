/* Rounds: opened, cut, closed. A decision that does not fit the state is refused whole. */
#include "job/federation_private.h"

#include <stdlib.h>
#include <string.h>

enum { ROUND_MEMORY_BYTES = 32 << 20 };

static enum anb_status does_not_fit(struct apply *apply, const char *job, int32_t round, const char *why)
{
    return refuse(apply, REFUSAL_ILLEGAL_MOVE, ANB_INVALID, "job %s round %d: %s", job, round, why);
}

/* -- shares */

static bool take_partitions(const struct share *share, int32_t n_partitions, uint64_t *taken)
{
    for (size_t i = 0; i < share->n_partitions; i++) {
        int32_t partition = share->partitions[i];
        if (partition < 0 || partition >= n_partitions || *taken >> partition & 1) return false;
        *taken |= (uint64_t)1 << partition;
    }
    return share->n_partitions > 0;
}

/* Every partition once, by aggregators that are known, sorted by name. */
static bool shares_fit(const struct federation *federation, const struct share *shares, size_t n)
{
    uint64_t taken = 0;
    for (size_t i = 0; i < n; i++) {
        const struct node_state *node = node_find(federation, shares[i].node);
        if (!node || node->role != ROLE_AGGREGATOR) return false;
        if (i > 0 && strcmp(shares[i - 1].node, shares[i].node) >= 0) return false;
        if (!take_partitions(&shares[i], federation->partitions, &taken)) return false;
    }
    return taken == all_partitions(federation);
}

static void set_shares(const struct federation *federation, struct round_state *round, const struct share *shares,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        round->shares[i] = (struct share_state){.node = node_find(federation, shares[i].node)->name};
        take_partitions(&shares[i], federation->partitions, &round->shares[i].partitions);
    }
    round->n_shares = n;
}

/* -- open */

static bool base_fits(const struct job_state *job, const struct id *base, size_t n)
{
    const struct round_state *last = round_current(job);
    const struct id *model = last ? last->model : &job->model;
    size_t n_model = last ? last->n_model : 1;
    return n == n_model && memcmp(base, model, n * sizeof *base) == 0;
}

static bool participants_fit(const struct job_state *job, const char *const *sites, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!job_lists_site(job, sites[i])) return false;
    return n > 0 && texts_rise(sites, n);
}

static enum anb_status check_opening(struct apply *apply, const struct job_state *job,
                                     const struct round_opened *record)
{
    const struct round_state *last = round_current(job);
    bool trains = record->round < job->spec->rounds;
    const char *why = NULL;
    if (job->phase != JOB_RUNNING || (last && last->phase != ROUND_CLOSED))
        why = "cannot be opened now";
    else if (record->round != (last ? last->round + 1 : 0) || record->round >= job_n_rounds(job))
        why = "is not the next one";
    else if (record->task != (trains ? TASK_TRAIN : TASK_EVALUATE) || strcmp(record->rule, job->spec->rule) != 0)
        why = "has another task or rule than its job";
    else if (!base_fits(job, record->base, record->n_base))
        why = "does not start from the last model";
    else if (!participants_fit(job, record->participants, record->n_participants))
        why = "its participants are not sorted sites of the job";
    else if (record->quorum < 1 || (size_t)record->quorum > record->n_participants)
        why = "its quorum cannot be met";
    else if (trains ? !shares_fit(apply->federation, record->shares, record->n_shares) : record->n_shares > 0)
        why = "its shares do not cover every partition once";
    return why ? does_not_fit(apply, job->id, record->round, why) : ANB_OK;
}

static bool allocate_round(struct round_state *round, const struct round_opened *record)
{
    struct arena *arena = round_arena(round);
    round->base = arena_alloc_array(arena, record->n_base, sizeof *round->base);
    round->parts = arena_alloc_array(arena, record->n_participants, sizeof *round->parts);
    if (!round->base || !round->parts) return false;
    if (record->task == TASK_EVALUATE) return true;
    round->shares = arena_alloc_array(arena, MAX_PARTITIONS, sizeof *round->shares);
    round->give_ups = arena_alloc_array(arena, MAX_PARTITIONS, sizeof *round->give_ups);
    return round->shares && round->give_ups;
}

static struct round_state *round_new(const struct federation *federation, const struct job_state *job,
                                     const struct round_opened *record)
{
    struct round_box *box = calloc(1, sizeof *box);
    if (!box) return NULL;
    struct round_state *round = &box->state;
    arena_init(&box->arena, ROUND_MEMORY_BYTES);
    if (!allocate_round(round, record)) {
        round_free(round);
        return NULL;
    }
    round->round = record->round;
    round->task = record->task;
    round->quorum = record->quorum;
    round->opened_ms = record->head.time_ms;
    round->deadline_ms = record->deadline_ms;
    round->fold_deadline_ms = seconds_after(record->deadline_ms, job->spec->deadline_s);
    round->n_base = record->n_base;
    memcpy(round->base, record->base, record->n_base * sizeof *round->base);
    round->n_parts = record->n_participants;
    for (size_t i = 0; i < round->n_parts; i++)
        round->parts[i] = (struct part_state){
            .site = node_find(federation, record->participants[i])->name, .counts = true, .reason = ""};
    set_shares(federation, round, record->shares, record->n_shares);
    return round;
}

static bool add_round(struct federation *federation, struct job_state *job, struct round_state *round)
{
    struct round_state **rounds = realloc(job->rounds, (job->n_rounds + 1) * sizeof *rounds);
    if (!rounds) return false;
    rounds[job->n_rounds++] = round;
    job->rounds = rounds;
    if (job->n_rounds > 1) history_add(federation, rounds[job->n_rounds - 2]);
    return true;
}

enum anb_status apply_round_opened(struct apply *apply, const struct round_opened *record)
{
    struct job_state *job;
    enum anb_status status = find_job(apply, record->job, &job);
    if (status == ANB_OK) status = check_opening(apply, job, record);
    if (status != ANB_OK) return status;
    struct round_state *round = round_new(apply->federation, job, record);
    if (!round) return out_of_memory(apply);
    if (!add_round(apply->federation, job, round)) {
        round_free(round);
        return out_of_memory(apply);
    }
    job_touch(apply, job);
    return ANB_OK;
}

/* -- cut */

static enum anb_status find_open_round(struct apply *apply, const char *job_id, int32_t number, struct job_state **job,
                                       struct round_state **round)
{
    enum anb_status status = find_job(apply, job_id, job);
    if (status != ANB_OK) return status;
    *round = round_current(*job);
    if ((*job)->phase == JOB_RUNNING && *round && (*round)->round == number && (*round)->phase == ROUND_OPEN)
        return ANB_OK;
    return does_not_fit(apply, job_id, number, "is not open");
}

static bool names_have(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static const struct exclusion *exclusion_of(const struct exclusion *excluded, size_t n, const char *site)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(excluded[i].site, site) == 0) return &excluded[i];
    return NULL;
}

/* The sentences stand beside the exclusions, for those who may read them. */
static const char *reason_at(const char *const *reasons, size_t n, size_t i)
{
    return i < n ? reasons[i] : "";
}

/* Who stays must not be excluded; who goes must not have closed, and needs a reason. */
static bool cut_fits_parts(const struct round_state *round, const struct round_cut *record)
{
    size_t n_staying = 0;
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        bool stays = names_have(record->participants, record->n_participants, part->site);
        n_staying += stays;
        if (stays && part->phase == PART_EXCLUDED) return false;
        if (stays || part->phase == PART_EXCLUDED) continue;
        if (part->phase == PART_CLOSED || !exclusion_of(record->excluded, record->n_excluded, part->site)) return false;
    }
    return n_staying == record->n_participants && n_staying >= (size_t)round->quorum &&
           texts_rise(record->participants, record->n_participants);
}

static enum anb_status check_cut(struct apply *apply, const struct round_state *round, const struct round_cut *record)
{
    const char *why = NULL;
    if (!machine_allows(&round_machine, round->phase, ROUND_OPEN) || round->task != TASK_TRAIN)
        why = "cannot be cut";
    else if (record->attempt != round->attempt + 1)
        why = "is not at the attempt before this cut";
    else if (!cut_fits_parts(round, record))
        why = "the cut's participants do not fit its parts";
    else if (!shares_fit(apply->federation, record->shares, record->n_shares))
        why = "the cut's shares do not cover every partition once";
    return why ? does_not_fit(apply, record->job, record->round, why) : ANB_OK;
}

struct cut_context {
    const struct job_state *job;
    const struct round_state *round;
};

static void void_model(struct stream_state *stream, void *context)
{
    const struct cut_context *cut = context;
    if (stream->purpose == PURPOSE_MODEL && stream->round == cut->round->round &&
        strcmp(stream->job, cut->job->id) == 0)
        stream_move(stream, STREAM_ABANDONED);
}

static enum anb_status cut_parts(struct apply *apply, struct round_state *round, const struct round_cut *record)
{
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < round->n_parts; i++) {
        struct part_state *part = &round->parts[i];
        part->counts = names_have(record->participants, record->n_participants, part->site);
        if (part->counts || part->phase == PART_EXCLUDED) continue;
        const struct exclusion *one = exclusion_of(record->excluded, record->n_excluded, part->site);
        status = part_exclude(apply, round, part, one->why,
                              reason_at(record->reasons, record->n_reasons, (size_t)(one - record->excluded)));
    }
    return status;
}

enum anb_status apply_round_cut(struct apply *apply, const struct round_cut *record)
{
    struct job_state *job;
    struct round_state *round;
    enum anb_status status = find_open_round(apply, record->job, record->round, &job, &round);
    if (status == ANB_OK) status = check_cut(apply, round, record);
    if (status == ANB_OK) status = cut_parts(apply, round, record);
    if (status != ANB_OK) return status;
    struct cut_context cut = {job, round};
    streams_each(apply->federation, void_model, &cut);
    set_shares(apply->federation, round, record->shares, record->n_shares);
    round->attempt = record->attempt;
    if (round_updates_are_closed(round))
        round->fold_deadline_ms = record->deadline_ms;
    else
        round->deadline_ms = record->deadline_ms;
    job_touch(apply, job);
    return ANB_OK;
}

/* -- close */

static bool closing_fits_parts(const struct round_state *round, const struct round_closed *record)
{
    size_t n_closed = 0;
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        if (part->phase == PART_CLOSED) {
            if (!names_have(record->counted, record->n_counted, part->site)) return false;
            n_closed++;
        } else if (round->task == TASK_TRAIN && (part->counts || part->phase != PART_EXCLUDED)) {
            return false;
        } else if (!exclusion_of(record->excluded, record->n_excluded, part->site)) {
            return false;
        }
    }
    return n_closed == record->n_counted;
}

static bool closing_fits_shares(const struct round_state *round, const struct round_closed *record)
{
    if (record->n_model != round->n_shares || !round_shares_are_closed(round)) return false;
    for (size_t i = 0; i < round->n_shares; i++)
        if (!id_equal(&round->shares[i].stream, &record->model[i])) return false;
    return true;
}

static enum anb_status check_closing(struct apply *apply, const struct job_state *job, const struct round_state *round,
                                     const struct round_closed *record)
{
    struct digest digest = {{0}};
    bool trains = round->task == TASK_TRAIN;
    if (!closing_fits_parts(round, record))
        return does_not_fit(apply, job->id, round->round, "who counted does not fit its parts");
    if (trains ? !closing_fits_shares(round, record)
               : record->n_model != round->n_base ||
                     memcmp(record->model, round->base, round->n_base * sizeof *round->base))
        return does_not_fit(apply, job->id, round->round, "its model is not closed, or not what its shares made");
    enum anb_status status = ANB_OK;
    if (trains)
        status = shares_digest(apply->federation, round, &digest, NULL);
    else
        digest = job->rounds[job->n_rounds - 2]->digest;
    if (status == ANB_NO_MEMORY) return out_of_memory(apply);
    if (status == ANB_OK && digest_equal(&digest, &record->digest)) return ANB_OK;
    return refuse(apply, REFUSAL_BAD_DIGEST, ANB_INVALID, "job %s round %d: the model has another digest", job->id,
                  round->round);
}

bool copy_metrics(struct arena *arena, const struct metric *metrics, size_t n, struct metric **out, size_t *n_out)
{
    struct metric *copies = arena_alloc_array(arena, n < PART_MAX_METRICS ? n : PART_MAX_METRICS, sizeof *copies);
    size_t kept = 0;
    if (!copies) return false;
    for (size_t i = 0; i < n && kept < PART_MAX_METRICS; i++) {
        size_t size = strnlen(metrics[i].name, METRIC_NAME_MAX_BYTES + 1);
        if (size < 1 || size > METRIC_NAME_MAX_BYTES) continue;
        copies[kept].name = arena_text(arena, slice_of(metrics[i].name, size));
        copies[kept].value = metrics[i].value;
        if (!copies[kept++].name) return false;
    }
    *out = copies;
    *n_out = kept;
    return true;
}

static int64_t bytes_that_counted(const struct federation *federation, const struct round_state *round)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct stream_box *box = stream_find(federation, &round->parts[i].stream);
        if (!box || round->parts[i].phase != PART_CLOSED) continue;
        if (__builtin_add_overflow(bytes, box->state.layout_bytes + box->state.data_bytes, &bytes)) return INT64_MAX;
    }
    return bytes;
}

static bool was_read_by_all(const struct stream_state *stream, const void *context)
{
    const struct cut_context *closed = context;
    if (strcmp(stream->job, closed->job->id) != 0 || stream->round < 0) return false;
    for (size_t i = 0; i < closed->round->n_model; i++)
        if (id_equal(&closed->round->model[i], &stream->id)) return false;
    return stream->round < closed->round->round || stream->phase == STREAM_ABANDONED;
}

static enum anb_status exclude_the_rest(struct apply *apply, struct round_state *round,
                                        const struct round_closed *record)
{
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < round->n_parts; i++) {
        struct part_state *part = &round->parts[i];
        if (part->phase != PART_WAITING && part->phase != PART_OPENED) continue;
        const struct exclusion *one = exclusion_of(record->excluded, record->n_excluded, part->site);
        status = part_exclude(apply, round, part, one->why,
                              reason_at(record->reasons, record->n_reasons, (size_t)(one - record->excluded)));
    }
    return status;
}

enum anb_status apply_round_closed(struct apply *apply, const struct round_closed *record)
{
    struct job_state *job;
    struct round_state *round;
    enum anb_status status = find_open_round(apply, record->job, record->round, &job, &round);
    if (status == ANB_OK) status = check_closing(apply, job, round, record);
    if (status == ANB_OK) status = exclude_the_rest(apply, round, record);
    if (status != ANB_OK) return status;
    struct arena *arena = round_arena(round);
    round->model = arena_alloc_array(arena, record->n_model, sizeof *round->model);
    if (!round->model || !copy_metrics(arena, record->metrics, record->n_metrics, &round->metrics, &round->n_metrics))
        return out_of_memory(apply);
    memcpy(round->model, record->model, record->n_model * sizeof *round->model);
    round->n_model = record->n_model;
    round->digest = record->digest;
    round->closed_ms = record->head.time_ms;
    round->bytes = bytes_that_counted(apply->federation, round);
    round_move(round, ROUND_CLOSED);
    struct cut_context closed = {job, round};
    streams_forget(apply->federation, was_read_by_all, &closed);
    if (round->round == job_n_rounds(job) - 1) job_move(job, JOB_STORING);
    job_touch(apply, job);
    return ANB_OK;
}
