/* Small models for tests: a layout of several dtypes and values from a seed, in a memfd that holds a safetensors image.
 */
#ifndef ANB_TEST_SUPPORT_MODEL_H
#define ANB_TEST_SUPPORT_MODEL_H

#include "tensor/layout.h"

struct test_model {
    struct layout *layout;
    int fd;
    int64_t data_offset;
    unsigned char *data; /* the data section, in memory too */
};

/* Tensors f32[n], bf16[n / 2 + 1], i32[5], u8[3], f64[n / 4 + 1], f32[] in this order: boundaries fall anywhere. */
struct test_model test_model_mixed(int64_t n, uint64_t seed);
/* One f32[n] of small integers, so that sums are exact. */
struct test_model test_model_integers(int64_t n, uint64_t seed);
void test_model_free(struct test_model *model);

/* What FedAvg must give: the slow, obvious way. `out` has layout_data_bytes bytes. */
void test_fedavg(const struct test_model *models, const double *weights, size_t n_models, unsigned char *out);

#endif
