/* Four elements at a time. Compiled for AVX2 and F16C. Conversions to integers round by the processor's mode, to
 * nearest even. What AVX2 lacks, the conversions of 64-bit integers, is made from what it has. */
#include "tensor/kernels_private.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define KERNELS_NAME kernels_avx2
#define KERNELS_WORD "avx2"
enum { LANES = 4 };
typedef __m256d vector;

static inline vector sums_load(const double *acc)
{
    return _mm256_loadu_pd(acc);
}

static inline void sums_store(double *acc, vector sums)
{
    _mm256_storeu_pd(acc, sums);
}

static inline vector spread(double x)
{
    return _mm256_set1_pd(x);
}

static inline vector multiply(vector a, vector b)
{
    return _mm256_mul_pd(a, b);
}

static inline vector add(vector a, vector b)
{
    return _mm256_add_pd(a, b);
}

static inline vector divide(vector a, vector b)
{
    return _mm256_div_pd(a, b);
}

static inline vector magnitude(vector a)
{
    return _mm256_andnot_pd(spread(-0.0), a);
}

static inline size_t count_bad(vector sums)
{
    vector bad = _mm256_cmp_pd(magnitude(sums), spread(INFINITY), _CMP_NLT_UQ);
    return (size_t)__builtin_popcount((unsigned)_mm256_movemask_pd(bad));
}

static inline __m128i load_4_bytes(const char *in)
{
    int32_t bytes;
    memcpy(&bytes, in, sizeof bytes);
    return _mm_cvtsi32_si128(bytes);
}

static inline void store_4_bytes(char *out, __m128i low)
{
    int32_t bytes = _mm_cvtsi128_si32(low);
    memcpy(out, &bytes, sizeof bytes);
}

static inline vector from_F64(const char *in)
{
    return _mm256_loadu_pd((const double *)in);
}

static inline vector from_F32(const char *in)
{
    return _mm256_cvtps_pd(_mm_loadu_ps((const float *)in));
}

static inline vector from_F16(const char *in)
{
    return _mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)in)));
}

static inline vector from_BF16(const char *in)
{
    __m128i wide = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)in));
    return _mm256_cvtps_pd(_mm_castsi128_ps(_mm_slli_epi32(wide, 16)));
}

/* The lower half as the last bits of 2^52, the upper (its sign turned over) as those of 2^84. Taking the constants away
 * from the upper one is exact, so only the last addition rounds. */
static inline vector from_I64(const char *in)
{
    const __m256i lower_frame = _mm256_set1_epi64x(0x4330000000000000); /* 2^52 */
    const __m256i upper_frame = _mm256_set1_epi64x(0x4530000080000000); /* 2^84 + 2^63 */
    __m256i x = _mm256_loadu_si256((const __m256i *)in);
    __m256i lower = _mm256_blend_epi32(lower_frame, x, 0x55);
    __m256i upper = _mm256_xor_si256(_mm256_srli_epi64(x, 32), upper_frame);
    vector exact = _mm256_sub_pd(_mm256_castsi256_pd(upper), spread(0x1p84 + 0x1p63 + 0x1p52));
    return _mm256_add_pd(exact, _mm256_castsi256_pd(lower));
}

static inline vector from_I32(const char *in)
{
    return _mm256_cvtepi32_pd(_mm_loadu_si128((const __m128i *)in));
}

static inline vector from_I16(const char *in)
{
    return _mm256_cvtepi32_pd(_mm_cvtepi16_epi32(_mm_loadl_epi64((const __m128i *)in)));
}

static inline vector from_I8(const char *in)
{
    return _mm256_cvtepi32_pd(_mm_cvtepi8_epi32(load_4_bytes(in)));
}

static inline vector from_U8(const char *in)
{
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(load_4_bytes(in)));
}

static inline vector from_BOOL(const char *in)
{
    __m128i ones = _mm_min_epu8(load_4_bytes(in), _mm_set1_epi8(1));
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(ones));
}

/* Every NaN becomes the one that is written out. */
static inline vector with_plain_nan(vector q)
{
    return _mm256_blendv_pd(q, spread(NAN), _mm256_cmp_pd(q, q, _CMP_UNORD_Q));
}

/* Four masks of 64 bits as masks of 32. */
static inline __m128i narrow(vector mask)
{
    __m256 halves = _mm256_castpd_ps(mask);
    __m128 even = _mm_shuffle_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1), 0x88);
    return _mm_castps_si128(even);
}

/* As in the scalar kernels: one step to zero where the nearest float is too large, the last bit set where it is not q.
 * A mask is -1 where it holds. */
static inline __m128i floats_rounded_to_odd(vector q)
{
    __m128 nearest = _mm256_cvtpd_ps(with_plain_nan(q));
    vector back = _mm256_cvtps_pd(nearest);
    __m128i inexact = narrow(_mm256_cmp_pd(back, q, _CMP_NEQ_OQ));
    __m128i too_large = narrow(_mm256_cmp_pd(magnitude(back), magnitude(q), _CMP_GT_OQ));
    __m128i cut = _mm_add_epi32(_mm_castps_si128(nearest), too_large);
    return _mm_or_si128(cut, _mm_srli_epi32(inexact, 31));
}

static inline vector zero_for_nan(vector q)
{
    return _mm256_and_pd(q, _mm256_cmp_pd(q, q, _CMP_ORD_Q));
}

static inline __m128i held(vector q, double least, double most)
{
    return _mm256_cvtpd_epi32(_mm256_min_pd(_mm256_max_pd(zero_for_nan(q), spread(least)), spread(most)));
}

static inline void to_F64(char *out, vector q)
{
    _mm256_storeu_pd((double *)out, with_plain_nan(q));
}

static inline void to_F32(char *out, vector q)
{
    _mm_storeu_ps((float *)out, _mm256_cvtpd_ps(with_plain_nan(q)));
}

static inline void to_F16(char *out, vector q)
{
    __m128 odd = _mm_castsi128_ps(floats_rounded_to_odd(q));
    _mm_storel_epi64((__m128i *)out, _mm_cvtps_ph(odd, _MM_FROUND_TO_NEAREST_INT));
}

static inline void to_BF16(char *out, vector q)
{
    __m128i bits = floats_rounded_to_odd(q);
    __m128i odd_place = _mm_and_si128(_mm_srli_epi32(bits, 16), _mm_set1_epi32(1));
    bits = _mm_srli_epi32(_mm_add_epi32(bits, _mm_add_epi32(odd_place, _mm_set1_epi32(0x7fff))), 16);
    _mm_storel_epi64((__m128i *)out, _mm_packus_epi32(bits, bits));
}

/* Below the range the processor itself gives INT64_MIN. */
static inline void to_I64(char *out, vector q)
{
    double lanes[LANES];
    _mm256_storeu_pd(lanes, zero_for_nan(q));
    for (int i = 0; i < LANES; i++) {
        int64_t whole = lanes[i] >= 0x1p63 ? INT64_MAX : _mm_cvtsd_si64(_mm_set_sd(lanes[i]));
        memcpy(out + i * sizeof whole, &whole, sizeof whole);
    }
}

static inline void to_I32(char *out, vector q)
{
    _mm_storeu_si128((__m128i *)out, held(q, INT32_MIN, INT32_MAX));
}

static inline void to_I16(char *out, vector q)
{
    __m128i whole = held(q, INT16_MIN, INT16_MAX);
    _mm_storel_epi64((__m128i *)out, _mm_packs_epi32(whole, whole));
}

static inline void to_I8(char *out, vector q)
{
    __m128i whole = held(q, INT8_MIN, INT8_MAX), halves = _mm_packs_epi32(whole, whole);
    store_4_bytes(out, _mm_packs_epi16(halves, halves));
}

static inline void to_U8(char *out, vector q)
{
    __m128i whole = held(q, 0, UINT8_MAX), halves = _mm_packs_epi32(whole, whole);
    store_4_bytes(out, _mm_packus_epi16(halves, halves));
}

static inline void to_BOOL(char *out, vector q)
{
    __m128i truth = narrow(_mm256_cmp_pd(q, spread(0.5), _CMP_GT_OQ));
    __m128i ones = _mm_srli_epi32(truth, 31), halves = _mm_packs_epi32(ones, ones);
    store_4_bytes(out, _mm_packs_epi16(halves, halves));
}

#include "tensor/kernels_loops.h"
