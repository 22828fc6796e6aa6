/* How an update's numbers travel when fewer bits will do: the layout stays, the bytes of each run are fewer.
 *
 * A run is `n` elements of one tensor, from its element `first` on, as they stand in one chunk. What it takes is a pure
 * function of the run, so sender and reader agree without a word:
 *
 *     plain       the elements
 *     f16, bf16   wider floats as that dtype
 *     int8        floats in blocks of 256 elements, counted from the tensor's first element: for each block that the
 *                 run touches one scale (f32, little-endian), then one I8 code for each element; element = scale * code
 *
 * Integers and bool are always plain; so are floats of 16 bits in f16 and bf16, and tensors of less than one block in
 * int8. The scale of a block is that of the whole block even where a chunk ends inside it, so decoded values do not
 * depend on the size of chunks. A short run at a chunk's end can take a few bytes more than it would plain: never more
 * than ENCODING_ROOM for a whole chunk. Any thread. */
#ifndef ANB_TENSOR_ENCODING_H
#define ANB_TENSOR_ENCODING_H

#include "tensor/dtype.h"

enum encoding { ENCODING_PLAIN, ENCODING_F16, ENCODING_BF16, ENCODING_INT8, N_ENCODINGS };

enum { ENCODING_BLOCK = 256, ENCODING_SCALE_BYTES = 4, ENCODING_ROOM = 16 };

struct encoding_run {
    enum encoding encoding; /* of the stream */
    enum dtype dtype;       /* of the tensor */
    int64_t n_tensor;       /* elements of the whole tensor */
    int64_t first;
    size_t n;
};

const char *encoding_word(enum encoding encoding);
bool encoding_parse(const char *word, enum encoding *encoding);
bool dtype_is_float(enum dtype dtype);

/* What this run really has: plain where the stream's encoding does not apply. */
enum encoding encoding_of_run(const struct encoding_run *run);
size_t encoding_run_bytes(const struct encoding_run *run);

/* -- reading: a run as pieces of one dtype and one scale: element = scale * code */

struct encoding_piece {
    enum dtype dtype;
    const unsigned char *codes; /* at any address */
    size_t n;
    double scale;
};

struct encoding_reader {
    enum encoding encoding;
    struct encoding_run left;
    const unsigned char *scales, *codes;
};

/* `bytes` has encoding_run_bytes(run) bytes. */
void encoding_read_begin(struct encoding_reader *reader, const struct encoding_run *run, const unsigned char *bytes);
bool encoding_read_next(struct encoding_reader *reader, struct encoding_piece *piece);

/* -- writing int8 */

/* The least f32 that holds all of x[0..n), finite numbers, in codes of -127..127; 0 when all are 0. */
float encoding_scale(const double *x, size_t n);
/* codes[i] = floor(x[i] / scale + (noise[i] + 1/2) / 65536): rounded up or down at random so that the mean is x[i]
 * (stochastic rounding, Alistarh et al. 2017, arXiv 1610.02132). `noise`: n uniform numbers. */
void encoding_codes(const double *x, size_t n, float scale, const uint16_t *noise, unsigned char *codes);

#endif
