/* Any records, in any order, folded into the state; and whatever the leader then decides is folded in, too.
 *
 * The bytes choose: records from few names, ids and numbers, so that they meet each other, and now and then foreign
 * bytes as the wire decodes them. The state must stay whole, and decisions made from it must be taken. */
#include "support/federation.h"
#include "wire/frame.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 400, ARENA_BYTES = 8 << 20, PARTITIONS = 4, RAW_BYTES = 512 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char *const names[] = {"server-1", "server-2", "agg-1", "agg-2", "a", "b", "c", "stranger"};
static const char *const jobs[] = {"00000000000000a1", "00000000000000b2", "job"};
static const char *const specs[] = {
    "rounds: 2\n", "rounds: 1\nfinal_evaluation: false\nsites: {names: [a, b], minimum: 1}\n", "rounds: 0\n"};
static const double weights[] = {1, 2.5, 0, -1, 1e300, 0.0 / 0.0};

struct fuzz {
    const unsigned char *data;
    size_t left;
    struct world world;
    struct arena arena;
};

static unsigned choose(struct fuzz *fuzz, unsigned n)
{
    if (fuzz->left == 0) return 0;
    fuzz->left--;
    return *fuzz->data++ % n;
}

static void *memory(struct fuzz *fuzz, size_t count, size_t size)
{
    void *bytes = arena_alloc_array(&fuzz->arena, count, size);
    if (!bytes) abort();
    return bytes;
}

static struct id choose_id(struct fuzz *fuzz)
{
    struct id id = {{0}};
    id.bytes[0] = id.bytes[15] = (unsigned char)choose(fuzz, 24); /* as next_id makes them */
    return id;
}

static const char **choose_sites(struct fuzz *fuzz, size_t *n)
{
    const char **sites = memory(fuzz, 4, sizeof *sites);
    *n = choose(fuzz, 5);
    for (size_t i = 0; i < *n; i++) sites[i] = names[choose(fuzz, 4) ? 4 + i % 4 : choose(fuzz, 8)];
    return sites;
}

static struct share *choose_shares(struct fuzz *fuzz, size_t *n)
{
    struct share *shares = memory(fuzz, 3, sizeof *shares);
    *n = choose(fuzz, 4);
    for (size_t i = 0; i < *n; i++) {
        shares[i].node = names[choose(fuzz, 4) ? 2 + i % 2 : choose(fuzz, 8)];
        shares[i].partitions = memory(fuzz, PARTITIONS, sizeof *shares[i].partitions);
        for (size_t p = i; p < PARTITIONS; p += *n)
            shares[i].partitions[shares[i].n_partitions++] =
                choose(fuzz, 16) ? (int32_t)p : (int32_t)choose(fuzz, 8) - 2;
    }
    return shares;
}

static struct exclusion *choose_excluded(struct fuzz *fuzz, size_t *n)
{
    struct exclusion *excluded = memory(fuzz, 3, sizeof *excluded);
    *n = choose(fuzz, 4);
    for (size_t i = 0; i < *n; i++) excluded[i] = (struct exclusion){names[4 + choose(fuzz, 4)], choose(fuzz, 4)};
    return excluded;
}

static struct id *choose_ids(struct fuzz *fuzz, size_t *n)
{
    struct id *ids = memory(fuzz, 3, sizeof *ids);
    *n = choose(fuzz, 4);
    for (size_t i = 0; i < *n; i++) ids[i] = choose_id(fuzz);
    return ids;
}

static void fill_stream_opened(struct fuzz *fuzz, struct stream_opened *opened)
{
    *opened = (struct stream_opened){.job = jobs[choose(fuzz, 3)],
                                     .layout_bytes = 100,
                                     .data_bytes = 900,
                                     .chunk_bytes = 128,
                                     .chunk_count = 10,
                                     .n_start_offsets = PARTITIONS};
    opened->stream = choose_id(fuzz);
    opened->round = (int32_t)choose(fuzz, 4) - 1;
    opened->attempt = (int32_t)choose(fuzz, 3);
    opened->purpose = choose(fuzz, 5);
    opened->weight = weights[choose(fuzz, 6)];
    opened->start_offsets = memory(fuzz, PARTITIONS, sizeof *opened->start_offsets);
    opened->partitions = memory(fuzz, PARTITIONS, sizeof *opened->partitions);
    unsigned set = choose(fuzz, 8) < 5 ? 15 : choose(fuzz, 16);
    for (int p = 0; p < PARTITIONS; p++)
        if (set >> p & 1) opened->partitions[opened->n_partitions++] = p;
    if (choose(fuzz, 6) == 0) opened->layout_bytes = opened->data_bytes = opened->chunk_count = 0;
    if (choose(fuzz, 16) == 0) opened->chunk_count = INT64_MAX - choose(fuzz, 3);
    if (choose(fuzz, 16) == 0) opened->layout_digest.bytes[0] = 1;
}

static void fill_stream_closed(struct fuzz *fuzz, struct stream_closed *closed)
{
    *closed = (struct stream_closed){.stream = choose_id(fuzz),
                                     .job = "",
                                     .marks = memory(fuzz, PARTITIONS, sizeof *closed->marks),
                                     .metrics = memory(fuzz, 2, sizeof *closed->metrics),
                                     .n_metrics = choose(fuzz, 3)};
    for (size_t i = 0; i < closed->n_metrics; i++)
        closed->metrics[i] = (struct metric){choose(fuzz, 2) ? "loss" : "accuracy", weights[choose(fuzz, 6)]};
    const struct stream_state *stream = federation_stream(fuzz->world.federation, &closed->stream);
    if (!stream) return;
    closed->job = stream->job;
    closed->round = stream->round;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        if (!(stream->partitions >> p & 1)) continue;
        int64_t count = stream->chunk_count > p ? (stream->chunk_count - 1 - p) / PARTITIONS + 1 : 0;
        if (choose(fuzz, 16) == 15) count += 1;
        closed->marks[closed->n_marks++] =
            (struct mark){p, count ? 0 : -1, count ? count - 1 : -1, count, {{0}}, {{0}}};
    }
}

static void fill_decision(struct fuzz *fuzz, struct record *record)
{
    const char *job = jobs[choose(fuzz, 3)];
    int32_t round = (int32_t)choose(fuzz, 4) - 1;
    struct round_opened *opened = &record->is.round_opened;
    struct round_cut *cut = &record->is.round_cut;
    struct round_closed *closed = &record->is.round_closed;
    switch (record->kind) {
    case RECORD_ROUND_OPENED:
        *opened = (struct round_opened){.job = job, .round = round, .task = choose(fuzz, 2), .rule = "fedavg"};
        opened->base = choose_ids(fuzz, &opened->n_base);
        opened->participants = choose_sites(fuzz, &opened->n_participants);
        opened->shares = choose_shares(fuzz, &opened->n_shares);
        opened->quorum = (int32_t)choose(fuzz, 4);
        opened->deadline_ms = fuzz->world.now_ms + 1000 * (int64_t)choose(fuzz, 200);
        break;
    case RECORD_ROUND_CUT:
        *cut = (struct round_cut){.job = job, .round = round, .attempt = (int32_t)choose(fuzz, 3)};
        cut->participants = choose_sites(fuzz, &cut->n_participants);
        cut->shares = choose_shares(fuzz, &cut->n_shares);
        cut->excluded = choose_excluded(fuzz, &cut->n_excluded);
        break;
    default:
        *closed = (struct round_closed){.job = job, .round = round};
        closed->model = choose_ids(fuzz, &closed->n_model);
        closed->counted = choose_sites(fuzz, &closed->n_counted);
        closed->excluded = choose_excluded(fuzz, &closed->n_excluded);
    }
}

static void fill(struct fuzz *fuzz, struct record *record)
{
    const char *job = jobs[choose(fuzz, 3)], *text = choose(fuzz, 3) ? "" : "why";
    switch (record->kind) {
    case RECORD_JOB_ANSWERED:
        record->is.job_answered = (struct job_answered){.job = job, .accepted = choose(fuzz, 4), .reason = text};
        break;
    case RECORD_JOB_SUBMITTED:
        record->is.job_submitted = (struct job_submitted){.job = job,
                                                          .request = job,
                                                          .name = "",
                                                          .submitter = "",
                                                          .spec = specs[choose(fuzz, 3)],
                                                          .bundle = choose_id(fuzz),
                                                          .model = choose_id(fuzz)};
        break;
    case RECORD_JOB_STARTED: {
        struct job_started *started = &record->is.job_started;
        *started = (struct job_started){.job = job};
        started->sites = choose_sites(fuzz, &started->n_sites);
        break;
    }
    case RECORD_JOB_ENDED:
        record->is.job_ended = (struct job_ended){.job = job, .outcome = choose(fuzz, 3), .reason = text};
        break;
    case RECORD_JOB_DELETED: record->is.job_deleted = (struct job_deleted){.job = job}; break;
    case RECORD_MODEL_STORED:
        record->is.model_stored = (struct model_stored){
            .job = job, .round = (int32_t)choose(fuzz, 3), .stored = choose(fuzz, 2), .reason = text};
        break;
    case RECORD_NODE_UP: record->is.node_up = (struct node_up){.role = choose(fuzz, 3), .version = "1"}; break;
    case RECORD_AUDIT_HEAD: record->is.audit_head = (struct audit_head){.line = choose(fuzz, 3)}; break;
    case RECORD_NODE_DOWN: record->is.node_down = (struct node_down){.reason = ""}; break;
    case RECORD_STREAM_OPENED: fill_stream_opened(fuzz, &record->is.stream_opened); break;
    case RECORD_STREAM_CLOSED: fill_stream_closed(fuzz, &record->is.stream_closed); break;
    case RECORD_STREAM_ABANDONED:
        record->is.stream_abandoned =
            (struct stream_abandoned){.stream = choose(fuzz, 3) ? choose_id(fuzz) : (struct id){{0}},
                                      .job = job,
                                      .round = (int32_t)choose(fuzz, 3),
                                      .gives_up = choose(fuzz, 2),
                                      .reason = text};
        break;
    case RECORD_ROUND_OPENED:
    case RECORD_ROUND_CUT:
    case RECORD_ROUND_CLOSED: fill_decision(fuzz, record); break;
    default: break;
    }
}

static void say_anything(struct fuzz *fuzz)
{
    struct record record = {.kind = choose(fuzz, N_RECORD_KINDS)};
    unsigned sender = choose(fuzz, 8);
    fill(fuzz, &record);
    struct head *head = record_head(&record);
    if (!head || record.kind == RECORD_PULSE) return;
    if (choose(fuzz, 4) == 3) said_forget(&record);
    if (choose(fuzz, 32) == 31) head->sequence = (int64_t)choose(fuzz, 4) - 1;
    if (choose(fuzz, 32) == 31) head->incarnation = (int64_t)choose(fuzz, 4) - 1;
    if (choose(fuzz, 32) == 31) head->epoch = (int64_t)choose(fuzz, 4) - 1;
    say(&fuzz->world, names[sender], &record);
}

static void say_raw(struct fuzz *fuzz)
{
    unsigned char bytes[FRAME_BYTES + RAW_BYTES];
    struct record record;
    struct anb_error err;
    unsigned kind = choose(fuzz, N_RECORD_KINDS);
    size_t size = 2 * choose(fuzz, RAW_BYTES / 2);
    if (size > fuzz->left) size = fuzz->left;
    frame_write(kind, bytes);
    memcpy(bytes + FRAME_BYTES, fuzz->data, size);
    fuzz->data += size;
    fuzz->left -= size;
    if (wire_decode(slice_of(bytes, FRAME_BYTES + size), &fuzz->arena, &record, &err) == ANB_OK)
        federation_apply(fuzz->world.federation, &record, fuzz->world.offset++, fuzz->world.now_ms, &err);
}

/* Decisions fit the state that they were made from: `lead` stops the program when one of them is refused. */
static void decide(struct fuzz *fuzz)
{
    const char *leader = federation_leader(fuzz->world.federation);
    if (leader && federation_node(fuzz->world.federation, leader)->sequence < INT64_MAX - 8) lead(&fuzz->world);
}

static void let_time_pass(struct fuzz *fuzz)
{
    fuzz->world.now_ms += 1000 * (int64_t)choose(fuzz, 120);
    unsigned n_silent = choose(fuzz, 8);
    for (const struct node_state *node = federation_nodes(fuzz->world.federation); node; node = node->next)
        if (n_silent-- != 0) pulse_one(&fuzz->world, node->name);
}

/* What an honest node would do now, so that the fuzzer gets deep into a job. */
static void act_honestly(struct fuzz *fuzz)
{
    struct world *world = &fuzz->world;
    const char *job = jobs[0], *name = names[choose(fuzz, 8)];
    const struct job_state *state = federation_job(world->federation, job);
    unsigned spec = choose(fuzz, 3);
    if (!state)
        say_submit(world, job, "request", specs[spec]);
    else if (state->phase == JOB_SUBMITTED)
        say_answer(world, name, job, true, "");
    else if (state->phase == JOB_STORING) {
        struct record stored = {RECORD_MODEL_STORED, .is.model_stored = {.job = job,
                                                                         .round = state->spec->rounds - 1,
                                                                         .stored = choose(fuzz, 2),
                                                                         .reason = "full"}};
        say(world, names[0], &stored);
    } else if (state->phase == JOB_RUNNING && job_round(state)) {
        if (name[0] == 'a' && name[1] == 'g')
            send_share(world, name, job);
        else
            send_update(world, name, job, 1);
    }
}

static void turn(struct fuzz *fuzz)
{
    unsigned way = choose(fuzz, 16);
    if (way < 6)
        say_anything(fuzz);
    else if (way < 10)
        act_honestly(fuzz);
    else if (way < 14)
        decide(fuzz);
    else if (way == 14)
        let_time_pass(fuzz);
    else
        say_raw(fuzz);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct fuzz fuzz = {.data = data, .left = size};
    world_begin(&fuzz.world);
    arena_init(&fuzz.arena, ARENA_BYTES);
    for (int step = 0; step < MAX_STEPS && fuzz.left > 0; step++) {
        turn(&fuzz);
        arena_reset(&fuzz.arena);
    }
    world_fini(&fuzz.world);
    arena_fini(&fuzz.arena);
    return 0;
}
