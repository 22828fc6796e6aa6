/* The first pass: every number is looked at once, and more often for a percentile. */
#include "privacy/apply_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 8, HIGH_BITS = 16, LOW_BITS = 15 };

/* Clipping aims this much below the norm, so that no rounding of the sums makes it more than the norm. */
static const double safely = 1 - 0x1p-20;

/* In lanes, so that a compiler may use vectors: always the same order of sums. */
static double sum_of_squares(const double *x, size_t n)
{
    double sums[LANES] = {0};
    size_t i = 0;
    for (; n - i >= LANES; i += LANES)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += x[i + lane] * x[i + lane];
    for (int lane = 0; i < n; i++, lane++) sums[lane] += x[i] * x[i];
    for (int lane = 1; lane < LANES; lane++) sums[0] += sums[lane];
    return sums[0];
}

static enum anb_status check_whole_tensor(struct filter_run *run, size_t index, struct anb_error *err)
{
    const struct tensor_entry *tensor = layout_tensor(run->source.layout, index);
    if (filter_chain_spends(run->chain))
        return anb_fail(err, ANB_INVALID,
                        "tensor \"%.80s\" is %s, and noise hides floats only: exclude it in the site's filters",
                        tensor->name, dtype_word(tensor->dtype));
    return ANB_OK;
}

static enum anb_status not_finite(const struct tensor_entry *tensor, struct anb_error *err)
{
    return anb_fail(err, ANB_INVALID, "tensor \"%.80s\" of the update holds NaN, infinity or numbers beyond 1e150",
                    tensor->name);
}

static double factor_for(double norm, double most)
{
    return norm > most * safely ? most * safely / norm : 1;
}

/* A tensor has been read whole: its sum of squares. */
static enum anb_status end_tensor(struct filter_run *run, size_t index, double squares, struct anb_error *err)
{
    if (!isfinite(squares)) return not_finite(layout_tensor(run->source.layout, index), err);
    run->n_clipped_tensors++;
    run->norm += squares;
    if (run->chain->clip == FILTER_CLIP_TENSOR) run->factors[index] = factor_for(sqrt(squares), run->chain->norm);
    return ANB_OK;
}

static enum anb_status measure_floats(struct filter_run *run, size_t index, struct anb_error *err)
{
    const struct tensor_entry *tensor = layout_tensor(run->source.layout, index);
    int64_t n = (tensor->end - tensor->begin) / (int64_t)dtype_bytes(tensor->dtype);
    double squares = 0;
    struct piece piece = {.tensor = index};
    for (; piece.first < n; piece.first += PIECE) {
        piece.n = (size_t)(n - piece.first < PIECE ? n - piece.first : PIECE);
        enum anb_status status = change_read(run, &piece, err);
        if (status != ANB_OK) return status;
        squares += sum_of_squares(run->x, piece.n);
    }
    run->n_numbers += n;
    return end_tensor(run, index, squares, err);
}

static enum anb_status measure_whole(struct filter_run *run, size_t index, struct anb_error *err)
{
    const struct tensor_entry *tensor = layout_tensor(run->source.layout, index);
    int64_t n = (tensor->end - tensor->begin) / (int64_t)dtype_bytes(tensor->dtype);
    enum anb_status status = check_whole_tensor(run, index, err);
    for (struct piece piece = {.tensor = index}; piece.first < n && status == ANB_OK; piece.first += PIECE) {
        piece.n = (size_t)(n - piece.first < PIECE ? n - piece.first : PIECE);
        status = change_read_whole(run, &piece, (unsigned char *)run->x, err);
    }
    return status;
}

static enum anb_status measure_norms(struct filter_run *run, struct anb_error *err)
{
    size_t n = layout_n_tensors(run->source.layout);
    for (size_t t = 0; t < n; t++) {
        const struct tensor_entry *tensor = layout_tensor(run->source.layout, t);
        enum anb_status status = ANB_OK;
        if (run->excluded[t] || tensor->begin == tensor->end) continue;
        status = dtype_is_float(tensor->dtype) ? measure_floats(run, t, err) : measure_whole(run, t, err);
        if (status != ANB_OK) return status;
    }
    run->norm = sqrt(run->norm);
    return ANB_OK;
}

static void choose_clip(struct filter_run *run)
{
    size_t n = layout_n_tensors(run->source.layout);
    double factor = run->chain->clip == FILTER_CLIP_UPDATE ? factor_for(run->norm, run->chain->norm) : 1;
    for (size_t t = 0; factor != 1 && t < n; t++) run->factors[t] = factor;
}

/* The largest norm that can leave clipping, and with it the noise. */
static void choose_noise(struct filter_run *run)
{
    double most = run->chain->norm;
    if (run->chain->clip == FILTER_CLIP_TENSOR) most *= sqrt((double)run->n_clipped_tensors);
    run->sigma = run->chain->noise_multiplier * most;
    run->grid = run->sigma / NOISE_DEVIATION;
}

/* -- percentile: the magnitudes, as f32, are ordered as their bits are; two passes find the exact one */

struct ranks {
    uint64_t counts[1 << HIGH_BITS];
    uint32_t prefix; /* of the second pass */
    bool second;
};

static uint32_t magnitude_bits(double x)
{
    float magnitude = (float)fabs(x);
    uint32_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    return bits;
}

static void count_ranks(struct ranks *ranks, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = magnitude_bits(x[i]);
        if (!ranks->second)
            ranks->counts[bits >> LOW_BITS]++;
        else if (bits >> LOW_BITS == ranks->prefix)
            ranks->counts[bits & ((1 << LOW_BITS) - 1)]++;
    }
}

static enum anb_status count_all(struct filter_run *run, struct ranks *ranks, struct anb_error *err)
{
    struct piece piece = {0};
    memset(ranks->counts, 0, sizeof ranks->counts);
    while (piece_next(run, &piece)) {
        enum anb_status status = change_read(run, &piece, err);
        if (status != ANB_OK) return status;
        count_ranks(ranks, run->x, piece.n);
    }
    return ANB_OK;
}

/* The bucket that holds the `rank`th largest (from 1); what is above it is taken off `rank`. */
static uint32_t find_bucket(const struct ranks *ranks, uint64_t *rank)
{
    uint32_t bucket = (1 << HIGH_BITS) - 1;
    while (bucket > 0 && ranks->counts[bucket] < *rank) *rank -= ranks->counts[bucket--];
    return bucket;
}

static enum anb_status measure_percentile(struct filter_run *run, struct anb_error *err)
{
    uint64_t rank = (uint64_t)ceil(run->chain->keep_percent / 100 * (double)run->n_numbers);
    if (rank == 0) return ANB_OK;
    struct ranks *ranks = calloc(1, sizeof *ranks);
    if (!ranks) return anb_fail(err, ANB_NO_MEMORY, "no memory for a percentile");
    enum anb_status status = count_all(run, ranks, err);
    if (status == ANB_OK) {
        ranks->prefix = find_bucket(ranks, &rank);
        ranks->second = true;
        status = count_all(run, ranks, err);
    }
    if (status == ANB_OK) {
        uint32_t bits = ranks->prefix << LOW_BITS | find_bucket(ranks, &rank);
        float cutoff;
        memcpy(&cutoff, &bits, sizeof cutoff);
        run->cutoff = (double)cutoff;
    }
    free(ranks);
    return status;
}

enum anb_status filter_measure(struct filter_run *run, struct anb_error *err)
{
    enum anb_status status = measure_norms(run, err);
    if (status != ANB_OK) return status;
    choose_clip(run);
    if (run->chain->noise_multiplier > 0) choose_noise(run);
    if (run->chain->keep_percent > 0) status = measure_percentile(run, err);
    if (status == ANB_OK && run->chain->svt_epsilon > 0) status = sparse_measure(run, err);
    return status;
}
