/* A chain applied to one update on its way from the trainer's file to a stream, piece by piece.
 *
 * What leaves is the change: result - model received, or what the trainer sent when that is a change already (DIFF). A
 * first pass over the files looks at every number (NaN and infinity are refused) and measures what the chain needs: the
 * norm, the percentile, where the sparse-vector filter stops. Then any range of the update can be asked for, any number
 * of times and in any order, and is always the same: all randomness comes from the seed and a number's place. Memory
 * does not grow with the model. One thread owns an application. */
#ifndef ANB_PRIVACY_APPLY_H
#define ANB_PRIVACY_APPLY_H

#include "privacy/accountant.h"
#include "privacy/chain.h"
#include "tensor/layout.h"

enum { FILTER_SEED_BYTES = 32 };

struct filter_source {
    const struct layout *layout; /* of both files */
    int fd, base_fd;             /* of the update; of the model it answers (-1 where is_change) */
    int64_t data_offset, base_data_offset;
    bool is_change;
};

struct filter_run;

/* The first pass. `seed`: secret, uniform, and never used for another update. INVALID names the tensor that cannot be
 * filtered and what to do. Chain, layout and files must outlive the application. Free with filter_run_free. */
enum anb_status filter_run_new(const struct filter_chain *chain, const struct filter_source *source,
                               const unsigned char seed[FILTER_SEED_BYTES], struct filter_run **run,
                               struct anb_error *err);
void filter_run_free(struct filter_run *run); /* wipes the keys; NULL is fine */

/* What the update costs, whether it then leaves or not. */
struct privacy_loss filter_run_loss(const struct filter_run *run);
/* L2 norm of the change before anything is done to it, excluded tensors left out. */
double filter_run_norm(const struct filter_run *run);

/* Bytes [begin, end) of the data section, which begin and end between elements, filtered and in the chain's encoding
 * (tensor/encoding.h: one run for each tensor in the range). `out` has end - begin bytes of room; fewer may be needed.
 */
enum anb_status filter_run_fill(struct filter_run *run, int64_t begin, int64_t end, unsigned char *out, size_t *size,
                                struct anb_error *err);

#endif
