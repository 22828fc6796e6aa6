/* The arithmetic on elements: weighted sums in double, and back.
 *
 * For each dtype: acc[i] += weight * x[i], all in IEEE double, one rounding for the product and one for the sum (no
 * fused multiply-add), so that every variant gives the same bits. x and out may lie at any address. Integers are
 * averaged in double and rounded half to even, then held to the type's range, NaN as 0; any bool byte but 0 counts as
 * 1, and bool is true when the mean > half (ties false). f32, f16 and bf16 are rounded to nearest even, once. A NaN
 * that is written out is the positive quiet one without payload; between calls a NaN in acc may carry any. The scalar
 * variant is always built and is the oracle of the others. Pure functions: any thread. */
#ifndef ANB_TENSOR_KERNELS_H
#define ANB_TENSOR_KERNELS_H

#include "tensor/dtype.h"

/* acc[0..n) += weight * x[0..n); x has n elements of `dtype`. */
void kernel_accumulate(enum dtype dtype, double *acc, const void *x, size_t n, double weight);
/* out[0..n) = convert(acc[0..n) / divisor); returns how many of acc were NaN or infinite, in every dtype. */
size_t kernel_finish(enum dtype dtype, void *out, const double *acc, size_t n, double divisor);
void kernel_zero(double *acc, size_t n);

/* The variants, for tests and the benchmark: "scalar", "avx2", "avx512"; NULL past the end. What this CPU cannot run is
 * not listed. kernel_use(NULL) takes the best, which is the default. */
const char *kernel_variant(size_t index);
bool kernel_use(const char *variant);

#endif
