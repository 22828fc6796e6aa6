/* A federation's control log in a few words, for tests of the pure core.
 *
 * `say` stamps a record as its node would and folds it in; `lead` asks the leader what to do and folds that in, too.
 * The clock stands still unless a test moves it. One thread. */
#ifndef ANB_TEST_SUPPORT_FEDERATION_H
#define ANB_TEST_SUPPORT_FEDERATION_H

#include "job/federation.h"

enum { WORLD_PARTITIONS = 4 };

struct world {
    struct federation *federation;
    int64_t now_ms, offset;
    uint32_t last_id;
    struct arena arena; /* of the records of the last decision */
    struct record *decided;
    size_t n_decided;
    int64_t wake_ms;
    struct anb_error err; /* of the last record */
};

void world_init(struct world *world);
void world_fini(struct world *world);

/* A new incarnation of the node. */
enum anb_status say_up(struct world *world, const char *node, enum role role);
enum anb_status say_down(struct world *world, const char *node);
void pulse_all(struct world *world); /* every node lives now */
void pulse_one(struct world *world, const char *node);
/* Stamp (head left as it is where it is set) and fold in. */
enum anb_status say(struct world *world, const char *node, struct record *record);
enum anb_status say_claim(struct world *world, const char *server);

#define WORLD_JOB "00000000000000a1"
/* Bundle, initial model and submission by server-1. `spec`: lines behind name and trainer. */
enum anb_status say_submit(struct world *world, const char *job, const char *request, const char *spec);
enum anb_status say_answer(struct world *world, const char *site, const char *job, bool accepted, const char *reason);

/* Ask the leader (by the state) what it would say, in world->decided; how many records. */
size_t plan(struct world *world);
/* The same, and fold it in. */
size_t lead(struct world *world);
/* The one record of the last decision when it is of this kind, else NULL. */
const struct record *only(const struct world *world, enum record_kind kind);

struct id next_id(struct world *world);
/* As the base model of the current round has it. */
struct stream_opened world_update(struct world *world, const char *job, double weight);
struct stream_closed world_close(struct world *world, const struct id *stream);
enum anb_status say_open(struct world *world, const char *node, const struct stream_opened *opened);
enum anb_status say_close(struct world *world, const char *node, const struct id *stream);
enum anb_status say_abandon(struct world *world, const char *node, const struct id *stream, const char *job,
                            bool gives_up, const char *reason);

/* A whole update; the stream's id. */
struct id send_update(struct world *world, const char *site, const char *job, double weight);
struct id open_share(struct world *world, const char *aggregator, const char *job);
struct id send_share(struct world *world, const char *aggregator, const char *job);

/* server-1 leads; agg-1, agg-2; sites a, b, c. */
void world_begin(struct world *world);
/* The same, and a job of `rounds` rounds with quorum 2, minimum 2, names a, b, c, that has opened its first round. */
void world_run(struct world *world, int rounds, bool evaluates);

/* A submission that sites a, b, c accept and that the leader starts. */
void start_world_job(struct world *world, const char *spec);
/* Every site that waits sends its update; every share that is not closed is sent. */
void close_all_updates(struct world *world);
void close_all_shares(struct world *world);
/* Lead once: the sentence with which the job failed, or "has not failed". */
const char *lead_to_failure(struct world *world);

const struct job_state *the_job(const struct world *world);
const struct round_state *the_round(const struct world *world);
const struct part_state *part_of(const struct world *world, const char *site);
int64_t refusals(const struct world *world, const char *reason);
bool was_refused(struct world *world, enum anb_status got, enum anb_status expected, const char *reason,
                 int64_t before);

/* The call must be refused with this status, and counted once under this word. */
#define CHECK_REFUSED(world, call, status, word)                                                                       \
    do {                                                                                                               \
        int64_t before_ = refusals(world, word);                                                                       \
        CHECK(was_refused(world, call, status, word, before_));                                                        \
    } while (0)

#endif
