/* The inside of a federation's state, shared by the files that fold records into it and those that read it.
 *
 * Ownership: nodes are never freed before the federation, so their names may be pointed to from anywhere. A job owns
 * its rounds; a round's arrays and texts lie in the round's arena, a job's in the job's. A stream is owned by the table
 * and forgotten when no job needs it. */
#ifndef ANB_JOB_FEDERATION_PRIVATE_H
#define ANB_JOB_FEDERATION_PRIVATE_H

#include "job/federation.h"
#include "job/machine.h"
#include "job/refusal.h"

enum {
    MAX_NODES = 20000,
    MAX_STREAMS_OF_A_SENDER = 64, /* in one round: more tries than that are refused */
    STREAM_BUCKETS = 1024,
    JOB_ID_BYTES = 17,
    REASON_MAX_BYTES = 512, /* of a foreign reason; the rest is cut */
};

struct stream_box {
    struct stream_state state;
    char job[JOB_ID_BYTES];
    struct asker *askers;
    struct stream_box *next; /* in its bucket */
};

struct round_box {
    struct round_state state;
    struct arena arena;
    size_t history_bytes; /* 0: it is not counted there */
};

struct job_box {
    struct job_state state;
    struct arena arena;
};

struct federation {
    char *project;
    int32_t partitions;
    bool keep_history;
    size_t history_bytes; /* of all rounds that are over */
    struct node_state *nodes;
    size_t n_nodes;
    struct job_state **jobs;
    size_t n_jobs, jobs_capacity;
    struct stream_box *streams[STREAM_BUCKETS];
    size_t n_askers; /* of all streams */
    char *self;      /* whose wraps are kept; NULL: nobody's */
    int64_t epoch;
    const char *leader;      /* NULL: none */
    int64_t leader_since_ms; /* by this process's clock */
    int64_t refused[N_REFUSALS];
};

/* What a handler of one record needs. */
struct apply {
    struct federation *federation;
    const struct head *head;
    struct node_state *node; /* the sender */
    int64_t offset, now_ms;
    bool unheard; /* what the record says in confidence is not known here */
    struct anb_error *err;
};

/* Count the refusal and fill the error; returns `status`. */
enum anb_status refuse(struct apply *apply, enum refusal refusal, enum anb_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
enum anb_status out_of_memory(struct apply *apply);

/* Foreign times may be anything: the sum stops at the end of time. */
static inline int64_t seconds_after(int64_t start_ms, int64_t seconds)
{
    int64_t at_ms;
    return __builtin_add_overflow(start_ms, 1000 * seconds, &at_ms) ? INT64_MAX : at_ms;
}

/* -- federation.c */
struct node_state *node_find(const struct federation *federation, const char *name);
struct stream_box *stream_find(const struct federation *federation, const struct id *id);
struct stream_box *stream_new(struct federation *federation, const struct id *id); /* NULL: no memory */
void askers_forget(struct federation *federation, struct stream_box *box);
/* Forget every stream for which `is_over` holds. */
typedef bool stream_test(const struct stream_state *stream, const void *context);
void streams_forget(struct federation *federation, stream_test *is_over, const void *context);
/* Call `visit` for every stream. */
typedef void stream_visit(struct stream_state *stream, void *context);
void streams_each(struct federation *federation, stream_visit *visit, void *context);
struct job_state *job_find(const struct federation *federation, const char *id);
void job_free(struct job_state *job);
struct arena *job_arena(struct job_state *job);
struct arena *round_arena(struct round_state *round);
void round_free(struct round_state *round);
size_t round_close_history(struct round_state *round); /* what it takes, from now on the answer of the next */
size_t round_history_bytes(struct round_state *round);

/* -- history.c */
void history_add(struct federation *federation, struct round_state *round); /* another one has followed it */
void history_drop(struct federation *federation, const struct job_state *job);
struct round_state *round_current(const struct job_state *job);
struct part_state *part_find(const struct round_state *round, const char *site);
struct share_state *share_find(const struct round_state *round, const char *node);
/* Exclude with a reason, which is copied; what it had open is abandoned. A closed part stays. */
enum anb_status part_exclude(struct apply *apply, struct round_state *round, struct part_state *part, enum why why,
                             const char *reason);
struct job_state *job_new(struct federation *federation); /* room for it is made in jobs[] */
/* The record at hand has changed the job. */
void job_touch(const struct apply *apply, struct job_state *job);
/* A copy of at most that many bytes, not cut inside a character. */
char *text_cut(struct arena *arena, const char *text, size_t most_bytes);
char *text_copy(struct arena *arena, const char *text);  /* at most REASON_MAX_BYTES */
void word_copy(char *to, size_t size, const char *from); /* printable ASCII, else "?" */
void mark_seen(struct apply *apply);
/* Give an open stream up: its site waits again, its share is not opened. */
void stream_abandon(struct apply *apply, struct stream_state *stream);

/* The job, or a refusal. */
enum anb_status find_job(struct apply *apply, const char *id, struct job_state **job);
/* At most PART_MAX_METRICS, and none with an empty or long name; false: no memory. */
bool copy_metrics(struct arena *arena, const struct metric *metrics, size_t n, struct metric **out, size_t *n_out);

/* -- apply_*.c: one handler for each record */
enum anb_status apply_node_up(struct apply *apply, const struct node_up *record);
enum anb_status apply_node_down(struct apply *apply, const struct node_down *record);
enum anb_status apply_audit_head(struct apply *apply, const struct audit_head *record);
void dismiss_node(struct apply *apply, const char *reason);
enum anb_status apply_leader_claimed(struct apply *apply, const struct leader_claimed *record);
enum anb_status apply_job_submitted(struct apply *apply, const struct job_submitted *record);
enum anb_status apply_job_answered(struct apply *apply, const struct job_answered *record);
enum anb_status apply_job_started(struct apply *apply, const struct job_started *record);
enum anb_status apply_model_stored(struct apply *apply, const struct model_stored *record);
enum anb_status apply_job_ended(struct apply *apply, const struct job_ended *record);
enum anb_status apply_job_deleted(struct apply *apply, const struct job_deleted *record);
enum anb_status apply_round_opened(struct apply *apply, const struct round_opened *record);
enum anb_status apply_round_cut(struct apply *apply, const struct round_cut *record);
enum anb_status apply_round_closed(struct apply *apply, const struct round_closed *record);
enum anb_status apply_stream_opened(struct apply *apply, const struct stream_opened *record);
enum anb_status apply_stream_closed(struct apply *apply, const struct stream_closed *record);
enum anb_status apply_stream_key_asked(struct apply *apply, const struct stream_key_asked *record);
enum anb_status apply_stream_key_given(struct apply *apply, const struct stream_key_given *record);
enum anb_status apply_stream_abandoned(struct apply *apply, const struct stream_abandoned *record);

/* -- questions that folding and deciding share */
bool job_lists_site(const struct job_state *job, const char *site);
const struct answer_state *job_answer(const struct job_state *job, const char *site);
size_t job_n_accepted(const struct job_state *job);
int32_t job_n_rounds(const struct job_state *job);              /* with the one that evaluates */
bool round_updates_are_closed(const struct round_state *round); /* every part that counts */
bool round_shares_are_closed(const struct round_state *round);
const struct give_up *round_give_up(const struct round_state *round, const char *node);
uint64_t all_partitions(const struct federation *federation);
bool texts_rise(const char *const *texts, size_t n); /* sorted, none twice */
/* The digest of the model that closed shares make. NOT_FOUND when a stream is missing; NO_MEMORY. */
enum anb_status shares_digest(const struct federation *federation, const struct round_state *round, struct digest *out,
                              struct anb_error *err);

#endif
