/* The sparse-vector filter: algorithm 7 of Lyu, Su and Li 2017 (arXiv 1603.01699), over the elements in their order
 * from a random one on. It asks of each element "is your magnitude above the threshold?", both sides with Laplace
 * noise, and answers yes with the element itself and fresh noise; after the last yes it may give it stops, and all
 * others are 0.
 *
 * Magnitudes are held to `limit`, so one update differs from another by at most limit in each question and 2 limit in
 * each answer. Half of epsilon goes to the answers; the other half is split 1 : (2c)^(2/3) between threshold and
 * questions, c the number of answers, as the paper finds best. The decision about an element needs only its place, so
 * the first pass finds where to stop and any piece can be asked for later. */
#include "privacy/apply_private.h"

#include <math.h>
#include <string.h>

/* From 64 uniform bits: 53 for the magnitude, one for the sign. */
static double laplace(const unsigned char *random, double scale)
{
    uint64_t bits;
    memcpy(&bits, random, sizeof bits);
    double magnitude = -log(((double)(bits >> 11) + 0.5) * 0x1p-53) * scale;
    return bits & 1 ? -magnitude : magnitude;
}

static double held(double x, double limit)
{
    return x > limit ? limit : x < -limit ? -limit : x;
}

/* Before the first element's bytes there is room for what is drawn once: element streams begin at byte 0 of a tensor
 * whose place is at least 0, so the draw is taken from the far end of the key stream. */
static enum anb_status draw_once(struct filter_run *run, struct anb_error *err)
{
    unsigned char random[SPARSE_BYTES];
    enum anb_status status = keystream_read(run->sparse_noise, (uint64_t)1 << 63, random, sizeof random, err);
    if (status != ANB_OK) return status;
    const struct filter_chain *chain = run->chain;
    struct sparse *sparse = &run->sparse;
    double questions = chain->svt_epsilon / 2, answers = chain->svt_epsilon / 2;
    sparse->most = (int64_t)ceil(chain->svt_fraction * (double)run->n_numbers);
    double share = pow(2 * (double)sparse->most, 2.0 / 3), n = (double)sparse->most;
    double for_threshold = questions / (1 + share), for_questions = questions - for_threshold;
    sparse->query_scale = 2 * n * chain->svt_limit / for_questions;
    sparse->answer_scale = n * 2 * chain->svt_limit / answers;
    sparse->threshold = chain->svt_threshold + laplace(random, chain->svt_limit / for_threshold);
    uint64_t place;
    memcpy(&place, random + 8, sizeof place);
    int64_t whole = layout_data_bytes(run->source.layout);
    sparse->start = whole > 0 ? (int64_t)(place % (uint64_t)whole) : 0;
    sparse->stop = INT64_MAX;
    return ANB_OK;
}

/* How far behind the start of the search an element lies, all the way round. */
static int64_t distance(const struct filter_run *run, const struct tensor_entry *tensor, int64_t element)
{
    int64_t at = tensor->begin + element * (int64_t)dtype_bytes(tensor->dtype) - run->sparse.start;
    return at >= 0 ? at : at + layout_data_bytes(run->source.layout);
}

static bool is_above(const struct filter_run *run, double x, const unsigned char *random)
{
    return fabs(held(x, run->chain->svt_limit)) + laplace(random, run->sparse.query_scale) >= run->sparse.threshold;
}

static enum anb_status draw(struct filter_run *run, const struct piece *piece, struct anb_error *err)
{
    return keystream_read(run->sparse_noise, piece_place(run, piece, SPARSE_BYTES), run->raw, piece->n * SPARSE_BYTES,
                          err);
}

/* One way over the elements: those from the start of the search on, then those before it. */
static enum anb_status search(struct filter_run *run, bool before, struct anb_error *err)
{
    struct sparse *sparse = &run->sparse;
    struct piece piece = {0};
    while (sparse->found < sparse->most && piece_next(run, &piece)) {
        const struct tensor_entry *tensor = piece_tensor(run, &piece);
        enum anb_status status = change_read(run, &piece, err);
        if (status == ANB_OK) status = draw(run, &piece, err);
        if (status != ANB_OK) return status;
        for (size_t i = 0; i < piece.n && sparse->found < sparse->most; i++) {
            int64_t at = tensor->begin + (piece.first + (int64_t)i) * (int64_t)dtype_bytes(tensor->dtype);
            if ((at < sparse->start) != before || !is_above(run, run->x[i], run->raw + i * SPARSE_BYTES)) continue;
            if (++sparse->found == sparse->most) sparse->stop = distance(run, tensor, piece.first + (int64_t)i);
        }
    }
    return ANB_OK;
}

enum anb_status sparse_measure(struct filter_run *run, struct anb_error *err)
{
    enum anb_status status = draw_once(run, err);
    if (status == ANB_OK) status = search(run, false, err);
    if (status == ANB_OK) status = search(run, true, err);
    return status;
}

enum anb_status sparse_apply(struct filter_run *run, const struct piece *piece, struct anb_error *err)
{
    const struct tensor_entry *tensor = piece_tensor(run, piece);
    double limit = run->chain->svt_limit;
    enum anb_status status = draw(run, piece, err);
    for (size_t i = 0; i < piece->n && status == ANB_OK; i++) {
        const unsigned char *random = run->raw + i * SPARSE_BYTES;
        bool asked = distance(run, tensor, piece->first + (int64_t)i) <= run->sparse.stop;
        if (asked && is_above(run, run->x[i], random))
            run->x[i] = held(held(run->x[i], limit) + laplace(random + 8, run->sparse.answer_scale), limit);
        else
            run->x[i] = 0;
    }
    return status;
}
