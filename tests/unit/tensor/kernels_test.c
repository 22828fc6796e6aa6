/* The scalar kernels against facts computed another way, then every variant against the scalar ones, bit for bit. */
#include "tensor/kernels.h"

#include "base/doc.h"
#include "base/file.h"
#include "base/id.h"
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A generator of our own, so that a failure can be run again (splitmix64). */
static uint64_t state;

static uint64_t draw(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static double double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double as_double(enum dtype dtype, const void *element)
{
    double acc = 0;
    kernel_accumulate(dtype, &acc, element, 1, 1);
    return acc;
}

static uint16_t finish_16(enum dtype dtype, double value)
{
    uint16_t out;
    kernel_finish(dtype, &out, &value, 1, 1);
    return out;
}

/* What the 16-bit pattern means by the definition of the format, with `bits` of mantissa. */
static double meaning(uint16_t pattern, int mantissa_bits)
{
    int exponent_bits = 15 - mantissa_bits, bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (pattern & 0x7fff) >> mantissa_bits;
    double fraction = ldexp(pattern & ((1 << mantissa_bits) - 1), -mantissa_bits);
    double value = exponent ? ldexp(1 + fraction, exponent - bias) : ldexp(fraction, 1 - bias);
    return pattern & 0x8000 ? -value : value;
}

/* Every finite value gives itself, both signs; what lies between two neighbours goes to the nearer, and the middle to
 * the even one; above the middle between the last and the power of two behind it stands infinity. */
static void check_every_value_and_midpoint(enum dtype dtype, int mantissa_bits)
{
    uint16_t infinity = (uint16_t)(0x7fff >> mantissa_bits << mantissa_bits);
    for (uint32_t i = 0; i < infinity; i++) {
        uint16_t pattern = (uint16_t)i, next = (uint16_t)(i + 1), even = i % 2 ? next : pattern;
        double value = meaning(pattern, mantissa_bits), above = meaning(next, mantissa_bits);
        double middle = value + (above - value) / 2;
        bool right = as_double(dtype, &pattern) == value && finish_16(dtype, value) == pattern &&
                     finish_16(dtype, -value) == (pattern | 0x8000) && finish_16(dtype, middle) == even &&
                     finish_16(dtype, -middle) == (even | 0x8000) &&
                     finish_16(dtype, nextafter(middle, 0)) == pattern &&
                     finish_16(dtype, nextafter(middle, INFINITY)) == next;
        if (!right) printf("  %s pattern %04x\n", dtype_word(dtype), (unsigned)pattern);
        CHECK(right);
    }
    CHECK_EQUAL(finish_16(dtype, DBL_MAX), infinity);
    CHECK_EQUAL(finish_16(dtype, -INFINITY), infinity | 0x8000);
    CHECK_EQUAL(finish_16(dtype, DBL_TRUE_MIN), 0);
    CHECK_EQUAL(finish_16(dtype, -DBL_TRUE_MIN), 0x8000);
}

static void every_f16_and_every_midpoint_rounds_to_nearest_even(void)
{
    for (size_t i = 0; kernel_variant(i); i++) {
        kernel_use(kernel_variant(i));
        check_every_value_and_midpoint(DTYPE_F16, 10);
    }
    kernel_use(NULL);
}

static void every_bf16_and_every_midpoint_rounds_to_nearest_even(void)
{
    for (size_t i = 0; kernel_variant(i); i++) {
        kernel_use(kernel_variant(i));
        check_every_value_and_midpoint(DTYPE_BF16, 7);
    }
    kernel_use(NULL);
}

static void check_integer(enum dtype dtype, double value, int64_t expected)
{
    int64_t out = 0;
    kernel_finish(dtype, &out, &value, 1, 1);
    if (dtype == DTYPE_I32) out = (int32_t)out;
    if (dtype == DTYPE_I16) out = (int16_t)out;
    if (dtype == DTYPE_I8) out = (int8_t)out;
    if (out != expected) printf("  %s of %.17g: %lld\n", dtype_word(dtype), value, (long long)out);
    CHECK_EQUAL(out, expected);
}

static void integers_are_rounded_half_to_even(void)
{
    static const enum dtype types[] = {DTYPE_I64, DTYPE_I32, DTYPE_I16, DTYPE_I8};
    for (int i = 0; i < 4; i++) {
        check_integer(types[i], 0.5, 0);
        check_integer(types[i], 1.5, 2);
        check_integer(types[i], 2.5, 2);
        check_integer(types[i], nextafter(2.5, 3), 3);
        check_integer(types[i], -0.5, 0);
        check_integer(types[i], -1.5, -2);
        check_integer(types[i], -2.5, -2);
    }
    check_integer(DTYPE_U8, 0.5, 0);
    check_integer(DTYPE_U8, 254.5, 254);
}

static void integers_are_held_to_their_range_and_nan_is_zero(void)
{
    static const struct {
        enum dtype dtype;
        int64_t least, most;
    } ranges[] = {{DTYPE_I64, INT64_MIN, INT64_MAX},
                  {DTYPE_I32, INT32_MIN, INT32_MAX},
                  {DTYPE_I16, INT16_MIN, INT16_MAX},
                  {DTYPE_I8, INT8_MIN, INT8_MAX},
                  {DTYPE_U8, 0, UINT8_MAX}};
    for (int i = 0; i < 5; i++) {
        check_integer(ranges[i].dtype, INFINITY, ranges[i].most);
        check_integer(ranges[i].dtype, -INFINITY, ranges[i].least);
        check_integer(ranges[i].dtype, 1e300, ranges[i].most);
        check_integer(ranges[i].dtype, -1e300, ranges[i].least);
        check_integer(ranges[i].dtype, (double)ranges[i].most + 0.5, ranges[i].most);
        check_integer(ranges[i].dtype, (double)ranges[i].least - 0.5, ranges[i].least);
        check_integer(ranges[i].dtype, NAN, 0);
    }
    check_integer(DTYPE_I64, 0x1.fffffffffffffp62, INT64_MAX - 1023);
}

static void bool_is_true_above_a_half_only_and_any_set_byte_counts_as_one(void)
{
    const double acc[] = {0, 0.5, 0.5000000000000001, 1, -1, NAN, INFINITY, 0.49};
    unsigned char out[8];
    kernel_finish(DTYPE_BOOL, out, acc, 8, 1);
    static const unsigned char expected[] = {0, 0, 1, 1, 0, 0, 1, 0};
    CHECK(memcmp(out, expected, sizeof out) == 0);
    const unsigned char bytes[] = {0, 1, 2, 255};
    double sums[4] = {0};
    kernel_accumulate(DTYPE_BOOL, sums, bytes, 4, 3);
    CHECK(sums[0] == 0 && sums[1] == 3 && sums[2] == 3 && sums[3] == 3);
}

static void product_and_sum_are_rounded_one_after_the_other(void)
{
    const double x = 1 + 0x1p-30, weight = 1 - 0x1p-30; /* exact product 1 - 2^-60 */
    double acc[9], out[9];
    double elements[9];
    for (size_t v = 0; kernel_variant(v); v++) {
        kernel_use(kernel_variant(v));
        for (int i = 0; i < 9; i++) acc[i] = -1, elements[i] = x;
        kernel_accumulate(DTYPE_F64, acc, elements, 9, weight);
        for (int i = 0; i < 9; i++) CHECK(acc[i] == 0); /* fused, it would be -2^-60 */
        for (int i = 0; i < 9; i++) acc[i] = 1;
        kernel_finish(DTYPE_F64, out, acc, 9, 3);
        for (int i = 0; i < 9; i++) CHECK(out[i] == 1.0 / 3.0); /* a division, not a reciprocal */
    }
    kernel_use(NULL);
}

static void nan_and_infinity_are_counted_in_every_dtype(void)
{
    double acc[23];
    unsigned char out[23 * 8];
    for (size_t v = 0; kernel_variant(v); v++) {
        kernel_use(kernel_variant(v));
        for (int i = 0; i < 23; i++) acc[i] = i;
        acc[0] = NAN, acc[9] = -INFINITY, acc[22] = INFINITY, acc[21] = DBL_MAX;
        for (int dtype = 0; dtype < N_DTYPES; dtype++)
            CHECK_EQUAL(kernel_finish((enum dtype)dtype, out, acc, 23, 2), 3);
    }
    kernel_use(NULL);
}

static void every_nan_that_goes_out_has_the_same_bits(void)
{
    double acc = double_of_bits(0xfff0000000001234);
    uint64_t f64 = 0;
    uint32_t f32 = 0;
    CHECK_EQUAL(kernel_finish(DTYPE_F64, &f64, &acc, 1, 1), 1);
    CHECK_EQUAL(f64, 0x7ff8000000000000);
    kernel_finish(DTYPE_F32, &f32, &acc, 1, 1);
    CHECK_EQUAL(f32, 0x7fc00000);
    CHECK_EQUAL(finish_16(DTYPE_F16, acc), 0x7e00);
    CHECK_EQUAL(finish_16(DTYPE_BF16, acc), 0x7fc0);
}

enum { VECTOR_BYTES = 4096 };

static size_t bytes_of_hex(const struct doc *hex, unsigned char bytes[VECTOR_BYTES])
{
    const char *text = doc_text(hex, "");
    size_t size = strlen(text) / 2;
    REQUIRE(size > 0 && size <= VECTOR_BYTES && hex_decode(text, bytes, size));
    return size;
}

static void check_vector(const struct doc *vector, const struct doc *weights)
{
    double sums[VECTOR_BYTES], total = 0;
    unsigned char bytes[VECTOR_BYTES], output[VECTOR_BYTES];
    size_t n = (size_t)doc_int(doc_get(vector, "elements"), 0);
    enum dtype dtype = N_DTYPES;
    REQUIRE(n <= VECTOR_BYTES / 8 && dtype_parse(doc_text(doc_get(vector, "dtype"), ""), &dtype));
    kernel_zero(sums, n);
    for (size_t site = 0; site < doc_size(weights); site++) {
        double weight = doc_real(doc_at(weights, site), 0);
        REQUIRE(bytes_of_hex(doc_at(doc_get(vector, "inputs"), site), bytes) == n * dtype_bytes(dtype));
        kernel_accumulate(dtype, sums, bytes, n, weight);
        total += weight;
    }
    REQUIRE(bytes_of_hex(doc_get(vector, "output"), bytes) == n * dtype_bytes(dtype));
    CHECK_EQUAL(kernel_finish(dtype, output, sums, n, total), (size_t)doc_int(doc_get(vector, "nonfinite"), -1));
    CHECK(memcmp(output, bytes, n * dtype_bytes(dtype)) == 0);
}

static void weighted_means_are_those_that_numpy_computes(void)
{
    struct buf text;
    struct doc *vectors = NULL;
    buf_init(&text, 1 << 20);
    CHECK_STATUS(file_read("tests/vectors/fedavg.json", &text, &test_error), ANB_OK);
    CHECK_STATUS(doc_parse_json(buf_slice(&text), "fedavg.json", &vectors, &test_error), ANB_OK);
    const struct doc *cases = doc_get(vectors, "cases");
    CHECK_EQUAL(doc_size(cases), N_DTYPES);
    for (size_t v = 0; kernel_variant(v); v++) {
        kernel_use(kernel_variant(v));
        for (size_t i = 0; i < doc_size(cases); i++) check_vector(doc_at(cases, i), doc_get(vectors, "weights"));
    }
    kernel_use(NULL);
    doc_free(vectors);
    buf_fini(&text);
}

enum { LONGEST = 71, ROUNDS = 3000 };

/* Sums that stress every path: any bits at all, ordinary sizes, ties, the edges of the small types. */
static double any_sum(void)
{
    uint64_t bits = draw();
    double unit = (double)(int64_t)draw() * 0x1p-63;
    switch (bits % 6) {
    case 0: return double_of_bits(draw());
    case 1: return unit;
    case 2: return rint(unit * 400) / 2;
    case 3: return unit * 70000;
    case 4: return ldexp(unit, (int)(bits >> 8 & 511) - 256);
    default: return ldexp(rint(unit * 4096), (int)(bits >> 8 & 127) - 140);
    }
}

static bool same_sums(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

static bool accumulates_alike(const char *variant, enum dtype dtype)
{
    double expected[LONGEST + 1], got[LONGEST + 1];
    unsigned char bytes[LONGEST * 8 + 16];
    size_t n = draw() % LONGEST, shift = draw() % 9;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)draw();
    for (size_t i = 0; i <= n; i++) expected[i] = got[i] = any_sum();
    double weight = any_sum();
    kernel_use("scalar");
    kernel_accumulate(dtype, expected, bytes + shift, n, weight);
    kernel_use(variant);
    kernel_accumulate(dtype, got, bytes + shift, n, weight);
    return same_sums(expected, got, n + 1); /* the one behind the end stays */
}

static bool finishes_alike(const char *variant, enum dtype dtype)
{
    double acc[LONGEST];
    unsigned char expected[LONGEST * 8 + 16], got[LONGEST * 8 + 16];
    size_t n = draw() % LONGEST, shift = draw() % 9;
    for (size_t i = 0; i < n; i++) acc[i] = any_sum();
    memset(expected, 0xaa, sizeof expected);
    memset(got, 0xaa, sizeof got);
    double divisor = draw() % 4 ? (double)(draw() % 1000) : any_sum();
    kernel_use("scalar");
    size_t n_expected = kernel_finish(dtype, expected + shift, acc, n, divisor);
    kernel_use(variant);
    size_t n_got = kernel_finish(dtype, got + shift, acc, n, divisor);
    return n_expected == n_got && memcmp(expected, got, sizeof got) == 0;
}

static void check_alike(bool (*alike)(const char *variant, enum dtype dtype))
{
    for (size_t v = 0; kernel_variant(v); v++) {
        for (int dtype = 0; dtype < N_DTYPES; dtype++) {
            int n_wrong = 0;
            state = 20261124;
            for (int round = 0; round < ROUNDS; round++) n_wrong += !alike(kernel_variant(v), (enum dtype)dtype);
            if (n_wrong) printf("  %s %s: %d wrong\n", kernel_variant(v), dtype_word((enum dtype)dtype), n_wrong);
            CHECK_EQUAL(n_wrong, 0);
        }
    }
    kernel_use(NULL);
}

static void every_variant_accumulates_the_bits_of_the_scalar_one(void)
{
    check_alike(accumulates_alike);
}

static void every_variant_finishes_the_bits_of_the_scalar_one(void)
{
    check_alike(finishes_alike);
}

static void unknown_variant_is_refused_and_the_first_is_scalar(void)
{
    CHECK(!kernel_use("mmx"));
    CHECK(kernel_use(NULL));
    CHECK_TEXT(kernel_variant(0), "scalar");
}

static void zero_clears_and_takes_no_elements(void)
{
    double acc[3] = {1, 2, 3};
    kernel_zero(acc, 2);
    CHECK(acc[0] == 0 && acc[1] == 0 && acc[2] == 3);
    kernel_zero(NULL, 0);
    for (int dtype = 0; dtype < N_DTYPES; dtype++) {
        kernel_accumulate((enum dtype)dtype, NULL, NULL, 0, 1);
        CHECK_EQUAL(kernel_finish((enum dtype)dtype, NULL, NULL, 0, 1), 0);
    }
}

TEST_MAIN("kernels", TEST(every_f16_and_every_midpoint_rounds_to_nearest_even),
          TEST(every_bf16_and_every_midpoint_rounds_to_nearest_even), TEST(integers_are_rounded_half_to_even),
          TEST(integers_are_held_to_their_range_and_nan_is_zero),
          TEST(bool_is_true_above_a_half_only_and_any_set_byte_counts_as_one),
          TEST(product_and_sum_are_rounded_one_after_the_other), TEST(nan_and_infinity_are_counted_in_every_dtype),
          TEST(every_nan_that_goes_out_has_the_same_bits), TEST(weighted_means_are_those_that_numpy_computes),
          TEST(every_variant_accumulates_the_bits_of_the_scalar_one),
          TEST(every_variant_finishes_the_bits_of_the_scalar_one),
          TEST(unknown_variant_is_refused_and_the_first_is_scalar), TEST(zero_clears_and_takes_no_elements))
