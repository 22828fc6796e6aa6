/* The kernels as they are meant: one element at a time, in C alone. What the other variants do must give these bits.
 *
 * `from_T` gives an element as a double, exactly but for I64, which is rounded once. `to_T` rounds a double to the
 * element: nearest even, integers held to their range and 0 for a NaN. A NaN that goes out is always the same one, so
 * that results do not depend on how a processor carries payloads. Half and brain floats go through a float that is
 * rounded to odd: its last bit remembers that something was cut, so the second rounding is as good as a single one. */
#include "tensor/kernels_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are little-endian and are read in place");
_Static_assert(FLT_EVAL_METHOD == 0, "double arithmetic must round to double");

enum { F16_NAN = 0x7e00, F16_INFINITY = 0x7c00, BF16_NAN = 0x7fc0 };

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double from_F64(double x)
{
    return x;
}

static double from_F32(float x)
{
    return (double)x;
}

/* The bits in the places a float has for them, then the difference of the two exponents' biases made good. */
static double from_F16(uint16_t x)
{
    double magnitude = (double)float_of_bits((uint32_t)(x & 0x7fff) << 13) * 0x1p112;
    if (magnitude >= 65536) magnitude = x & 0x3ff ? NAN : INFINITY;
    return x >> 15 ? -magnitude : magnitude;
}

static double from_BF16(uint16_t x)
{
    return (double)float_of_bits((uint32_t)x << 16);
}

static double from_I64(int64_t x)
{
    return (double)x;
}

static double from_I32(int32_t x)
{
    return x;
}

static double from_I16(int16_t x)
{
    return x;
}

static double from_I8(int8_t x)
{
    return x;
}

static double from_U8(uint8_t x)
{
    return x;
}

static double from_BOOL(uint8_t x)
{
    return x != 0;
}

static double to_F64(double q)
{
    return isnan(q) ? (double)NAN : q;
}

static float to_F32(double q)
{
    return isnan(q) ? NAN : (float)q;
}

/* q is no NaN. */
static uint32_t float_rounded_to_odd(double q)
{
    float nearest = (float)q;
    uint32_t bits = bits_of_float(nearest);
    if ((double)nearest == q) return bits;
    if (fabs((double)nearest) > fabs(q)) bits--; /* one step to zero: the float that cutting gives */
    return bits | 1;
}

/* Add a half of the last place that stays, less one when that place is even; then cut. */
static uint32_t shift_to_even(uint32_t bits, int places)
{
    uint32_t half_less_one = (UINT32_C(1) << (places - 1)) - 1;
    return (bits + half_less_one + (bits >> places & 1)) >> places;
}

static uint16_t to_BF16(double q)
{
    return isnan(q) ? BF16_NAN : (uint16_t)shift_to_even(float_rounded_to_odd(q), 16);
}

/* Below 2^-14 half floats are multiples of 2^-24; above, three exponent bits less than a float has are enough. */
static uint16_t to_F16(double q)
{
    if (isnan(q)) return F16_NAN;
    uint32_t bits = float_rounded_to_odd(q);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    float magnitude = float_of_bits(bits);
    if (magnitude >= 65520) return (uint16_t)(sign | F16_INFINITY);
    if (magnitude < 0x1p-14f) return (uint16_t)(sign | (uint16_t)rint((double)magnitude * 0x1p24));
    return (uint16_t)(sign | shift_to_even(bits - (UINT32_C(112) << 23), 13));
}

static double held(double q, double least, double most)
{
    return isnan(q) ? 0 : rint(q < least ? least : q > most ? most : q);
}

static int64_t to_I64(double q)
{
    if (q >= 0x1p63) return INT64_MAX;
    return (int64_t)held(q, -0x1p63, 0x1p63);
}

static int32_t to_I32(double q)
{
    return (int32_t)held(q, INT32_MIN, INT32_MAX);
}

static int16_t to_I16(double q)
{
    return (int16_t)held(q, INT16_MIN, INT16_MAX);
}

static int8_t to_I8(double q)
{
    return (int8_t)held(q, INT8_MIN, INT8_MAX);
}

static uint8_t to_U8(double q)
{
    return (uint8_t)held(q, 0, UINT8_MAX);
}

static uint8_t to_BOOL(double q)
{
    return q > 0.5;
}

#define KERNELS(code, type)                                                                                            \
    static void accumulate_##code(double *acc, const void *x, size_t n, double weight)                                 \
    {                                                                                                                  \
        for (size_t i = 0; i < n; i++) {                                                                               \
            type element;                                                                                              \
            memcpy(&element, (const char *)x + i * sizeof element, sizeof element);                                    \
            acc[i] += weight * from_##code(element);                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    static size_t finish_##code(void *out, const double *acc, size_t n, double divisor)                                \
    {                                                                                                                  \
        size_t n_bad = 0;                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                                               \
            type element = to_##code(acc[i] / divisor);                                                                \
            memcpy((char *)out + i * sizeof element, &element, sizeof element);                                        \
            n_bad += !isfinite(acc[i]);                                                                                \
        }                                                                                                              \
        return n_bad;                                                                                                  \
    }

KERNELS(F64, double)
KERNELS(F32, float)
KERNELS(F16, uint16_t)
KERNELS(BF16, uint16_t)
KERNELS(I64, int64_t)
KERNELS(I32, int32_t)
KERNELS(I16, int16_t)
KERNELS(I8, int8_t)
KERNELS(U8, uint8_t)
KERNELS(BOOL, uint8_t)

#define X(code, word, bytes) [DTYPE_##code] = accumulate_##code,
#define Y(code, word, bytes) [DTYPE_##code] = finish_##code,
const struct kernel_set kernels_scalar = {
    .name = "scalar",
    .accumulate = {ANB_DTYPE_LIST(X)},
    .finish = {ANB_DTYPE_LIST(Y)},
};
