/* Whole federations over the pure core: one list of records, a virtual clock, faults drawn from a seed.
 *
 * Nodes read the list at their own pace and act on what they have read; what they say reaches the list late, twice or
 * not at all. Any of them is killed, forgets everything and comes back; servers sleep and wake up as leaders of the
 * past. No bytes of models travel: a model's digest is a digest of which updates it was made from. One thread. */
#ifndef ANB_TESTS_SIM_CONDUCT_H
#define ANB_TESTS_SIM_CONDUCT_H

#include "job/federation.h"

enum { SIM_PARTITIONS = 4, SIM_MAX_NODES = 56, SIM_JOB_SPEC_BYTES = 2048, TICK_MS = 100, CALM_MS = 60000 };
#define SIM_JOB "00000000000000ab"

struct sim_letter { /* a record on its way to the list */
    struct record *record, *unheard;
    int64_t due_ms;
    bool lost, twice;
    int64_t incarnation; /* of the sender, when sent */
};

enum { SIM_MAX_LETTERS = 64 };

struct sim_node {
    char name[NAME_MAX_BYTES];
    enum role role;
    struct federation *federation; /* NULL: dead */
    int64_t incarnation, sequence, sequence_back;
    int n_in_flight; /* said by this incarnation, neither read back nor known to be lost */
    size_t position; /* in the list */
    int64_t asleep_until_ms, revive_ms, next_pulse_ms, busy_until_ms;
    struct sim_letter letters[SIM_MAX_LETTERS];
    size_t n_letters;
    bool bad;  /* a site whose updates have a weight that cannot be used, or another layout, now and then */
    bool deaf; /* it hears nobody but itself: every site, and a server that no one lets hear */
};

struct sim_entry {
    struct record *record, *unheard; /* as who hears reads it, and as all others do */
    bool has_fingerprints;           /* of the observer's state after it */
    uint64_t moves, words;           /* of what all know; of what is said in confidence */
};

struct sim {
    uint64_t seed, chance;
    int64_t now_ms;
    bool calm;        /* no more faults */
    uint64_t trouble; /* 1..10: how many faults */
    struct sim_node nodes[SIM_MAX_NODES];
    size_t n_nodes, n_servers, n_aggregators;
    char spec[SIM_JOB_SPEC_BYTES];
    struct arena arena; /* of all records */
    struct arena scratch;
    struct sim_entry *entries;
    size_t n_entries, entries_capacity;
    struct federation *observer;
    char failure[512]; /* empty: all invariants hold */
    /* what the observer has counted */
    int64_t epoch;
    char leader[16];
    int32_t rounds_closed[64];
    int64_t n_refused;
    enum outcome outcome; /* once ended */
    char reason[256];     /* of the job's end */
};

/* Run one federation from the seed to the end of its job; false: `sim->failure` says what is wrong. */
bool sim_run(struct sim *sim, uint64_t seed);

/* -- between the files of the simulator */
uint64_t sim_draw(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, int per_thousand);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Stamp, pass through the wire's bytes and send. */
void sim_say(struct sim *sim, struct sim_node *node, struct record *record);
void sim_act(struct sim *sim, struct sim_node *node); /* one turn of a node, by its role */
/* The digest that partition `p` of the model of the round must have: of the updates that count. */
void sim_fold_digest(const struct round_state *round, int32_t p, struct digest *out);
void sim_observe(struct sim *sim, size_t index);
/* Numbers for the whole of what the log says: what moves, which all must see the same, and the words of those who hear.
 */
uint64_t sim_moves(const struct federation *federation);
uint64_t sim_words(const struct federation *federation);

#endif
