/* The parts of an application: apply.c (life, filling), change.c (reading what has changed), measure.c (the first
 * pass), sparse.c (the sparse-vector filter). The thread that owns the application. */
#ifndef ANB_PRIVACY_APPLY_PRIVATE_H
#define ANB_PRIVACY_APPLY_PRIVATE_H

#include "crypto/keystream.h"
#include "privacy/apply.h"
#include "privacy/noise.h"

/* Elements that are worked on at a time: whole blocks of the int8 encoding. */
enum { PIECE = 16 * ENCODING_BLOCK, SPARSE_BYTES = 16, ROUNDING_BYTES = 2 };

struct sparse { /* the sparse-vector filter, once its noise is drawn */
    double threshold, query_scale, answer_scale;
    int64_t start; /* byte of the data section where the search begins; it goes round */
    int64_t most, found;
    int64_t stop; /* bytes from start: what lies behind is not answered */
};

struct filter_run {
    const struct filter_chain *chain;
    struct filter_source source;
    bool *excluded;  /* by tensor */
    double *factors; /* by tensor: what clipping multiplies with */
    double norm;
    int64_t n_clipped_tensors, n_numbers; /* of floats that are not excluded */
    double grid;                          /* step of the noise; 0: no noise */
    double sigma;
    double cutoff; /* magnitudes below it become 0 */
    struct sparse sparse;
    struct keystream *noise, *rounding, *sparse_noise;
    struct noise_table table;
    unsigned char raw[PIECE * NOISE_BYTES]; /* elements as they are stored, or random bytes */
    double x[PIECE];
    int32_t numbers[PIECE];
    uint16_t rounds[PIECE];
};

struct piece { /* `n` elements of one tensor */
    size_t tensor;
    int64_t first;
    size_t n; /* at most PIECE */
};

static inline const struct tensor_entry *piece_tensor(const struct filter_run *run, const struct piece *piece)
{
    return layout_tensor(run->source.layout, piece->tensor);
}

/* Place of a tensor's element in a key stream of `width` bytes for each: tensors never share any. */
static inline uint64_t piece_place(const struct filter_run *run, const struct piece *piece, uint64_t width)
{
    return width * (uint64_t)(piece_tensor(run, piece)->begin + piece->first);
}

/* The pieces of all tensors that are not excluded; start with {0} and n 0. */
bool piece_next(const struct filter_run *run, struct piece *piece);

/* -- change.c: run->x becomes the change of a float piece, clipped by what is known so far */
enum anb_status change_read(struct filter_run *run, const struct piece *piece, struct anb_error *err);
/* The change of a piece of integers or bool, in its dtype, into `out`; INVALID when the dtype does not hold it. */
enum anb_status change_read_whole(struct filter_run *run, const struct piece *piece, unsigned char *out,
                                  struct anb_error *err);

enum anb_status filter_measure(struct filter_run *run, struct anb_error *err);

/* -- sparse.c */
enum anb_status sparse_measure(struct filter_run *run, struct anb_error *err);
enum anb_status sparse_apply(struct filter_run *run, const struct piece *piece, struct anb_error *err); /* to run->x */

#endif
