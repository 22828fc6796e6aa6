/* Eight elements at a time. Compiled for AVX-512 F, BW, DQ, VL. Conversions to integers round by the processor's mode,
 * to nearest even; a float is rounded to odd by cutting and setting the last bit where something was cut. */
#include "tensor/kernels_private.h"

#include <immintrin.h>
#include <math.h>

#define KERNELS_NAME kernels_avx512
#define KERNELS_WORD "avx512"
enum { LANES = 8 };
typedef __m512d vector;

static inline vector sums_load(const double *acc)
{
    return _mm512_loadu_pd(acc);
}

static inline void sums_store(double *acc, vector sums)
{
    _mm512_storeu_pd(acc, sums);
}

static inline vector spread(double x)
{
    return _mm512_set1_pd(x);
}

static inline vector multiply(vector a, vector b)
{
    return _mm512_mul_pd(a, b);
}

static inline vector add(vector a, vector b)
{
    return _mm512_add_pd(a, b);
}

static inline vector divide(vector a, vector b)
{
    return _mm512_div_pd(a, b);
}

static inline size_t count_bad(vector sums)
{
    __mmask8 bad = _mm512_cmp_pd_mask(_mm512_abs_pd(sums), spread(INFINITY), _CMP_NLT_UQ);
    return (size_t)__builtin_popcount(bad);
}

static inline vector from_F64(const char *in)
{
    return _mm512_loadu_pd(in);
}

static inline vector from_F32(const char *in)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps((const float *)in));
}

static inline vector from_F16(const char *in)
{
    return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)in)));
}

static inline vector from_BF16(const char *in)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)in));
    return _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
}

static inline vector from_I64(const char *in)
{
    return _mm512_cvtepi64_pd(_mm512_loadu_si512(in));
}

static inline vector from_I32(const char *in)
{
    return _mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i *)in));
}

static inline vector from_I16(const char *in)
{
    return _mm512_cvtepi32_pd(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)in)));
}

static inline vector from_I8(const char *in)
{
    return _mm512_cvtepi32_pd(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)in)));
}

static inline vector from_U8(const char *in)
{
    return _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)in)));
}

static inline vector from_BOOL(const char *in)
{
    __m128i ones = _mm_min_epu8(_mm_loadl_epi64((const __m128i *)in), _mm_set1_epi8(1));
    return _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(ones));
}

/* Every NaN becomes the one that is written out. */
static inline vector with_plain_nan(vector q)
{
    return _mm512_mask_mov_pd(q, _mm512_cmp_pd_mask(q, q, _CMP_UNORD_Q), spread(NAN));
}

static inline __m256i floats_rounded_to_odd(vector q)
{
    __m256 cut = _mm512_cvt_roundpd_ps(with_plain_nan(q), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    __mmask8 inexact = _mm512_cmp_pd_mask(_mm512_cvtps_pd(cut), q, _CMP_NEQ_OQ);
    __m256i bits = _mm256_castps_si256(cut);
    return _mm256_mask_or_epi32(bits, inexact, bits, _mm256_set1_epi32(1));
}

/* NaN as 0. */
static inline vector held(vector q, double least, double most)
{
    vector numbers = _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(q, q, _CMP_ORD_Q), q);
    return _mm512_min_pd(_mm512_max_pd(numbers, spread(least)), spread(most));
}

static inline void to_F64(char *out, vector q)
{
    _mm512_storeu_pd(out, with_plain_nan(q));
}

static inline void to_F32(char *out, vector q)
{
    _mm256_storeu_ps((float *)out, _mm512_cvtpd_ps(with_plain_nan(q)));
}

static inline void to_F16(char *out, vector q)
{
    __m256 odd = _mm256_castsi256_ps(floats_rounded_to_odd(q));
    _mm_storeu_si128((__m128i *)out, _mm256_cvtps_ph(odd, _MM_FROUND_TO_NEAREST_INT));
}

static inline void to_BF16(char *out, vector q)
{
    __m256i bits = floats_rounded_to_odd(q);
    __m256i odd_place = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(bits, _mm256_add_epi32(odd_place, _mm256_set1_epi32(0x7fff)));
    _mm_storeu_si128((__m128i *)out, _mm256_cvtepi32_epi16(_mm256_srli_epi32(bits, 16)));
}

/* Below the range the processor itself gives INT64_MIN. */
static inline void to_I64(char *out, vector q)
{
    vector numbers = _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(q, q, _CMP_ORD_Q), q);
    __mmask8 above = _mm512_cmp_pd_mask(q, spread(0x1p63), _CMP_GE_OQ);
    __m512i whole = _mm512_cvtpd_epi64(numbers);
    _mm512_storeu_si512(out, _mm512_mask_mov_epi64(whole, above, _mm512_set1_epi64(INT64_MAX)));
}

static inline void to_I32(char *out, vector q)
{
    _mm256_storeu_si256((__m256i *)out, _mm512_cvtpd_epi32(held(q, INT32_MIN, INT32_MAX)));
}

static inline void to_I16(char *out, vector q)
{
    __m256i whole = _mm512_cvtpd_epi32(held(q, INT16_MIN, INT16_MAX));
    _mm_storeu_si128((__m128i *)out, _mm256_cvtepi32_epi16(whole));
}

static inline void to_I8(char *out, vector q)
{
    __m256i whole = _mm512_cvtpd_epi32(held(q, INT8_MIN, INT8_MAX));
    _mm_storel_epi64((__m128i *)out, _mm256_cvtepi32_epi8(whole));
}

static inline void to_U8(char *out, vector q)
{
    __m256i whole = _mm512_cvtpd_epi32(held(q, 0, UINT8_MAX));
    _mm_storel_epi64((__m128i *)out, _mm256_cvtepi32_epi8(whole));
}

static inline void to_BOOL(char *out, vector q)
{
    __mmask8 truth = _mm512_cmp_pd_mask(q, spread(0.5), _CMP_GT_OQ);
    _mm_storel_epi64((__m128i *)out, _mm_maskz_mov_epi8(truth, _mm_set1_epi8(1)));
}

#include "tensor/kernels_loops.h"
