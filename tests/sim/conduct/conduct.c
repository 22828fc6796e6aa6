/* The list, the clock and the faults. */
#include "conduct.h"

#include "wire/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TICKS = 20000, RECORD_MEMORY_BYTES = 256 << 20, FINGERPRINT_EVERY = 16 };

uint64_t sim_draw(struct sim *sim, uint64_t below)
{
    uint64_t x = sim->chance += 0x9e3779b97f4a7c15u; /* splitmix64 */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (x ^ x >> 31) % below;
}

bool sim_chance(struct sim *sim, int per_thousand)
{
    return sim_draw(sim, 1000) < (uint64_t)per_thousand;
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list arguments;
    if (*sim->failure) return;
    va_start(arguments, format);
    vsnprintf(sim->failure, sizeof sim->failure, format, arguments);
    va_end(arguments);
}

/* -- the list */

/* Once as a reader has it who hears what is said in it, once as all others have it. */
static void through_the_wire(struct sim *sim, struct record *record, struct sim_letter *letter)
{
    struct buf bytes, said;
    struct anb_error err = {0};
    struct record *copies = arena_alloc_array(&sim->arena, 2, sizeof *copies);
    buf_init(&bytes, CONTROL_RECORD_MAX_BYTES);
    buf_init(&said, CONTROL_RECORD_MAX_BYTES);
    bool says = record_said(record) != NULL;
    enum anb_status status = says ? said_encode(record, &said, &err) : ANB_OK;
    if (says) *record_said(record) = buf_slice(&said);
    if (status == ANB_OK) status = wire_encode(record, &bytes, &err);
    if (status == ANB_OK) status = wire_decode(buf_slice(&bytes), &sim->arena, &copies[0], &err);
    copies[1] = copies[0];
    if (status == ANB_OK && says) status = said_decode(*record_said(&copies[0]), &sim->arena, &copies[0], &err);
    if (status != ANB_OK) sim_fail(sim, "%s cannot travel: %s", record_name(record->kind), err.text);
    buf_fini(&bytes);
    buf_fini(&said);
    letter->record = &copies[0];
    letter->unheard = &copies[1];
}

void sim_say(struct sim *sim, struct sim_node *node, struct record *record)
{
    if (node->n_letters == SIM_MAX_LETTERS) return;
    struct head *head = record_head(record);
    int64_t before = node->n_letters ? node->letters[node->n_letters - 1].due_ms : sim->now_ms;
    head->project = "p";
    head->node = node->name;
    head->incarnation = node->incarnation;
    head->sequence = ++node->sequence;
    head->time_ms = sim->now_ms;
    struct sim_letter letter = {.incarnation = node->incarnation};
    through_the_wire(sim, record, &letter);
    letter.due_ms = sim->now_ms + (int64_t)sim_draw(sim, sim->calm ? 100 : 400);
    if (!sim->calm && sim_chance(sim, 5 * (int)sim->trouble)) letter.due_ms += (int64_t)sim_draw(sim, 8000);
    if (letter.due_ms < before) letter.due_ms = before;
    letter.lost = !sim->calm && sim_chance(sim, 5 * (int)sim->trouble) && record->kind != RECORD_NODE_UP;
    letter.twice = !sim->calm && sim_chance(sim, 10 * (int)sim->trouble);
    node->letters[node->n_letters++] = letter;
    node->n_in_flight++;
}

static void append(struct sim *sim, const struct sim_letter *letter)
{
    if (sim->n_entries == sim->entries_capacity) {
        sim->entries_capacity = sim->entries_capacity ? 2 * sim->entries_capacity : 1024;
        sim->entries = realloc(sim->entries, sim->entries_capacity * sizeof *sim->entries);
        if (!sim->entries) abort();
    }
    struct sim_entry *entry = &sim->entries[sim->n_entries++];
    *entry = (struct sim_entry){.record = letter->record, .unheard = letter->unheard};
    sim_observe(sim, sim->n_entries - 1);
    if (sim->n_entries % FINGERPRINT_EVERY != 0) return;
    entry->has_fingerprints = true;
    entry->moves = sim_moves(sim->observer);
    entry->words = sim_words(sim->observer);
}

static void deliver(struct sim *sim, struct sim_node *node)
{
    size_t n = 0;
    while (n < node->n_letters && node->letters[n].due_ms <= sim->now_ms) {
        struct sim_letter *letter = &node->letters[n++];
        if (letter->lost && letter->incarnation == node->incarnation) node->n_in_flight--;
        if (letter->lost) continue;
        append(sim, letter);
        if (letter->twice) append(sim, letter);
    }
    node->n_letters -= n;
    memmove(node->letters, node->letters + n, node->n_letters * sizeof *node->letters);
}

static void read_one(struct sim *sim, struct sim_node *node)
{
    const struct sim_entry *entry = &sim->entries[node->position];
    const struct head *head = record_head_const(entry->record);
    struct anb_error err;
    bool hears = !node->deaf || strcmp(head->node, node->name) == 0;
    const struct record *record = hears ? entry->record : entry->unheard;
    if (federation_apply(node->federation, record, (int64_t)node->position, sim->now_ms, &err) == ANB_NO_MEMORY)
        sim_fail(sim, "no memory");
    node->position++;
    if (strcmp(head->node, node->name) == 0 && head->incarnation == node->incarnation &&
        head->sequence > node->sequence_back) {
        node->sequence_back = head->sequence;
        node->n_in_flight--;
    }
    if (!entry->has_fingerprints) return;
    if (entry->moves != sim_moves(node->federation))
        sim_fail(sim, "%s sees another state than the observer after record %zu", node->name, node->position - 1);
    if (!node->deaf && entry->words != sim_words(node->federation))
        sim_fail(sim, "%s hears other words than the observer after record %zu", node->name, node->position - 1);
}

/* -- nodes come and go */

static void start(struct sim *sim, struct sim_node *node)
{
    node->federation = federation_new("p", SIM_PARTITIONS, node->role == ROLE_SERVER);
    node->incarnation++;
    node->sequence = node->sequence_back = 0;
    node->n_in_flight = 0;
    node->position = 0;
    node->busy_until_ms = node->next_pulse_ms = node->asleep_until_ms = 0;
    struct record up = {RECORD_NODE_UP, .is.node_up = {.role = node->role, .version = "1"}};
    sim_say(sim, node, &up);
}

static void kill_node(struct sim *sim, struct sim_node *node)
{
    federation_free(node->federation);
    node->federation = NULL;
    node->revive_ms = sim->now_ms + (int64_t)sim_draw(sim, 30000);
    /* What had not left the process is lost; what the broker has may still come. */
    for (size_t i = 0; i < node->n_letters; i++)
        if (node->letters[i].record->kind != RECORD_NODE_UP && sim_chance(sim, 500)) node->letters[i].lost = true;
}

static void pulse(struct sim *sim, struct sim_node *node)
{
    struct pulse pulse = {
        .head = {.project = "p", .node = node->name, .incarnation = node->incarnation, .time_ms = sim->now_ms},
        .role = node->role,
        .job = "",
        .activity = "idle"};
    node->next_pulse_ms = sim->now_ms + 2000;
    for (size_t i = 0; i < sim->n_servers; i++)
        if (sim->nodes[i].federation && !sim_chance(sim, sim->calm ? 0 : 100))
            federation_pulse(sim->nodes[i].federation, &pulse, sim->now_ms);
}

static void turn(struct sim *sim, struct sim_node *node)
{
    deliver(sim, node);
    if (!node->federation) {
        if (sim->calm || sim->now_ms >= node->revive_ms) start(sim, node);
        return;
    }
    uint64_t deadly = (node->role == ROLE_CLIENT ? 1 : 3) * sim->trouble;
    if (!sim->calm && sim_draw(sim, 2000) < deadly) return kill_node(sim, node);
    if (!sim->calm && node->role == ROLE_SERVER && sim_draw(sim, 1000) < sim->trouble)
        node->asleep_until_ms = sim->now_ms + (int64_t)sim_draw(sim, 40000);
    if (sim->now_ms < node->asleep_until_ms && !sim->calm) return;
    if (sim->calm || !sim_chance(sim, 300))
        while (node->position < sim->n_entries && !*sim->failure) read_one(sim, node);
    if (sim->now_ms >= node->next_pulse_ms) pulse(sim, node);
    sim_act(sim, node);
}

/* -- one federation */

static void add_nodes(struct sim *sim, enum role role, size_t n, const char *prefix)
{
    for (size_t i = 0; i < n; i++) {
        struct sim_node *node = &sim->nodes[sim->n_nodes++];
        node->role = role;
        node->bad = role == ROLE_CLIENT && sim_chance(sim, 50);
        node->deaf = role == ROLE_CLIENT || (role == ROLE_SERVER && sim_chance(sim, 200));
        snprintf(node->name, sizeof node->name, "%s%02zu", prefix, i);
    }
}

static void draw_spec(struct sim *sim, size_t n_sites)
{
    size_t minimum = 1 + sim_draw(sim, n_sites), quorum = 1 + sim_draw(sim, minimum);
    int n = snprintf(sim->spec, sizeof sim->spec,
                     "name: sim\nrounds: %d\nfinal_evaluation: %s\ntrainer: {command: [train]}\n"
                     "round: {quorum: %zu, deadline_s: %d}\nsites:\n  minimum: %zu\n  wait_s: %d\n",
                     1 + (int)sim_draw(sim, 6), sim_chance(sim, 500) ? "true" : "false", quorum,
                     5 + (int)sim_draw(sim, 25), minimum, 5 + (int)sim_draw(sim, 30));
    if (!sim_chance(sim, 500)) return;
    n += snprintf(sim->spec + n, sizeof sim->spec - (size_t)n, "  names: [");
    for (size_t i = 0; i < n_sites; i++)
        n += snprintf(sim->spec + n, sizeof sim->spec - (size_t)n, "%ssite-%02zu", i ? ", " : "", i);
    snprintf(sim->spec + n, sizeof sim->spec - (size_t)n, "]\n");
}

static void begin(struct sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    sim->seed = sim->chance = seed;
    sim->now_ms = 1000000;
    arena_init(&sim->arena, RECORD_MEMORY_BYTES);
    arena_init(&sim->scratch, 16 << 20);
    sim->observer = federation_new("p", SIM_PARTITIONS, true);
    sim->trouble = 1 + sim_draw(sim, 10);
    sim->n_servers = 1 + sim_draw(sim, 3);
    sim->n_aggregators = 1 + sim_draw(sim, 3);
    size_t n_sites = sim_chance(sim, 30) ? 50 : 1 + sim_draw(sim, 8);
    add_nodes(sim, ROLE_SERVER, sim->n_servers, "server-");
    add_nodes(sim, ROLE_AGGREGATOR, sim->n_aggregators, "agg-");
    add_nodes(sim, ROLE_CLIENT, n_sites, "site-");
    draw_spec(sim, n_sites);
}

static void end(struct sim *sim)
{
    for (size_t i = 0; i < sim->n_nodes; i++) federation_free(sim->nodes[i].federation);
    federation_free(sim->observer);
    free(sim->entries);
    arena_fini(&sim->arena);
    arena_fini(&sim->scratch);
}

bool sim_run(struct sim *sim, uint64_t seed)
{
    begin(sim, seed);
    int64_t calm_at_ms = sim->now_ms + CALM_MS;
    bool over = false;
    for (int tick = 0; !over && !*sim->failure && tick < MAX_TICKS; tick++) {
        sim->calm = sim->now_ms >= calm_at_ms;
        for (size_t i = 0; i < sim->n_nodes; i++) turn(sim, &sim->nodes[i]);
        const struct job_state *job = federation_job(sim->observer, SIM_JOB);
        over = job && job->phase == JOB_ENDED;
        if (over) {
            sim->outcome = job->outcome;
            snprintf(sim->reason, sizeof sim->reason, "%.255s", job->reason);
        }
        sim->now_ms += TICK_MS;
    }
    if (!over) sim_fail(sim, "the job has not ended %d s after the last fault", (MAX_TICKS * TICK_MS - CALM_MS) / 1000);
    end(sim);
    return !*sim->failure;
}
