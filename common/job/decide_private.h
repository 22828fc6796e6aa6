/* What the deciding functions share: the moment they decide at, and the records they make. */
#ifndef ANB_JOB_DECIDE_PRIVATE_H
#define ANB_JOB_DECIDE_PRIVATE_H

#include "job/federation_private.h"

enum {
    SETTLE_MS = 5000, /* after a claim: pulses of all that live have come by then */
    SENTENCE_BYTES = 2048,
    REASONS_BYTES = 8192, /* of all exclusions in one record, which has a ceiling */
};

struct decide {
    const struct federation *federation;
    int64_t now_ms, wake_ms;
    struct arena *arena;
    struct record *records; /* room for one of each job */
    size_t n_records;
    bool out_of_memory;
};

/* A sentence in the making; what does not fit is counted and said at its end. */
struct sentence {
    char text[SENTENCE_BYTES];
    size_t size, n_left_out;
};

void sentence_add(struct sentence *sentence, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* ", " between parts, "; " between groups: the separator comes first unless nothing stands before it. */
void sentence_item(struct sentence *sentence, const char *group, bool first, const char *name, const char *reason);

/* Has the time come? If not, ask again then. */
bool is_due(struct decide *decide, int64_t at_ms);
void ask_again_in(struct decide *decide, int64_t ms);
/* Alive, or not heard since this leader came and it is too early to tell. Asks again when that may change. */
bool may_be_alive(struct decide *decide, const struct node_state *node);
bool has_settled(const struct decide *decide);

void *decide_alloc(struct decide *decide, size_t count, size_t size); /* NULL: no memory, noted */
const char *decide_text(struct decide *decide, const char *text, size_t most_bytes);
struct record *decide_record(struct decide *decide, enum record_kind kind);
void decide_end(struct decide *decide, const struct job_state *job, enum outcome outcome, const char *reason);

/* One step each, or none. */
void decide_submitted(struct decide *decide, const struct job_state *job);
void decide_next_round(struct decide *decide, const struct job_state *job);
void decide_training(struct decide *decide, const struct job_state *job, const struct round_state *round);
void decide_evaluation(struct decide *decide, const struct job_state *job, const struct round_state *round);

/* -- decide_records.c: the larger records */
struct share *decide_shares(struct decide *decide, const struct round_state *round, size_t *n_shares);
/* Aggregators that are alive and have not given up in `round` (may be NULL). */
size_t decide_count_folders(struct decide *decide, const struct round_state *round);
void decide_open(struct decide *decide, const struct job_state *job, int32_t number, const char **sites,
                 size_t n_sites);
/* `late`: parts that are not closed are excluded, too. */
void decide_cut(struct decide *decide, const struct job_state *job, const struct round_state *round, bool late);
void decide_close(struct decide *decide, const struct job_state *job, const struct round_state *round);

#endif
