#include "river.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/transfer.h"
#include "support/identity.h"
#include "support/model.h"
#include "support/test.h"
#include "tensor/safetensors.h"
#include "worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_ACTORS = 40, POLL_MS = 5, ARENA_BYTES = 8 << 20 };

static const char job_id[] = "00000000000000aa";

struct actor {
    struct river *river;
    char name[32];
    enum role role;
    int number; /* of a site */
    bool alive;
    atomic_bool stop, mute;
    struct bus *bus;
    struct node_trust *trust;
    struct node *node;
    pthread_t poller, trainer;
    struct workers *workers;
};

struct river {
    struct river_config config;
    struct memory_log *log;
    struct identities *identities;
    struct test_model first;
    int n_actors;
    struct actor actors[MAX_ACTORS];
};

/* -- the server: decides, and stores nothing but says it did */

static void append_all(struct node *node, struct record *records, size_t n)
{
    for (size_t i = 0; i < n; i++) node_append(node, &records[i], false, NULL);
}

static void claim(struct node *node, int64_t epoch)
{
    struct record record = {.kind = RECORD_LEADER_CLAIMED};
    record.is.leader_claimed.head.epoch = epoch;
    node_append(node, &record, false, NULL);
}

static bool must_store(const struct federation *federation)
{
    const struct job_state *job = federation_job(federation, job_id);
    return job && job->phase == JOB_STORING && !job->stored;
}

static void store(struct actor *actor, int64_t epoch)
{
    struct record record = {
        .kind = RECORD_MODEL_STORED,
        .is.model_stored = {.job = job_id, .round = actor->river->config.rounds - 1, .stored = true, .reason = ""}};
    record.is.model_stored.head.epoch = epoch;
    node_append(actor->node, &record, false, NULL);
}

static void conduct(struct actor *actor, struct arena *arena)
{
    struct record *records = NULL;
    size_t n = 0;
    int64_t wake_ms;
    if (node_is_behind(actor->node)) return;
    arena_reset(arena);
    const struct federation *federation = node_lock(actor->node);
    const char *leader = federation_leader(federation);
    bool leads = leader && strcmp(leader, actor->name) == 0;
    if (leads && federation_decide(node_federation(actor->node), actor->name, bus_now_ms(actor->bus), arena, &records,
                                   &n, &wake_ms, NULL) != ANB_OK)
        abort();
    int64_t epoch = federation_epoch(federation);
    bool stores = leads && n == 0 && must_store(federation);
    node_unlock(actor->node);
    if (!leads) claim(actor->node, epoch + 1);
    append_all(actor->node, records, n);
    if (stores) store(actor, epoch);
}

static void *run_poller(void *context)
{
    struct actor *actor = context;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    while (!atomic_load(&actor->stop)) {
        node_poll(actor->node, POLL_MS, NULL);
        if (actor->role == ROLE_SERVER) conduct(actor, &arena);
        node_trim(actor->node);
    }
    arena_fini(&arena);
    return NULL;
}

/* -- a site */

struct work {
    int32_t round, attempt;
    struct id base[MAX_PARTITIONS];
    size_t n_base;
    bool is_evaluation;
};

static bool find_task(struct actor *actor, struct work *task)
{
    bool found = false;
    const struct federation *federation = node_lock(actor->node);
    const struct job_state *job = federation_job(federation, job_id);
    const struct round_state *round = job && job->phase == JOB_RUNNING ? job_round(job) : NULL;
    for (size_t i = 0; round && round->phase == ROUND_OPEN && i < round->n_parts; i++) {
        if (strcmp(round->parts[i].site, actor->name) != 0 || round->parts[i].phase != PART_WAITING) continue;
        found = true;
        task->round = round->round;
        task->is_evaluation = round->task == TASK_EVALUATE;
        task->attempt = round->attempt;
        task->n_base = round->n_base;
        memcpy(task->base, round->base, round->n_base * sizeof *task->base);
    }
    node_unlock(actor->node);
    return found;
}

static void answer(struct actor *actor)
{
    const struct federation *federation = node_lock(actor->node);
    const struct job_state *job = federation_job(federation, job_id);
    bool wanted = job && job->phase == JOB_SUBMITTED;
    for (size_t i = 0; wanted && i < job->n_answers; i++)
        if (strcmp(job->answers[i].site, actor->name) == 0) wanted = false;
    node_unlock(actor->node);
    struct record record = {.kind = RECORD_JOB_ANSWERED,
                            .is.job_answered = {.job = job_id, .accepted = true, .reason = ""}};
    if (wanted && !node_is_behind(actor->node)) node_append(actor->node, &record, true, NULL);
}

/* "Training": every f32 gets nearer to the site's number. The rest stays, so that all dtypes pass through. */
static void train(const struct actor *actor, const struct layout *layout, int fd, int64_t data_offset)
{
    for (size_t i = 0; i < layout_n_tensors(layout); i++) {
        const struct tensor_entry *tensor = layout_tensor(layout, i);
        if (tensor->dtype != DTYPE_F32) continue;
        for (int64_t at = tensor->begin; at < tensor->end; at += 4) {
            float value;
            if (pread(fd, &value, 4, data_offset + at) != 4) abort();
            float step = ((float)actor->number - value) / 4;
            value = actor->river->config.diff ? step : value + step;
            if (pwrite(fd, &value, 4, data_offset + at) != 4) abort();
        }
    }
}

static void do_task(struct actor *actor, struct transfer_inbox *inbox, const struct work *task)
{
    struct transfer_target target = {.fd = memfd_create("model", MFD_CLOEXEC)};
    struct transfer_control control = {.cancel = false};
    struct id stream;
    struct anb_error err = {.text = ""};
    if (transfer_receive(inbox, task->base, task->n_base, &target, &control, &err) == ANB_OK) {
        struct metric metric = {"loss", 1.0 / (task->round + 1)};
        struct transfer_offer offer = {.job = job_id,
                                       .round = task->round,
                                       .attempt = task->attempt,
                                       .purpose = PURPOSE_UPDATE,
                                       .weight = actor->number,
                                       .params_type = actor->river->config.diff ? PARAMS_TYPE_DIFF : PARAMS_TYPE_FULL,
                                       .base = task->base,
                                       .n_base = task->n_base,
                                       .metrics = &metric,
                                       .n_metrics = 1};
        train(actor, target.layout, target.fd, target.data_offset);
        const struct layout *layout = task->is_evaluation ? NULL : target.layout;
        transfer_send(actor->node, &offer, layout, target.fd, target.data_offset, &control, &stream, &err);
    }
    if (*err.text) log_event(LOG_DEBUG, "task-failed", "site=%s reason=%s", actor->name, err.text);
    layout_free(target.layout);
    close(target.fd);
}

static void *run_trainer(void *context)
{
    struct actor *actor = context;
    struct transfer_inbox *inbox;
    int64_t seen = 0;
    if (transfer_inbox_new(actor->node, &inbox, NULL) != ANB_OK) abort();
    while (!atomic_load(&actor->stop)) {
        struct work task;
        answer(actor);
        if (!atomic_load(&actor->mute) && !node_is_behind(actor->node) && find_task(actor, &task))
            do_task(actor, inbox, &task);
        else
            seen = node_wait(actor->node, seen, POLL_MS);
    }
    transfer_inbox_free(inbox);
    return NULL;
}

/* -- actors */

static void start(struct actor *actor)
{
    actor->trust = identities_trust(actor->river->identities, actor->name);
    const struct river_config *config = &actor->river->config;
    struct node_config node = {.project = "p",
                               .name = actor->name,
                               .role = actor->role,
                               .trust = actor->trust,
                               .version = "sim",
                               .partitions = 4,
                               .chunk_bytes = config->chunk_bytes,
                               .keep_history = actor->role == ROLE_SERVER,
                               .timeout_ms = 10000,
                               .outbox_retention_ms = -1,
                               .outbox_retention_bytes = -1};
    atomic_store(&actor->stop, false);
    CHECK_STATUS(bus_memory_open(actor->river->log, &actor->bus, &test_error), ANB_OK);
    CHECK_STATUS(node_open(&node, actor->bus, &actor->node, &test_error), ANB_OK);
    REQUIRE(actor->node != NULL);
    if (actor->role == ROLE_AGGREGATOR)
        CHECK_STATUS(workers_start(actor->node, 1, &actor->workers, &test_error), ANB_OK);
    pthread_create(&actor->poller, NULL, run_poller, actor);
    if (actor->role == ROLE_CLIENT) pthread_create(&actor->trainer, NULL, run_trainer, actor);
    actor->alive = true;
}

static void stop(struct actor *actor, const char *reason)
{
    if (!actor->alive) return;
    atomic_store(&actor->stop, true);
    if (actor->role == ROLE_CLIENT) pthread_join(actor->trainer, NULL);
    if (actor->role == ROLE_AGGREGATOR) workers_stop(actor->workers);
    pthread_join(actor->poller, NULL);
    node_close(actor->node, reason); /* without one, no word: as after kill -9 */
    bus_close(actor->bus, 1000);
    node_trust_free(actor->trust);
    actor->alive = false;
}

static struct actor *find(struct river *river, const char *name)
{
    for (int i = 0; i < river->n_actors; i++)
        if (strcmp(river->actors[i].name, name) == 0) return &river->actors[i];
    abort();
}

void river_kill(struct river *river, const char *name)
{
    stop(find(river, name), NULL);
}

void river_stop(struct river *river, const char *name)
{
    stop(find(river, name), "stopped");
}

void river_start(struct river *river, const char *name)
{
    start(find(river, name));
}

void river_mute(struct river *river, const char *site, bool mute)
{
    atomic_store(&find(river, site)->mute, mute);
}

struct memory_log *river_log(struct river *river)
{
    return river->log;
}

struct node *river_server(struct river *river)
{
    return river->actors[0].node;
}

struct node *river_node(struct river *river, const char *name)
{
    return find(river, name)->node;
}

static void add_actor(struct river *river, enum role role, const char *prefix, int number)
{
    struct actor *actor = &river->actors[river->n_actors++];
    actor->river = river;
    actor->role = role;
    actor->number = number;
    if (number)
        snprintf(actor->name, sizeof actor->name, "%s-%d", prefix, number);
    else
        snprintf(actor->name, sizeof actor->name, "%s", prefix);
}

static void make_identities(struct river *river)
{
    static const unsigned roles[] = {[ROLE_SERVER] = 1 << ROSTER_SERVER,
                                     [ROLE_AGGREGATOR] = 1 << ROSTER_AGGREGATOR,
                                     [ROLE_CLIENT] = 1 << ROSTER_SITE};
    river->identities = identities_new("p");
    for (int i = 0; i < river->n_actors; i++)
        identities_add(river->identities, river->actors[i].name, roles[river->actors[i].role]);
    identities_sign(river->identities);
}

/* The outboxes are made beforehand: in a real federation the server makes them when it sees a node come up. */
static void create_outbox(struct river *river, const char *name)
{
    struct bus *bus;
    char topic[160];
    snprintf(topic, sizeof topic, "p.out.%s", name);
    struct bus_topic config = {.name = topic, .partitions = 4, .retention_ms = -1, .retention_bytes = -1};
    CHECK_STATUS(bus_memory_open(river->log, &bus, &test_error), ANB_OK);
    CHECK_STATUS(bus_topic_ensure(bus, &config, 1000, &test_error), ANB_OK);
    bus_close(bus, 1000);
}

/* By any node that is alive: the root's signature counts, not who brings it. */
static void publish_roster(struct river *river)
{
    int64_t version;
    struct slice roster = identities_sign(river->identities);
    for (int i = 0; i < river->n_actors; i++) {
        if (!river->actors[i].alive) continue;
        CHECK_STATUS(node_publish_roster(river->actors[i].node, roster, &version, &test_error), ANB_OK);
        return;
    }
}

void river_revoke(struct river *river, const char *name)
{
    identities_revoke(river->identities, name);
    publish_roster(river);
}

void river_add_aggregator(struct river *river)
{
    struct actor *added = &river->actors[river->n_actors];
    int number = 1;
    for (int i = 0; i < river->n_actors; i++) number += river->actors[i].role == ROLE_AGGREGATOR;
    add_actor(river, ROLE_AGGREGATOR, "aggregator", number);
    identities_add(river->identities, added->name, 1 << ROSTER_AGGREGATOR);
    publish_roster(river);
    create_outbox(river, added->name);
    start(added);
}

static void submit(struct river *river)
{
    struct node *node = river_server(river);
    struct transfer_control control = {.cancel = false};
    struct transfer_offer offer = {.job = job_id, .round = -1, .purpose = PURPOSE_MODEL};
    struct job_spec *parsed = NULL;
    char spec[512];
    struct record record = {
        .kind = RECORD_JOB_SUBMITTED,
        .is.job_submitted = {.job = job_id, .request = "r", .name = "sim", .spec = spec, .submitter = "test"}};
    int quorum = river->config.quorum ? river->config.quorum : river->config.n_sites;
    snprintf(spec, sizeof spec,
             "{\"name\":\"sim\",\"rounds\":%d,\"sites\":{\"minimum\":%d,\"wait_s\":20},\"round\":{\"quorum\":%d,"
             "\"deadline_s\":%d},"
             "\"trainer\":{\"command\":[\"none\"]}}",
             river->config.rounds, river->config.n_sites, quorum, (int)(river->config.deadline_ms / 1000));
    CHECK_STATUS(job_spec_parse(slice_of_text(spec), "spec", &parsed, &test_error), ANB_OK);
    offer.spec = parsed;
    CHECK_STATUS(transfer_send(node, &offer, river->first.layout, river->first.fd, river->first.data_offset, &control,
                               &record.is.job_submitted.model, &test_error),
                 ANB_OK);
    offer.purpose = PURPOSE_BUNDLE;
    CHECK_STATUS(transfer_send(node, &offer, river->first.layout, river->first.fd, river->first.data_offset, &control,
                               &record.is.job_submitted.bundle, &test_error),
                 ANB_OK);
    job_spec_free(parsed);
    node_lock(node);
    record.is.job_submitted.head.epoch = federation_epoch(node_federation(node));
    node_unlock(node);
    CHECK_STATUS(node_append(node, &record, true, &test_error), ANB_OK);
}

struct river *river_open(const struct river_config *config)
{
    struct river *river = calloc(1, sizeof *river);
    log_setup("river", getenv("RIVER_LOG") ? LOG_DEBUG : LOG_ERROR);
    river->config = *config;
    river->log = memory_log_new(NULL, NULL, 1);
    river->first = test_model_mixed(config->n_elements, 3);
    add_actor(river, ROLE_SERVER, "server", 0);
    for (int i = 1; i <= config->n_aggregators; i++) add_actor(river, ROLE_AGGREGATOR, "aggregator", i);
    for (int i = 1; i <= config->n_sites; i++) add_actor(river, ROLE_CLIENT, "site", i);
    make_identities(river);
    for (int i = 0; i < river->n_actors; i++) create_outbox(river, river->actors[i].name);
    for (int i = 0; i < river->n_actors; i++) start(&river->actors[i]);
    memory_log_set_faults(river->log, &config->faults);
    while (true) { /* until the server leads */
        node_lock(river_server(river));
        bool leads = federation_leader(node_federation(river_server(river))) != NULL;
        node_unlock(river_server(river));
        if (leads) break;
        clock_sleep_ms(1);
    }
    submit(river);
    return river;
}

void river_close(struct river *river)
{
    for (int i = 0; i < river->n_actors; i++) stop(&river->actors[i], NULL);
    test_model_free(&river->first);
    memory_log_free(river->log);
    identities_free(river->identities);
    free(river);
}

/* -- waiting */

/* By another node's state, since the server may be the one that is dead. */
static struct node *any_node(struct river *river)
{
    for (int i = 0; i < river->n_actors; i++)
        if (river->actors[i].alive) return river->actors[i].node;
    abort();
}

static bool uploads_are_open(const struct job_state *job, int number)
{
    if (!job) return false;
    if (job->phase == JOB_ENDED) return true;
    const struct round_state *round = job_round(job);
    if (!round || round->round < number) return false;
    for (size_t i = 0; round->round == number && i < round->n_parts; i++)
        if (round->parts[i].phase == PART_WAITING) return false;
    return true;
}

bool river_await_uploads(struct river *river, int round)
{
    int64_t deadline = clock_monotonic_ms() + 30000;
    while (clock_monotonic_ms() < deadline) {
        struct node *node = any_node(river);
        bool there = uploads_are_open(federation_job(node_lock(node), job_id), round);
        node_unlock(node);
        if (there) return true;
        clock_sleep_ms(1);
    }
    return false;
}

bool river_await_end(struct river *river, enum outcome *outcome, char reason[256], struct digest *model)
{
    int64_t deadline = clock_monotonic_ms() + 60000;
    while (clock_monotonic_ms() < deadline) {
        struct node *node = river_server(river);
        const struct job_state *job = federation_job(node_lock(node), job_id);
        bool ended = job && job->phase == JOB_ENDED;
        if (ended) {
            *outcome = job->outcome;
            snprintf(reason, 256, "%s", job->reason ? job->reason : "");
            for (size_t i = 0; i < job->n_rounds; i++)
                if (job->rounds[i]->phase == ROUND_CLOSED) *model = job->rounds[i]->digest;
        }
        node_unlock(node);
        if (ended) return true;
        clock_sleep_ms(1);
    }
    return false;
}
