#include "support/federation.h"

#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void world_init(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->federation = federation_new("p", WORLD_PARTITIONS, true);
    world->now_ms = 1000000;
    arena_init(&world->arena, 16 << 20);
}

void world_fini(struct world *world)
{
    federation_free(world->federation);
    arena_fini(&world->arena);
}

static int64_t one_more(int64_t number)
{
    return number < INT64_MAX ? number + 1 : number;
}

enum anb_status say(struct world *world, const char *name, struct record *record)
{
    const struct node_state *node = federation_node(world->federation, name);
    struct head *head = record_head(record);
    if (!head->project) head->project = "p";
    if (!head->node) head->node = name;
    if (!head->incarnation) head->incarnation = node ? node->incarnation : 1;
    if (!head->sequence) head->sequence = node ? one_more(node->sequence) : 1;
    if (!head->epoch) head->epoch = federation_epoch(world->federation);
    if (!head->time_ms) head->time_ms = world->now_ms;
    world->err.text[0] = '\0';
    return federation_apply(world->federation, record, world->offset++, world->now_ms, &world->err);
}

enum anb_status say_up(struct world *world, const char *name, enum role role)
{
    const struct node_state *node = federation_node(world->federation, name);
    struct record record = {RECORD_NODE_UP, .is.node_up = {.role = role, .version = "1"}};
    record.is.node_up.head.incarnation = node ? one_more(node->incarnation) : 1;
    record.is.node_up.head.sequence = 1;
    return say(world, name, &record);
}

enum anb_status say_down(struct world *world, const char *name)
{
    struct record record = {RECORD_NODE_DOWN, .is.node_down = {.reason = "stopped"}};
    return say(world, name, &record);
}

void pulse_one(struct world *world, const char *name)
{
    const struct node_state *node = federation_node(world->federation, name);
    struct pulse pulse = {
        .head = {.project = "p", .node = name, .incarnation = node->incarnation, .time_ms = world->now_ms},
        .role = node->role,
        .job = "",
        .activity = "idle"};
    federation_pulse(world->federation, &pulse, world->now_ms);
}

void pulse_all(struct world *world)
{
    for (const struct node_state *node = federation_nodes(world->federation); node; node = node->next)
        pulse_one(world, node->name);
}

enum anb_status say_claim(struct world *world, const char *server)
{
    int64_t epoch = one_more(federation_epoch(world->federation));
    struct record record = {RECORD_LEADER_CLAIMED, .is.leader_claimed = {.head.epoch = epoch}};
    return say(world, server, &record);
}

/* -- streams */

struct id next_id(struct world *world)
{
    struct id id = {{0}};
    uint32_t number = ++world->last_id;
    for (int i = 0; i < 4; i++) id.bytes[i] = id.bytes[15 - i] = (unsigned char)(number >> 8 * i);
    return id;
}

static int32_t every_partition[WORLD_PARTITIONS] = {0, 1, 2, 3};
static int64_t start_offsets[WORLD_PARTITIONS] = {10, 20, 30, 40};

static struct stream_opened world_stream(struct world *world, const char *job, enum purpose purpose)
{
    struct stream_opened opened = {.stream = next_id(world),
                                   .job = job,
                                   .round = -1,
                                   .purpose = purpose,
                                   .layout_digest = {{7}},
                                   .layout_bytes = 100,
                                   .data_bytes = 900,
                                   .chunk_bytes = 128,
                                   .chunk_count = 10,
                                   .partitions = every_partition,
                                   .n_partitions = WORLD_PARTITIONS,
                                   .start_offsets = start_offsets,
                                   .n_start_offsets = WORLD_PARTITIONS};
    return opened;
}

struct stream_opened world_update(struct world *world, const char *job, double weight)
{
    struct stream_opened opened = world_stream(world, job, PURPOSE_UPDATE);
    const struct round_state *round = job_round(federation_job(world->federation, job));
    opened.round = round->round;
    opened.weight = weight;
    if (round->task == TASK_EVALUATE) opened.layout_bytes = opened.data_bytes = opened.chunk_count = 0;
    return opened;
}

/* Marks as an honest sender writes them; the digests depend on the partition alone, so every attempt has the same. */
struct stream_closed world_close(struct world *world, const struct id *id)
{
    static struct mark marks[WORLD_PARTITIONS];
    const struct stream_state *stream = federation_stream(world->federation, id);
    struct stream_closed closed = {.stream = *id, .marks = marks};
    if (!stream) return closed;
    closed.job = stream->job;
    closed.round = stream->round;
    for (int32_t p = 0; p < WORLD_PARTITIONS; p++) {
        if (!(stream->partitions >> p & 1)) continue;
        struct mark *mark = &marks[closed.n_marks++];
        int64_t count = 0;
        for (int64_t j = p; j < stream->chunk_count; j += WORLD_PARTITIONS) count++;
        *mark = (struct mark){p, stream->start_offsets[p], stream->start_offsets[p] + count - 1, count, {{0}}, {{0}}};
        mark->digest.bytes[0] = (unsigned char)(p + 1);
        if (count == 0) mark->first_offset = mark->last_offset = -1;
    }
    return closed;
}

enum anb_status say_open(struct world *world, const char *node, const struct stream_opened *opened)
{
    struct record record = {RECORD_STREAM_OPENED, .is.stream_opened = *opened};
    return say(world, node, &record);
}

enum anb_status say_close(struct world *world, const char *node, const struct id *stream)
{
    struct record record = {RECORD_STREAM_CLOSED, .is.stream_closed = world_close(world, stream)};
    if (!record.is.stream_closed.job) record.is.stream_closed.job = "";
    return say(world, node, &record);
}

enum anb_status say_abandon(struct world *world, const char *node, const struct id *stream, const char *job,
                            bool gives_up, const char *reason)
{
    const struct round_state *round = job_round(federation_job(world->federation, job));
    struct record record = {RECORD_STREAM_ABANDONED, .is.stream_abandoned = {.job = job,
                                                                             .round = round ? round->round : -1,
                                                                             .gives_up = gives_up,
                                                                             .reason = reason}};
    if (stream) record.is.stream_abandoned.stream = *stream;
    return say(world, node, &record);
}

struct id send_update(struct world *world, const char *site, const char *job, double weight)
{
    struct stream_opened opened = world_update(world, job, weight);
    say_open(world, site, &opened);
    say_close(world, site, &opened.stream);
    return opened.stream;
}

struct id open_share(struct world *world, const char *aggregator, const char *job)
{
    const struct round_state *round = job_round(federation_job(world->federation, job));
    struct stream_opened opened = world_stream(world, job, PURPOSE_MODEL);
    int32_t partitions[WORLD_PARTITIONS];
    opened.round = round->round;
    opened.attempt = round->attempt;
    opened.partitions = partitions;
    opened.n_partitions = 0;
    for (size_t i = 0; i < round->n_shares; i++)
        for (int32_t p = 0; strcmp(round->shares[i].node, aggregator) == 0 && p < WORLD_PARTITIONS; p++)
            if (round->shares[i].partitions >> p & 1) partitions[opened.n_partitions++] = p;
    say_open(world, aggregator, &opened);
    return opened.stream;
}

struct id send_share(struct world *world, const char *aggregator, const char *job)
{
    struct id id = open_share(world, aggregator, job);
    say_close(world, aggregator, &id);
    return id;
}

/* -- jobs */

static enum anb_status submit_record(struct world *world, const char *job, const char *request, const char *spec,
                                     const struct id *bundle, const struct id *model)
{
    char text[4096];
    snprintf(text, sizeof text, "name: test\ntrainer: {command: [train]}\n%s", spec);
    struct record record = {
        RECORD_JOB_SUBMITTED,
        .is.job_submitted = {.job = job, .request = request, .name = "test", .spec = text, .submitter = "someone"}};
    record.is.job_submitted.bundle = *bundle;
    record.is.job_submitted.model = *model;
    return say(world, "server-1", &record);
}

enum anb_status say_submit(struct world *world, const char *job, const char *request, const char *spec)
{
    struct stream_opened bundle = world_stream(world, job, PURPOSE_BUNDLE);
    struct stream_opened model = world_stream(world, job, PURPOSE_MODEL);
    say_open(world, "server-1", &bundle);
    say_close(world, "server-1", &bundle.stream);
    say_open(world, "server-1", &model);
    say_close(world, "server-1", &model.stream);
    return submit_record(world, job, request, spec, &bundle.stream, &model.stream);
}

enum anb_status say_answer(struct world *world, const char *site, const char *job, bool accepted, const char *reason)
{
    struct record record = {RECORD_JOB_ANSWERED,
                            .is.job_answered = {.job = job, .accepted = accepted, .reason = reason}};
    return say(world, site, &record);
}

size_t plan(struct world *world)
{
    const char *leader = federation_leader(world->federation);
    world->n_decided = 0;
    world->wake_ms = INT64_MAX;
    if (!leader) return 0;
    arena_reset(&world->arena);
    if (federation_decide(world->federation, leader, world->now_ms, &world->arena, &world->decided, &world->n_decided,
                          &world->wake_ms, &world->err) != ANB_OK)
        abort();
    return world->n_decided;
}

size_t lead(struct world *world)
{
    const char *leader = federation_leader(world->federation);
    plan(world);
    for (size_t i = 0; i < world->n_decided; i++)
        if (say(world, leader, &world->decided[i]) != ANB_OK) {
            printf("a decision was refused: %s\n", world->err.text);
            abort();
        }
    return world->n_decided;
}

const struct record *only(const struct world *world, enum record_kind kind)
{
    return world->n_decided == 1 && world->decided[0].kind == kind ? &world->decided[0] : NULL;
}

void world_begin(struct world *world)
{
    world_init(world);
    say_up(world, "server-1", ROLE_SERVER);
    say_up(world, "agg-1", ROLE_AGGREGATOR);
    say_up(world, "agg-2", ROLE_AGGREGATOR);
    say_up(world, "a", ROLE_CLIENT);
    say_up(world, "b", ROLE_CLIENT);
    say_up(world, "c", ROLE_CLIENT);
    say_claim(world, "server-1");
}

void world_run(struct world *world, int rounds, bool evaluates)
{
    char spec[256];
    snprintf(spec, sizeof spec,
             "rounds: %d\nfinal_evaluation: %s\nsites: {names: [a, b, c], minimum: 2, wait_s: 60}\n"
             "round: {quorum: 2, deadline_s: 100}\n",
             rounds, evaluates ? "true" : "false");
    world_begin(world);
    say_submit(world, WORLD_JOB, "request", spec);
    say_answer(world, "a", WORLD_JOB, true, "");
    say_answer(world, "b", WORLD_JOB, true, "");
    say_answer(world, "c", WORLD_JOB, true, "");
    lead(world);
    lead(world);
}

const struct job_state *the_job(const struct world *world)
{
    return federation_job(world->federation, WORLD_JOB);
}

const struct round_state *the_round(const struct world *world)
{
    return job_round(the_job(world));
}

const struct part_state *part_of(const struct world *world, const char *site)
{
    const struct round_state *round = the_round(world);
    for (size_t i = 0; i < round->n_parts; i++)
        if (strcmp(round->parts[i].site, site) == 0) return &round->parts[i];
    return NULL;
}

int64_t refusals(const struct world *world, const char *reason)
{
    for (size_t i = 0; i < federation_n_refusals(world->federation); i++) {
        const char *word;
        int64_t count;
        federation_refusal_at(world->federation, i, &word, &count);
        if (strcmp(word, reason) == 0) return count;
    }
    return -1;
}

bool was_refused(struct world *world, enum anb_status got, enum anb_status expected, const char *reason, int64_t before)
{
    if (got == expected && refusals(world, reason) == before + 1 && *world->err.text) return true;
    printf("got %s (%s), not %s counted as %s\n", anb_status_word(got), world->err.text, anb_status_word(expected),
           reason);
    return false;
}

void close_all_updates(struct world *w)
{
    for (size_t i = 0; i < the_round(w)->n_parts; i++)
        if (the_round(w)->parts[i].phase == PART_WAITING) send_update(w, the_round(w)->parts[i].site, WORLD_JOB, 1);
}

void close_all_shares(struct world *w)
{
    for (size_t i = 0; i < the_round(w)->n_shares; i++)
        if (!the_round(w)->shares[i].closed) send_share(w, the_round(w)->shares[i].node, WORLD_JOB);
}

/* The sentence when the last decision ended the job as failed. */
const char *lead_to_failure(struct world *w)
{
    lead(w);
    const struct record *ended = only(w, RECORD_JOB_ENDED);
    return ended && the_job(w)->outcome == OUTCOME_FAILED ? the_job(w)->reason : "has not failed";
}

void start_world_job(struct world *w, const char *spec)
{
    say_submit(w, WORLD_JOB, "r", spec);
    say_answer(w, "a", WORLD_JOB, true, "");
    say_answer(w, "b", WORLD_JOB, true, "");
    say_answer(w, "c", WORLD_JOB, true, "");
    lead(w);
}
