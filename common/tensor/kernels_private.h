/* One set of kernels for each instruction set. kernels.c picks among them; kernels_x86.c or kernels_generic.c lists
 * what this processor family has. Constant data: any thread. */
#ifndef ANB_TENSOR_KERNELS_PRIVATE_H
#define ANB_TENSOR_KERNELS_PRIVATE_H

#include "tensor/kernels.h"

typedef void kernel_accumulate_function(double *acc, const void *x, size_t n, double weight);
typedef size_t kernel_finish_function(void *out, const double *acc, size_t n, double divisor);

struct kernel_set {
    const char *name;
    kernel_accumulate_function *accumulate[N_DTYPES];
    kernel_finish_function *finish[N_DTYPES];
};

extern const struct kernel_set kernels_scalar, kernels_avx2, kernels_avx512;

/* The `index`th set that runs on this CPU, slowest first; NULL past the end. Index 0 is the scalar one. */
const struct kernel_set *kernel_set_at(size_t index);

#endif
