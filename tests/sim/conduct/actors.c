/* What the nodes do, from what they have read alone: a server leads, an aggregator folds, a site trains. */
#include "conduct.h"

#include "wire/wire.h"

#include <stdio.h>
#include <string.h>

static int32_t every_partition[SIM_PARTITIONS] = {0, 1, 2, 3};
static int64_t no_offsets[SIM_PARTITIONS];

static struct id draw_id(struct sim *sim)
{
    struct id id;
    for (int i = 0; i < ID_BYTES; i++) id.bytes[i] = (unsigned char)sim_draw(sim, 256);
    id.bytes[0] |= 1;
    return id;
}

static struct stream_opened new_stream(struct sim *sim, enum purpose purpose)
{
    return (struct stream_opened){.stream = draw_id(sim),
                                  .job = SIM_JOB,
                                  .round = -1,
                                  .purpose = purpose,
                                  .layout_bytes = 100,
                                  .data_bytes = 900,
                                  .chunk_bytes = 128,
                                  .chunk_count = 10,
                                  .partitions = every_partition,
                                  .n_partitions = SIM_PARTITIONS,
                                  .start_offsets = no_offsets,
                                  .n_start_offsets = SIM_PARTITIONS};
}

static void say_opened(struct sim *sim, struct sim_node *node, const struct stream_opened *opened)
{
    struct record record = {RECORD_STREAM_OPENED, .is.stream_opened = *opened};
    sim_say(sim, node, &record);
}

/* `round`: whose model the stream is; NULL for other streams. */
static void say_closed(struct sim *sim, struct sim_node *node, const struct stream_state *stream,
                       const struct round_state *round)
{
    struct mark marks[SIM_PARTITIONS];
    struct metric metric = {"loss", 0.5};
    struct stream_closed closed = {.stream = stream->id,
                                   .job = SIM_JOB,
                                   .round = stream->round,
                                   .marks = marks,
                                   .metrics = &metric,
                                   .n_metrics = 1};
    for (int32_t p = 0; p < SIM_PARTITIONS; p++) {
        if (!(stream->partitions >> p & 1)) continue;
        int64_t count = 0;
        for (int64_t j = p; j < stream->chunk_count; j += SIM_PARTITIONS) count++;
        struct mark *mark = &marks[closed.n_marks++];
        *mark = (struct mark){p, count ? 0 : -1, count ? count - 1 : -1, count, {{0}}, {{0}}};
        if (round) sim_fold_digest(round, p, &mark->digest);
    }
    struct record record = {RECORD_STREAM_CLOSED, .is.stream_closed = closed};
    sim_say(sim, node, &record);
}

static void say_give_up(struct sim *sim, struct sim_node *node, const struct round_state *round)
{
    struct record record = {
        RECORD_STREAM_ABANDONED,
        .is.stream_abandoned = {.job = SIM_JOB, .round = round->round, .gives_up = true, .reason = "cannot"}};
    sim_say(sim, node, &record);
}

static const struct round_state *open_round(const struct sim_node *node)
{
    const struct job_state *job = federation_job(node->federation, SIM_JOB);
    const struct round_state *round = job && job->phase == JOB_RUNNING ? job_round(job) : NULL;
    return round && round->phase == ROUND_OPEN ? round : NULL;
}

/* Not finished before a drawn time, which the process forgets when it is killed. */
static bool is_busy(struct sim *sim, struct sim_node *node, int most_ms)
{
    if (node->busy_until_ms == 0) node->busy_until_ms = sim->now_ms + (int64_t)sim_draw(sim, (uint64_t)most_ms);
    if (sim->now_ms < node->busy_until_ms) return true;
    node->busy_until_ms = 0;
    return false;
}

/* -- a site */

static void answer_job(struct sim *sim, struct sim_node *node, const struct job_state *job)
{
    for (size_t i = 0; i < job->n_answers; i++)
        if (strcmp(job->answers[i].site, node->name) == 0) return;
    bool accepts = !sim_chance(sim, 30);
    struct record record = {
        RECORD_JOB_ANSWERED,
        .is.job_answered = {.job = SIM_JOB, .accepted = accepts, .reason = accepts ? "" : "no room"}};
    sim_say(sim, node, &record);
}

static void open_update(struct sim *sim, struct sim_node *node, const struct round_state *round)
{
    struct stream_opened opened = new_stream(sim, PURPOSE_UPDATE);
    opened.round = round->round;
    opened.weight = 1 + (double)sim_draw(sim, 100);
    if (round->task == TASK_EVALUATE) opened.layout_bytes = opened.data_bytes = opened.chunk_count = 0;
    if (node->bad && sim_chance(sim, 300)) opened.weight = 0.0 / 0.0;
    if (node->bad && sim_chance(sim, 300)) opened.layout_digest.bytes[5] = 9;
    if (node->bad && sim_chance(sim, 300)) return say_give_up(sim, node, round);
    say_opened(sim, node, &opened);
}

static void act_as_site(struct sim *sim, struct sim_node *node)
{
    const struct job_state *job = federation_job(node->federation, SIM_JOB);
    if (job && job->phase == JOB_SUBMITTED) answer_job(sim, node, job);
    const struct round_state *round = open_round(node);
    for (size_t i = 0; round && i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        if (strcmp(part->site, node->name) != 0) continue;
        if (part->phase == PART_WAITING) open_update(sim, node, round);
        if (part->phase != PART_OPENED || is_busy(sim, node, 4000)) continue;
        say_closed(sim, node, federation_stream(node->federation, &part->stream), NULL);
    }
}

/* -- an aggregator */

static void fold_share(struct sim *sim, struct sim_node *node, const struct round_state *round,
                       const struct share_state *share)
{
    if (id_is_zero(&share->stream)) {
        int32_t partitions[SIM_PARTITIONS];
        struct stream_opened opened = new_stream(sim, PURPOSE_MODEL);
        opened.round = round->round;
        opened.attempt = round->attempt;
        opened.partitions = partitions;
        opened.n_partitions = 0;
        for (int32_t p = 0; p < SIM_PARTITIONS; p++)
            if (share->partitions >> p & 1) partitions[opened.n_partitions++] = p;
        say_opened(sim, node, &opened);
        return;
    }
    for (size_t i = 0; i < round->n_parts; i++)
        if (round->parts[i].counts && round->parts[i].phase != PART_CLOSED) return;
    if (!is_busy(sim, node, 1000)) say_closed(sim, node, federation_stream(node->federation, &share->stream), round);
}

static void refuse_update(struct sim *sim, struct sim_node *node, const struct round_state *round,
                          const struct part_state *part, const char *reason)
{
    struct record record = {
        RECORD_STREAM_ABANDONED,
        .is.stream_abandoned = {.stream = part->stream, .job = SIM_JOB, .round = round->round, .reason = reason}};
    if (!id_is_zero(&part->stream)) sim_say(sim, node, &record);
}

/* A damaged update: seldom, or every federation would end without its quorum. */
static void blame(struct sim *sim, struct sim_node *node, const struct round_state *round)
{
    refuse_update(sim, node, round, &round->parts[sim_draw(sim, round->n_parts)], "damaged");
}

static const struct part_state *part_without_weight(const struct round_state *round)
{
    for (size_t i = 0; round->task == TASK_TRAIN && i < round->n_parts; i++)
        if (!id_is_zero(&round->parts[i].stream) && !weight_is_good(round->parts[i].weight)) return &round->parts[i];
    return NULL;
}

static void act_as_aggregator(struct sim *sim, struct sim_node *node)
{
    const struct round_state *round = open_round(node);
    for (size_t i = 0; round && i < round->n_shares; i++) {
        const struct share_state *share = &round->shares[i];
        if (strcmp(share->node, node->name) != 0 || share->closed) continue;
        if (!sim->calm && sim_chance(sim, 2)) return say_give_up(sim, node, round);
        if (!sim->calm && sim_chance(sim, 2)) return blame(sim, node, round);
        if (part_without_weight(round)) return refuse_update(sim, node, round, part_without_weight(round), "weight");
        fold_share(sim, node, round, share);
    }
}

/* -- a server */

static void claim(struct sim *sim, struct sim_node *node)
{
    struct record record = {RECORD_LEADER_CLAIMED,
                            .is.leader_claimed = {.head.epoch = federation_epoch(node->federation) + 1}};
    sim_say(sim, node, &record);
}

static void submit(struct sim *sim, struct sim_node *node)
{
    struct stream_opened bundle = new_stream(sim, PURPOSE_BUNDLE), model = new_stream(sim, PURPOSE_MODEL);
    struct stream_state states[2] = {{.id = bundle.stream, .chunk_count = 10, .partitions = 15, .round = -1},
                                     {.id = model.stream, .chunk_count = 10, .partitions = 15, .round = -1}};
    say_opened(sim, node, &bundle);
    say_closed(sim, node, &states[0], NULL);
    say_opened(sim, node, &model);
    say_closed(sim, node, &states[1], NULL);
    struct record record = {RECORD_JOB_SUBMITTED, .is.job_submitted = {.head.epoch = federation_epoch(node->federation),
                                                                       .job = SIM_JOB,
                                                                       .request = "request",
                                                                       .name = "sim",
                                                                       .spec = sim->spec,
                                                                       .bundle = bundle.stream,
                                                                       .model = model.stream,
                                                                       .submitter = "sim"}};
    sim_say(sim, node, &record);
}

static void store_model(struct sim *sim, struct sim_node *node, const struct job_state *job)
{
    struct record record = {RECORD_MODEL_STORED, .is.model_stored = {.head.epoch = federation_epoch(node->federation),
                                                                     .job = SIM_JOB,
                                                                     .round = job->spec->rounds - 1,
                                                                     .stored = !sim_chance(sim, 50),
                                                                     .reason = ""}};
    if (!record.is.model_stored.stored) record.is.model_stored.reason = "disk full";
    sim_say(sim, node, &record);
}

static void lead(struct sim *sim, struct sim_node *node)
{
    struct record *records;
    size_t n;
    int64_t wake_ms;
    struct anb_error err;
    arena_reset(&sim->scratch);
    if (federation_decide(node->federation, node->name, sim->now_ms, &sim->scratch, &records, &n, &wake_ms, &err) !=
        ANB_OK)
        sim_fail(sim, "%s", err.text);
    else
        for (size_t i = 0; i < n; i++) sim_say(sim, node, &records[i]);
}

static void act_as_server(struct sim *sim, struct sim_node *node)
{
    const char *leader = federation_leader(node->federation);
    const struct job_state *job = federation_job(node->federation, SIM_JOB);
    if (!leader || !node_is_alive(federation_node(node->federation, leader), sim->now_ms)) {
        if (sim_chance(sim, 300)) claim(sim, node);
    } else if (strcmp(leader, node->name) == 0) {
        if (!job)
            submit(sim, node);
        else if (job->phase == JOB_STORING && !job->stored && !job->store_failure)
            store_model(sim, node, job);
        else
            lead(sim, node);
    }
}

void sim_act(struct sim *sim, struct sim_node *node)
{
    if (node->n_in_flight > 0) return;
    switch (node->role) {
    case ROLE_SERVER: act_as_server(sim, node); break;
    case ROLE_AGGREGATOR: act_as_aggregator(sim, node); break;
    case ROLE_CLIENT: act_as_site(sim, node); break;
    }
}
