#include "agents.h"

#include "agent.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "bundle/manifest.h"
#include "bus/memory.h"
#include "node/transfer.h"
#include "support/identity.h"
#include "support/model.h"
#include "support/test.h"

#include "../../services/aggregator/worker.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POLL_MS = 5, ARENA_BYTES = 8 << 20, WAIT_MS = 60000, SERVER = 0, AGGREGATOR = 1, SITES = 2 };

struct actor {
    char name[32], folder[512];
    enum role role;
    bool alive;
    atomic_bool stop;
    struct bus *bus;
    struct node_trust *trust;
    struct node *node;
    pthread_t poller;
    struct workers *workers;
    struct agent *agent;
};

struct agents {
    struct memory_log *log;
    struct identities *identities;
    int number; /* of this federation in its program */
    int n_sites, n_jobs;
    char jobs[32][20];
    struct actor actors[SITES + AGENTS_MAX_SITES];
};

/* -- the server */

static void store(struct node *node, int64_t epoch)
{
    char job[32] = "";
    int32_t round = 0;
    const struct federation *federation = node_lock(node);
    for (size_t i = 0; i < federation_n_jobs(federation); i++) {
        const struct job_state *state = federation_job_at(federation, i);
        if (state->phase != JOB_STORING || state->stored) continue;
        snprintf(job, sizeof job, "%s", state->id);
        round = state->spec->rounds - 1;
    }
    node_unlock(node);
    struct record record = {.kind = RECORD_MODEL_STORED,
                            .is.model_stored = {.job = job, .round = round, .stored = true, .reason = ""}};
    record.is.model_stored.head.epoch = epoch;
    if (*job) node_append(node, &record, false, NULL);
}

static void conduct(struct actor *actor, struct arena *arena)
{
    struct record *records = NULL, claim = {.kind = RECORD_LEADER_CLAIMED};
    size_t n = 0;
    int64_t wake_ms;
    if (node_is_behind(actor->node)) return;
    arena_reset(arena);
    node_lock(actor->node);
    struct federation *federation = node_federation(actor->node);
    bool leads = federation_leader(federation) != NULL;
    int64_t epoch = federation_epoch(federation);
    if (leads) federation_decide(federation, actor->name, bus_now_ms(actor->bus), arena, &records, &n, &wake_ms, NULL);
    node_unlock(actor->node);
    claim.is.leader_claimed.head.epoch = 1;
    if (!leads) node_append(actor->node, &claim, false, NULL);
    for (size_t i = 0; i < n; i++) node_append(actor->node, &records[i], false, NULL);
    if (leads && n == 0) store(actor->node, epoch);
}

static void *run_poller(void *context)
{
    struct actor *actor = context;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    while (!atomic_load(&actor->stop)) {
        node_poll(actor->node, POLL_MS, NULL);
        if (actor->role == ROLE_SERVER) conduct(actor, &arena);
        if (actor->agent) agent_wake(actor->agent);
        node_trim(actor->node);
    }
    arena_fini(&arena);
    return NULL;
}

/* -- actors */

static void start(struct agents *agents, struct actor *actor)
{
    actor->trust = identities_trust(agents->identities, actor->name);
    struct node_config node = {.project = "p",
                               .name = actor->name,
                               .role = actor->role,
                               .trust = actor->trust,
                               .version = "sim",
                               .partitions = 2,
                               .chunk_bytes = 0,
                               .keep_history = actor->role == ROLE_SERVER,
                               .timeout_ms = 10000,
                               .outbox_retention_ms = -1,
                               .outbox_retention_bytes = -1};
    char policy[600];
    snprintf(policy, sizeof policy, "%s/site.yaml", actor->folder);
    const struct agent_config agent = {.data_folder = actor->folder, .policy_file = policy, .grace_ms = 200};
    atomic_store(&actor->stop, false);
    CHECK_STATUS(bus_memory_open(agents->log, &actor->bus, &test_error), ANB_OK);
    CHECK_STATUS(node_open(&node, actor->bus, &actor->node, &test_error), ANB_OK);
    REQUIRE(actor->node != NULL);
    if (actor->role == ROLE_AGGREGATOR)
        CHECK_STATUS(workers_start(actor->node, 2, &actor->workers, &test_error), ANB_OK);
    if (actor->role == ROLE_CLIENT) CHECK_STATUS(agent_start(actor->node, &agent, &actor->agent, &test_error), ANB_OK);
    pthread_create(&actor->poller, NULL, run_poller, actor);
    actor->alive = true;
}

static void stop(struct actor *actor)
{
    if (!actor->alive) return;
    struct agent *agent = actor->agent;
    atomic_store(&actor->stop, true);
    pthread_join(actor->poller, NULL);
    actor->agent = NULL;
    agent_stop(agent);
    if (actor->role == ROLE_AGGREGATOR) workers_stop(actor->workers);
    node_close(actor->node, NULL); /* no word: as after kill -9 */
    bus_close(actor->bus, 1000);
    node_trust_free(actor->trust);
    actor->alive = false;
}

void agents_kill(struct agents *agents, int site)
{
    stop(&agents->actors[SITES + site - 1]);
}

void agents_start(struct agents *agents, int site)
{
    start(agents, &agents->actors[SITES + site - 1]);
}

const char *agents_folder(const struct agents *agents, int site)
{
    return agents->actors[SITES + site - 1].folder;
}

static void add_actor(struct agents *agents, int index, enum role role, const char *name)
{
    struct actor *actor = &agents->actors[index];
    struct bus *bus;
    char topic[160];
    static const unsigned roles[] = {[ROLE_SERVER] = 1 << ROSTER_SERVER,
                                     [ROLE_AGGREGATOR] = 1 << ROSTER_AGGREGATOR,
                                     [ROLE_CLIENT] = 1 << ROSTER_SITE};
    actor->role = role;
    identities_add(agents->identities, name, roles[role]);
    snprintf(actor->name, sizeof actor->name, "%s", name);
    snprintf(actor->folder, sizeof actor->folder, "%s/%d-%s", test_folder(), agents->number, name);
    CHECK_STATUS(file_make_folders(actor->folder, &test_error), ANB_OK);
    snprintf(topic, sizeof topic, "p.out.%s", name);
    struct bus_topic config = {.name = topic, .partitions = 2, .retention_ms = -1, .retention_bytes = -1};
    CHECK_STATUS(bus_memory_open(agents->log, &bus, &test_error), ANB_OK);
    CHECK_STATUS(bus_topic_ensure(bus, &config, 1000, &test_error), ANB_OK);
    bus_close(bus, 1000);
}

#define OPEN "submitters: {roles: [lead]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n"

static void write_policy(struct actor *actor, const char *text, const char *more)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "%s%s", text, more);
    char path[600];
    snprintf(path, sizeof path, "%s/site.yaml", actor->folder);
    CHECK_STATUS(file_write(path, slice_of_text(whole), &test_error), ANB_OK);
}

void agents_write_policy(struct agents *agents, const char *text)
{
    for (int i = 0; i < agents->n_sites; i++) write_policy(&agents->actors[SITES + i], text, "");
}

/* Each node takes the next roster, as the control log would bring it. */
void agents_revoke(struct agents *agents, const char *user)
{
    identities_revoke(agents->identities, user);
    struct slice text = identities_sign(agents->identities);
    for (int i = 0; i < SITES + agents->n_sites; i++)
        CHECK_STATUS(node_trust_replace(agents->actors[i].trust, text, clock_wall_ms() / 1000, &test_error), ANB_OK);
}

struct agents *agents_open(int n_sites)
{
    static const char *const none[AGENTS_MAX_SITES];
    return agents_open_with(n_sites, none);
}

struct agents *agents_open_with(int n_sites, const char *const *policies)
{
    struct agents *agents = calloc(1, sizeof *agents);
    log_setup("sim", getenv("AGENTS_LOG") ? LOG_DEBUG : LOG_ERROR);
    static int number;
    agents->number = ++number;
    agents->n_sites = n_sites;
    agents->log = memory_log_new(NULL, NULL, 1);
    agents->identities = identities_new("p");
    add_actor(agents, SERVER, ROLE_SERVER, "server");
    add_actor(agents, AGGREGATOR, ROLE_AGGREGATOR, "aggregator");
    for (int i = 1; i <= n_sites; i++) {
        char name[24];
        snprintf(name, sizeof name, "site-%d", i);
        add_actor(agents, SITES + i - 1, ROLE_CLIENT, name);
        write_policy(&agents->actors[SITES + i - 1], OPEN, policies[i - 1] ? policies[i - 1] : "");
    }
    identities_add(agents->identities, "rosa", 1 << ROSTER_LEAD);
    identities_add(agents->identities, "jan", 1 << ROSTER_MEMBER);
    identities_sign(agents->identities);
    for (int i = 0; i < SITES + n_sites; i++) start(agents, &agents->actors[i]);
    return agents;
}

void agents_close(struct agents *agents)
{
    for (int i = SITES + agents->n_sites - 1; i >= 0; i--) stop(&agents->actors[i]);
    memory_log_free(agents->log);
    identities_free(agents->identities);
    free(agents);
}

/* -- jobs */

static void write_file(const char *folder, const char *name, struct slice bytes)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_STATUS(file_write(path, bytes, &test_error), ANB_OK);
    chmod(path, 0755);
}

/* Script, program and job file; what was packed. */
static int pack(const char *script, const char *spec, int64_t *bytes)
{
    static int number;
    char folder[512];
    struct buf hello;
    buf_init(&hello, 64 << 20);
    snprintf(folder, sizeof folder, "%s/job-%d", test_folder(), number++);
    CHECK_STATUS(file_make_folders(folder, &test_error), ANB_OK);
    CHECK_STATUS(file_read(HELLO_PROGRAM, &hello, &test_error), ANB_OK);
    write_file(folder, "hello", buf_slice(&hello));
    write_file(folder, "trainer.sh", slice_of_text(script));
    write_file(folder, "job.json", slice_of_text(spec));
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    CHECK_STATUS(bundle_pack(folder, NULL, fd, &test_error), ANB_OK);
    *bytes = lseek(fd, 0, SEEK_END);
    buf_fini(&hello);
    return fd;
}

/* As the user's command line and an honest server do: the manifest behind the archive, its signature in the record. */
static void sign(struct agents *agents, const struct test_model *model, int fd, int64_t archive_bytes,
                 struct job_submitted *submitted, struct layout **layout)
{
    struct manifest *manifest = NULL;
    struct slice body = {NULL, 0};
    struct buf text;
    buf_init(&text, MANIFEST_MAX_BYTES);
    CHECK_STATUS(manifest_new("p", submitted->submitter, submitted->request, &manifest, &test_error), ANB_OK);
    manifest->signed_s = clock_wall_ms() / 1000;
    manifest->expires_s = manifest->signed_s + MANIFEST_VALID_S;
    manifest->model.layout = *layout_digest(model->layout);
    manifest->model.bytes = layout_data_bytes(model->layout);
    CHECK_STATUS(
        digest_of_file(model->fd, model->data_offset, manifest->model.bytes, &manifest->model.data, &test_error),
        ANB_OK);
    CHECK_STATUS(manifest_take_archive(manifest, fd, archive_bytes, &test_error), ANB_OK);
    const struct key *key = identities_key(agents->identities, submitted->submitter);
    CHECK_STATUS(manifest_sign(manifest, key, &text, &test_error), ANB_OK);
    CHECK_STATUS(signature_split(buf_slice(&text), "a manifest", &body, &submitted->signature, &test_error), ANB_OK);
    CHECK_STATUS(digest_of(body, &submitted->manifest_digest, &test_error), ANB_OK);
    CHECK_STATUS(file_write_all(fd, body.data, body.size, archive_bytes, &test_error), ANB_OK);
    const struct layout_part parts[] = {{"bundle", archive_bytes}, {"manifest", (int64_t)body.size}};
    CHECK_STATUS(layout_of_bytes(parts, 2, layout, &test_error), ANB_OK);
    manifest_free(manifest);
    buf_fini(&text);
}

static void send(struct node *node, const char *job, const struct job_spec *spec, enum purpose purpose,
                 const struct layout *layout, int fd, int64_t offset, struct id *stream)
{
    struct transfer_control control = {.cancel = false};
    const struct transfer_offer offer = {.job = job, .spec = spec, .round = -1, .purpose = purpose};
    CHECK_STATUS(transfer_send(node, &offer, layout, fd, offset, &control, stream, &test_error), ANB_OK);
}

/* What is submitted before anybody leads is refused. */
static void await_leader(struct node *node)
{
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    for (bool leads = false; !leads && clock_monotonic_ms() < deadline_ms; clock_sleep_ms(1)) {
        leads = federation_leader(node_lock(node)) != NULL;
        node_unlock(node);
    }
}

const char *agents_submit_changed(struct agents *agents, const char *script, const char *spec,
                                  void (*change)(struct agents_submission *submission))
{
    struct node *node = agents->actors[SERVER].node;
    char *job = agents->jobs[agents->n_jobs++], text[1024];
    struct record record = {.kind = RECORD_JOB_SUBMITTED};
    struct job_submitted *submitted = &record.is.job_submitted;
    struct test_model model = test_model_integers(1000, 3);
    struct agents_submission submission = {.submitted = submitted, .model_fd = model.fd};
    struct layout *layout = NULL;
    struct job_spec *parsed = NULL;
    snprintf(job, 20, "%016x", agents->n_jobs);
    const char *trainer = strstr(spec, "trainer") ? "" : "\"trainer\":{\"command\":[\"./trainer.sh\"]},";
    snprintf(text, sizeof text, "{\"name\":\"sim\",%s%s}", trainer, spec);
    *submitted = (struct job_submitted){.job = job, .request = job, .name = "sim", .spec = text, .submitter = "rosa"};
    await_leader(node);
    submission.archive_fd = pack(script, text, &submission.archive_bytes);
    sign(agents, &model, submission.archive_fd, submission.archive_bytes, submitted, &layout);
    CHECK_STATUS(job_spec_parse(slice_of_text(text), "spec", &parsed, &test_error), ANB_OK);
    if (change) change(&submission);
    send(node, job, parsed, PURPOSE_BUNDLE, layout, submission.archive_fd, 0, &submitted->bundle);
    send(node, job, parsed, PURPOSE_MODEL, model.layout, model.fd, model.data_offset, &submitted->model);
    job_spec_free(parsed);
    layout_free(layout);
    test_model_free(&model);
    close(submission.archive_fd);
    submitted->head.epoch = 1;
    CHECK_STATUS(node_append(node, &record, true, &test_error), ANB_OK);
    return job;
}

const char *agents_submit(struct agents *agents, const char *script, const char *spec)
{
    return agents_submit_changed(agents, script, spec, NULL);
}

void agents_abort(struct agents *agents, const char *job)
{
    struct record record = {.kind = RECORD_JOB_ENDED,
                            .is.job_ended = {.job = job, .outcome = OUTCOME_ABORTED, .reason = "by the test"}};
    record.is.job_ended.head.epoch = 1;
    CHECK_STATUS(node_append(agents->actors[SERVER].node, &record, true, &test_error), ANB_OK);
}

/* -- waiting */

static void describe_first(const struct round_state *round, struct ending *ending)
{
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        ending->n_counted += part->phase == PART_CLOSED;
        if (part->phase == PART_EXCLUDED && !*ending->excluded)
            snprintf(ending->excluded, sizeof ending->excluded, "%s: %s", part->site, part->reason);
    }
}

static void describe(const struct job_state *job, struct ending *ending)
{
    *ending = (struct ending){.outcome = job->outcome, .loss = NAN};
    snprintf(ending->reason, sizeof ending->reason, "%s", job->reason);
    for (size_t i = 0; i < job->n_rounds; i++) {
        const struct round_state *round = job->rounds[i];
        if (i == 0) describe_first(round, ending);
        if (round->phase != ROUND_CLOSED) continue;
        ending->n_rounds++;
        if (round->task == TASK_TRAIN) ending->model = round->digest;
        for (size_t m = 0; m < round->n_metrics; m++)
            if (strcmp(round->metrics[m].name, "loss") == 0) ending->loss = round->metrics[m].value;
    }
}

static bool has_ended(struct agents *agents, const char *id, struct ending *ending)
{
    struct node *node = agents->actors[SERVER].node;
    const struct job_state *job = federation_job(node_lock(node), id);
    bool ended = job && job->phase == JOB_ENDED;
    if (ended) describe(job, ending);
    node_unlock(node);
    return ended;
}

static bool is_gone(const struct agents *agents, const char *job)
{
    for (int i = 1; i <= agents->n_sites; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/jobs/%s", agents_folder(agents, i), job);
        if (access(path, F_OK) == 0) return false;
        snprintf(path, sizeof path, "%s/%s.sock", agents_folder(agents, i), job);
        if (access(path, F_OK) == 0) return false;
    }
    return true;
}

bool agents_await(struct agents *agents, const char *job, struct ending *ending)
{
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    while (!has_ended(agents, job, ending)) {
        if (clock_monotonic_ms() > deadline_ms) return false;
        clock_sleep_ms(2);
    }
    while (!is_gone(agents, job) && clock_monotonic_ms() < deadline_ms) clock_sleep_ms(2);
    ending->gone = is_gone(agents, job);
    return true;
}

bool agents_await_answer(struct agents *agents, const char *id, char reason[512])
{
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    for (bool there = false; clock_monotonic_ms() < deadline_ms; clock_sleep_ms(1)) {
        struct node *node = agents->actors[SERVER].node;
        const struct job_state *job = federation_job(node_lock(node), id);
        there = job && job->n_answers > 0;
        if (there) snprintf(reason, 512, "%s", job->answers[0].accepted ? "" : job->answers[0].reason);
        node_unlock(node);
        if (there) return true;
    }
    return false;
}

bool agents_await_round(struct agents *agents, const char *id, int round)
{
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    for (bool there = false; clock_monotonic_ms() < deadline_ms; clock_sleep_ms(1)) {
        struct node *node = agents->actors[SERVER].node;
        const struct job_state *job = federation_job(node_lock(node), id);
        const struct round_state *current = job ? job_round(job) : NULL;
        there = current && current->round >= round;
        node_unlock(node);
        if (there) return true;
    }
    return false;
}

bool agents_await_file(const char *path)
{
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    while (access(path, F_OK) != 0 && clock_monotonic_ms() < deadline_ms) clock_sleep_ms(2);
    return access(path, F_OK) == 0;
}
