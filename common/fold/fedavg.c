/* FedAvg: the weighted mean of the sites' models. B. McMahan et al., "Communication-Efficient Learning of Deep Networks
 * from Decentralized Data", 2017, arXiv 1602.05629, algorithm 1: w = sum n_k w_k / sum n_k.
 *
 * State: none. Products and sums are in double, in the order of the inputs, one division at the end. Where inputs are
 * changes (DIFF), the caller adds the base with their weight: (sum_full n_k w_k + sum_diff n_k D_k + N_diff w_t) / N.
 * An int8 input comes block by block with weight * scale. */
#include "fold/rules.h"
#include "tensor/kernels.h"

static void add(double *sums, enum dtype dtype, const void *input, size_t n, double weight)
{
    kernel_accumulate(dtype, sums, input, n, weight);
}

static size_t finish(enum dtype dtype, void *out, const double *sums, size_t n, double total_weight)
{
    return kernel_finish(dtype, out, sums, n, total_weight);
}

const struct fold_rule fold_fedavg = {"fedavg", add, finish};
