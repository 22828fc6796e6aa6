/* The federation as the control log tells it: nodes, jobs, rounds, streams. The pure core.
 *
 * federation_apply folds one record into the state; federation_decide says what the leader should append next. Neither
 * does I/O, reads a clock or draws random numbers: the same log gives the same state on every node, whatever its role.
 * States and legal moves are one table each (machine.h), checked at each move. What is wrong with a record is an
 * answer, not a failure: the record is refused, counted by reason, and the state stays. One thread at a time; the owner
 * locks. */
#ifndef ANB_JOB_FEDERATION_H
#define ANB_JOB_FEDERATION_H

#include "base/arena.h"
#include "job/node_state.h"
#include "job/spec.h"
#include "job/stream_state.h"

/* The states; their legal moves are tables in machine.c. */
enum job_phase { JOB_SUBMITTED, JOB_RUNNING, JOB_STORING, JOB_ENDED };
enum round_phase { ROUND_OPEN, ROUND_CLOSED };
enum part_phase { PART_WAITING, PART_OPENED, PART_CLOSED, PART_EXCLUDED }; /* a site in a round */

/* What a node says in confidence (schemas/said.avsc) is known to some readers only: weights, metrics, reasons. No move
 * of any state depends on it, so that all readers come to the same state; it is shown, averaged and multiplied with. */

struct part_state { /* one site in one round */
    const char *site;
    enum part_phase phase;
    bool counts;      /* in the set that the current attempt folds */
    struct id stream; /* its update: the first one closed, else the last one opened; zero: none */
    bool is_heard;    /* what it said of its update is known here */
    double weight;
    enum why why;           /* excluded */
    const char *reason;     /* the same in a sentence; a general one when what was said is not known here */
    struct metric *metrics; /* reported at its close; at most PART_MAX_METRICS are kept */
    size_t n_metrics;
};
enum { PART_MAX_METRICS = 64, METRIC_NAME_MAX_BYTES = 64 };
/* Weights outside of these bounds are not used: sums of products would lose all digits. */
#define WEIGHT_LEAST 1e-9
#define WEIGHT_MOST 1e15
bool weight_is_good(double weight);

struct share_state { /* one aggregator in one round and attempt */
    const char *node;
    uint64_t partitions;
    struct id stream; /* zero: not opened */
    bool closed;
};

struct give_up { /* an aggregator that folds no more in this round */
    const char *node;
    const char *reason;
};

struct round_state {
    int32_t round;
    enum task task;
    enum round_phase phase;
    int32_t attempt;
    int32_t quorum;
    int64_t opened_ms, deadline_ms, closed_ms;
    int64_t fold_deadline_ms; /* when the aggregators must be done */
    struct id *base;
    size_t n_base;
    struct part_state *parts; /* sorted by site; the excluded ones stay, marked */
    size_t n_parts;
    struct share_state *shares; /* of the current attempt */
    size_t n_shares;
    struct give_up *give_ups;
    size_t n_give_ups;
    struct id *model; /* once closed */
    size_t n_model;
    struct digest digest;   /* of the model, once closed */
    struct metric *metrics; /* weighted means, once closed */
    size_t n_metrics;
    int64_t bytes; /* of the updates that counted */
};

struct answer_state {
    const char *site;
    bool accepted;
    const char *reason;
};

struct job_state {
    const char *id, *request, *submitter;
    struct job_spec *spec;
    enum job_phase phase;
    enum outcome outcome; /* once ended */
    const char *reason;
    int64_t revision; /* rises with every record that changes the job: offset of the last one, plus 1 */
    int64_t submitted_ms, started_ms, ended_ms;
    struct id bundle, model;
    struct digest manifest_digest; /* what the submitter has signed */
    struct signature signature;    /* of the submitter, over it */
    struct answer_state *answers;  /* sorted by site */
    size_t n_answers;
    int64_t minimum_met_ms; /* when enough sites had accepted, by this process's clock; 0: not yet */
    const char **sites;     /* once started, sorted */
    size_t n_sites;
    struct round_state **rounds; /* the newest ones: see history.c; rounds[n-1] is the current one */
    size_t n_rounds;
    int64_t n_forgotten;       /* closed rounds that are no longer among them, */
    int64_t forgotten_bytes;   /* and the bytes of their updates */
    bool stored;               /* by ModelStored */
    const char *store_failure; /* or why not */
    struct digest file_digest;
    int64_t file_bytes;
};

struct federation;
/* `partitions`: of each outbox. `keep_history`: keep rounds that are over, as many as 16 MiB hold (server), or only
 * what work needs. */
struct federation *federation_new(const char *project, int32_t partitions, bool keep_history);
/* Keep what is sealed for this node: all else in the state is the same for all nodes. False: no memory. */
bool federation_keep_wraps_of(struct federation *federation, const char *node);
void federation_free(struct federation *federation);

/* Fold the record at `offset` of the control log. OK: taken. INVALID: refused, it breaks a rule. DENIED: refused, not
 * the sender's to say. EXISTS: refused, a repeat or too late, as restarts and cuts bring them: harmless. NO_MEMORY: the
 * state is not whole, end the process. A bad update (layout) is refused and excludes its site's part; else a refused
 * record leaves no trace but its count. */
enum anb_status federation_apply(struct federation *federation, const struct record *record, int64_t offset,
                                 int64_t now_ms, struct anb_error *err);
/* The roster has no place for this node any more: it is down, what it had open is abandoned, and where a round waits
 * for it, it is excluded with `reason`. What it had closed before stays. */
void federation_dismiss(struct federation *federation, const char *name, const char *reason, int64_t offset,
                        int64_t now_ms);
/* A record was refused before it could be applied: `reason` is one of federation_refusal_at's words. */
void federation_count_refusal(struct federation *federation, const char *reason);
void federation_hear(struct federation *federation, const struct record *record); /* fill in what is said */
void federation_pulse(struct federation *federation, const struct pulse *pulse, int64_t now_ms); /* a sign of life */

/* What the leader named `self` should append now, in order; heads are left empty for the caller to stamp, `epoch` is
 * set. Nothing when `self` does not lead. Records live in `arena`. Call again only when all of it has come back through
 * federation_apply. *wake_ms: when to ask again though no record came (wall clock; INT64_MAX: not needed);
 * pulses alone do not call for it. For 5 s after its claim a leader takes nodes it has not heard of for alive. */
enum anb_status federation_decide(struct federation *federation, const char *self, int64_t now_ms, struct arena *arena,
                                  struct record **records, size_t *n_records, int64_t *wake_ms, struct anb_error *err);

/* -- questions */

int64_t federation_epoch(const struct federation *federation);      /* highest claimed; 0: none */
const char *federation_leader(const struct federation *federation); /* NULL: none */
int32_t federation_partitions(const struct federation *federation);

const struct node_state *federation_node(const struct federation *federation, const char *name);
const struct node_state *federation_nodes(const struct federation *federation); /* first, sorted by name; then ->next */
bool node_is_alive(const struct node_state *node, int64_t now_ms);              /* up, and seen within NODE_SILENT_MS */
enum { NODE_SILENT_MS = 15000 };

size_t federation_n_jobs(const struct federation *federation);
const struct job_state *federation_job_at(const struct federation *federation, size_t index); /* as submitted */
const struct job_state *federation_job(const struct federation *federation, const char *id);
const struct job_state *federation_job_by_request(const struct federation *federation, const char *submitter,
                                                  const char *request);
const struct round_state *job_round(const struct job_state *job); /* the current one; NULL: none yet */

/* Streams of jobs that have ended are forgotten. */
const struct stream_state *federation_stream(const struct federation *federation, const struct id *id);

/* Lowest offset of `node`'s outbox partition that a job still needs; INT64_MAX: none is needed. What lies before it may
 * be trimmed. A stream is needed until the round after its own is closed or its job has ended; bundle and initial model
 * until the job has ended. */
bool federation_needs_incarnation(const struct federation *federation, const char *node, int64_t incarnation);
int64_t federation_needed_offset(const struct federation *federation, const char *node, int32_t partition);

/* How many records were refused, by reason word ("wrong-project", "repeated", "unknown-job", "illegal-move", ...). */
size_t federation_n_refusals(const struct federation *federation);
void federation_refusal_at(const struct federation *federation, size_t index, const char **reason, int64_t *count);

/* SHA-256 over the content digests of partitions 0..n-1 of streams that together cover them all: the model's digest. It
 * does not depend on keys. NO_MEMORY when there is none to compute it. */
enum anb_status model_digest(const struct stream_state *const *streams, size_t n_streams, int32_t partitions,
                             struct digest *out, struct anb_error *err);

#endif
