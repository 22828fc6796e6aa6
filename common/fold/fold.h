/* Aggregation: read N streams in step, chunk by chunk, and write one.
 *
 * A fold owns a share: the chunks of some partitions. It holds one chunk of sums and one chunk of one input at a time,
 * so its memory knows neither the size of the model nor the number of sites. Inputs are taken in the order given
 * (sorted by site), whatever order they arrive in: the same inputs give the same bits. fold_step never waits longer
 * than it is told, so that one thread can run many folds, and a test can run them all. One thread owns a fold. */
#ifndef ANB_FOLD_FOLD_H
#define ANB_FOLD_FOLD_H

#include "stream/chunks.h"
#include "stream/reader.h"
#include "stream/writer.h"
#include "tensor/encoding.h"

/* How a rule turns inputs into sums and sums into the model. All in double, element by element. */
struct fold_rule {
    const char *name;
    void (*add)(double *sums, enum dtype dtype, const void *input, size_t n, double weight);
    /* Returns how many sums were NaN or infinite. */
    size_t (*finish)(enum dtype dtype, void *out, const double *sums, size_t n, double total_weight);
};

const struct fold_rule *fold_rule_find(const char *name); /* NULL: no such rule */

struct fold_input {
    const char *site; /* for errors */
    struct stream_reader *reader;
    double weight;
    enum encoding encoding;
    bool is_change; /* a DIFF: it is added to the model it answers; else a whole model (FULL) */
};

struct fold_config {
    const struct fold_rule *rule;
    const struct layout *layout; /* of all inputs and of the output, whatever their encoding */
    int32_t chunk_bytes;
    int32_t n_partitions;
    uint64_t partitions;             /* the share */
    const struct fold_input *inputs; /* sorted by site */
    size_t n_inputs;
    struct stream_reader *base; /* the model that changes are added to; needed when any input is one */
    struct stream_writer *writer;
};

struct fold;

/* The config's arrays and objects must outlive the fold. */
enum anb_status fold_new(const struct fold_config *config, struct fold **fold, struct anb_error *err);
void fold_free(struct fold *fold);

/* Go on until something must be waited for. AGAIN: an input or the bus was not ready within `timeout_ms`, call again.
 * CLOSED: every chunk of the share was handed to the writer. CORRUPT and others name the site: *culprit is its place
 * among the inputs, or n_inputs when it is not an input's fault. */
enum anb_status fold_step(struct fold *fold, int64_t timeout_ms, size_t *culprit, struct anb_error *err);

int64_t fold_bytes_done(const struct fold *fold); /* written, layout and data */
int64_t fold_nonfinite(const struct fold *fold);  /* elements of the model that are NaN or infinite */

#endif
