/* The invariants: an observer reads every record the moment it stands in the list. */
#include "conduct.h"

#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_fold_digest(const struct round_state *round, int32_t p, struct digest *out)
{
    struct id ids[SIM_MAX_NODES + 1] = {{{0}}};
    size_t n = 0;
    ids[n++].bytes[0] = (unsigned char)p;
    for (size_t i = 0; i < round->n_parts; i++)
        if (round->parts[i].counts) ids[n++] = round->parts[i].stream;
    if (digest_of(slice_of(ids, n * sizeof *ids), out, NULL) != ANB_OK) abort();
}

/* -- numbers for the whole of what the log says; what depends on a process's clock is left out */

static void mix(uint64_t *sum, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) *sum = (*sum ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
}

static void mix_number(uint64_t *sum, int64_t number)
{
    mix(sum, &number, sizeof number);
}

static void mix_stream(uint64_t *sum, const struct federation *federation, const struct id *id)
{
    const struct stream_state *stream = federation_stream(federation, id);
    mix(sum, id, sizeof *id);
    mix_number(sum, stream ? (int64_t)stream->phase : -1);
    if (stream) mix_number(sum, stream->opened_at ^ stream->closed_at);
}

static void mix_round(uint64_t *sum, const struct federation *federation, const struct round_state *round)
{
    int64_t numbers[] = {round->round,
                         round->phase,
                         round->attempt,
                         round->deadline_ms,
                         round->fold_deadline_ms,
                         round->bytes,
                         (int64_t)round->n_give_ups};
    mix(sum, numbers, sizeof numbers);
    mix(sum, &round->digest, sizeof round->digest);
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        mix(sum, part->site, strlen(part->site));
        mix_number(sum, (int64_t)part->phase * 32 + (int64_t)part->why * 2 + part->counts);
        mix_stream(sum, federation, &part->stream);
    }
    for (size_t i = 0; i < round->n_shares; i++) {
        mix(sum, round->shares[i].node, strlen(round->shares[i].node));
        mix_number(sum, (int64_t)round->shares[i].partitions * 2 + round->shares[i].closed);
        mix_stream(sum, federation, &round->shares[i].stream);
    }
}

uint64_t sim_moves(const struct federation *federation)
{
    uint64_t sum = 0xcbf29ce484222325u;
    mix_number(&sum, federation_epoch(federation));
    if (federation_leader(federation)) mix(&sum, federation_leader(federation), strlen(federation_leader(federation)));
    for (const struct node_state *node = federation_nodes(federation); node; node = node->next) {
        mix(&sum, node->name, strlen(node->name));
        mix_number(&sum, node->incarnation * 1000003 + node->sequence * 2 + node->up);
    }
    const struct job_state *job = federation_job(federation, SIM_JOB);
    if (!job) return sum;
    mix_number(&sum, (int64_t)job->phase * 8 + (int64_t)job->outcome * 2 + job->stored);
    mix_number(&sum, job->store_failure != NULL);
    mix_number(&sum, (int64_t)job->n_answers * 1000 + (int64_t)job->n_sites);
    mix_number(&sum, job->revision);
    if (job_round(job)) mix_round(&sum, federation, job_round(job));
    return sum;
}

static void mix_text(uint64_t *sum, const char *text)
{
    mix(sum, text, strlen(text) + 1);
}

uint64_t sim_words(const struct federation *federation)
{
    uint64_t sum = 0xcbf29ce484222325u;
    const struct job_state *job = federation_job(federation, SIM_JOB);
    const struct round_state *round = job ? job_round(job) : NULL;
    if (job) mix_text(&sum, job->reason);
    for (size_t i = 0; job && i < job->n_answers; i++) mix_text(&sum, job->answers[i].reason);
    for (size_t i = 0; round && i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        mix(&sum, &part->weight, sizeof part->weight);
        mix_text(&sum, part->reason);
        for (size_t m = 0; m < part->n_metrics; m++) mix(&sum, &part->metrics[m].value, sizeof(double));
    }
    for (size_t m = 0; round && m < round->n_metrics; m++) mix(&sum, &round->metrics[m].value, sizeof(double));
    return sum;
}

/* -- what must hold at each record that is taken */

static bool is_decision(enum record_kind kind)
{
    return kind == RECORD_JOB_SUBMITTED || kind == RECORD_JOB_STARTED || kind == RECORD_ROUND_OPENED ||
           kind == RECORD_ROUND_CUT || kind == RECORD_ROUND_CLOSED || kind == RECORD_MODEL_STORED ||
           kind == RECORD_JOB_ENDED;
}

static void check_decider(struct sim *sim, const struct record *record)
{
    const struct head *head = record_head_const(record);
    if (head->epoch == sim->epoch && strcmp(head->node, sim->leader) == 0) return;
    sim_fail(sim, "%s of %s in epoch %lld counted, but %s leads epoch %lld", record_name(record->kind), head->node,
             (long long)head->epoch, sim->leader, (long long)sim->epoch);
}

static void check_fold(struct sim *sim, const struct round_state *round, const struct share_state *share)
{
    const struct stream_state *stream = federation_stream(sim->observer, &share->stream);
    for (int32_t p = 0; stream && p < SIM_PARTITIONS; p++) {
        struct digest digest;
        if (!(share->partitions >> p & 1)) continue;
        sim_fold_digest(round, p, &digest);
        if (!digest_equal(&digest, &stream->marks[p].digest))
            sim_fail(sim, "round %d: %s folded other updates than those that count", round->round, share->node);
    }
    if (!stream) sim_fail(sim, "round %d: the model of %s is gone", round->round, share->node);
}

static void check_round_closed(struct sim *sim, const struct round_closed *record)
{
    const struct round_state *round = job_round(federation_job(sim->observer, SIM_JOB));
    if (sim->rounds_closed[record->round % 64]++ > 0) sim_fail(sim, "round %d was closed twice", record->round);
    for (size_t i = 1; i < record->n_counted; i++)
        if (strcmp(record->counted[i - 1], record->counted[i]) >= 0)
            sim_fail(sim, "round %d: %s counted twice", record->round, record->counted[i]);
    if (round->task == TASK_TRAIN && record->n_counted < (size_t)round->quorum)
        sim_fail(sim, "round %d was closed without its quorum", record->round);
    for (size_t i = 0; round->task == TASK_TRAIN && i < round->n_parts; i++)
        if (round->parts[i].counts && !weight_is_good(round->parts[i].weight))
            sim_fail(sim, "round %d: %s counts with weight %g", round->round, round->parts[i].site,
                     round->parts[i].weight);
    for (size_t i = 0; round->task == TASK_TRAIN && i < round->n_shares; i++) check_fold(sim, round, &round->shares[i]);
}

void sim_observe(struct sim *sim, size_t index)
{
    struct record *record = sim->entries[index].record;
    struct anb_error err;
    enum anb_status status = federation_apply(sim->observer, record, (int64_t)index, sim->now_ms, &err);
    if (status != ANB_OK) {
        sim->n_refused++;
        return;
    }
    if (record->kind == RECORD_LEADER_CLAIMED) {
        if (record->is.leader_claimed.head.epoch <= sim->epoch) sim_fail(sim, "an epoch was claimed twice");
        sim->epoch = record->is.leader_claimed.head.epoch;
        snprintf(sim->leader, sizeof sim->leader, "%.15s", record->is.leader_claimed.head.node);
    }
    if (is_decision(record->kind)) check_decider(sim, record);
    if (record->kind == RECORD_ROUND_CLOSED) check_round_closed(sim, &record->is.round_closed);
}
