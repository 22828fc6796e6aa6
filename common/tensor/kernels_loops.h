/* The loops of a vector variant, made from its pieces. The file that includes this has defined
 *
 *     KERNELS_NAME   of its kernel_set, and KERNELS_WORD, the variant's word
 *     vector         the type that holds LANES doubles; sums_load, sums_store, spread (one double to all lanes),
 *                    multiply, add, divide, count_bad (lanes that are NaN or infinite)
 *     from_T(bytes)  LANES elements of dtype T as doubles; to_T(bytes, vector) the way back; T as in ANB_DTYPE_LIST
 *
 * and gets its kernel_set. What is left behind the last whole vector is done by the scalar kernels. No include guard:
 * it is meant for one place in each variant. */

#define KERNELS(code, word, bytes)                                                                                     \
    static void accumulate_##code(double *acc, const void *x, size_t n, double weight)                                 \
    {                                                                                                                  \
        const char *in = x;                                                                                            \
        size_t i = 0;                                                                                                  \
        for (; n - i >= LANES; i += LANES) {                                                                           \
            vector product = multiply(spread(weight), from_##code(in + i * (bytes)));                                  \
            sums_store(acc + i, add(sums_load(acc + i), product));                                                     \
        }                                                                                                              \
        if (i < n) kernels_scalar.accumulate[DTYPE_##code](acc + i, in + i * (bytes), n - i, weight);                  \
    }                                                                                                                  \
    static size_t finish_##code(void *out, const double *acc, size_t n, double divisor)                                \
    {                                                                                                                  \
        char *to = out;                                                                                                \
        size_t i = 0, n_bad = 0;                                                                                       \
        for (; n - i >= LANES; i += LANES) {                                                                           \
            vector sums = sums_load(acc + i);                                                                          \
            n_bad += count_bad(sums);                                                                                  \
            to_##code(to + i * (bytes), divide(sums, spread(divisor)));                                                \
        }                                                                                                              \
        if (i < n) n_bad += kernels_scalar.finish[DTYPE_##code](to + i * (bytes), acc + i, n - i, divisor);            \
        return n_bad;                                                                                                  \
    }

ANB_DTYPE_LIST(KERNELS)

#define ACCUMULATE(code, word, bytes) [DTYPE_##code] = accumulate_##code,
#define FINISH(code, word, bytes) [DTYPE_##code] = finish_##code,
const struct kernel_set KERNELS_NAME = {
    .name = KERNELS_WORD,
    .accumulate = {ANB_DTYPE_LIST(ACCUMULATE)},
    .finish = {ANB_DTYPE_LIST(FINISH)},
};
