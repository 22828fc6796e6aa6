/* Gaussian noise in whole numbers, from random bytes.
 *
 * The numbers follow the discrete Gaussian of Canonne, Kamath and Steinke (2020, arXiv 2004.00010), P(y) proportional
 * to exp(-y^2 / 2 S^2), S = NOISE_DEVIATION. Noise in whole numbers on values that are whole numbers of grid steps adds
 * without rounding, so the low bits of a result say nothing about the value (Mironov 2012 broke Laplace noise in
 * floating point that way). A number is 64 * 64 * a + 64 * b + c with a, b, c of deviation 128, each from a table of 63
 * bits and a sign; that such a sum is a discrete Gaussian again, within a factor of 1 +- 2^-100, is shown in
 * docs/privacy.md. NOISE_DISTANCE bounds the statistical distance of one number from the ideal one. Pure: any thread.
 */
#ifndef ANB_PRIVACY_NOISE_H
#define ANB_PRIVACY_NOISE_H

#include <stddef.h>
#include <stdint.h>

#define NOISE_DEVIATION 524352.0117173195 /* 128 * sqrt(64^4 + 64^2 + 1) */
#define NOISE_DISTANCE 0x1p-52

enum { NOISE_BYTES = 24, NOISE_TABLE_DEVIATION = 128, NOISE_TABLE_SIZE = 1280, NOISE_GUIDE_BITS = 12 };

struct noise_table {
    uint64_t below[NOISE_TABLE_SIZE]; /* 2^63 * P(|a| <= k) */
    uint16_t guide[1 << NOISE_GUIDE_BITS];
};

void noise_table_init(struct noise_table *table);
/* n numbers from n * NOISE_BYTES uniform bytes. */
void noise_draw(const struct noise_table *table, const unsigned char *random, int32_t *out, size_t n);
/* One number of the table, from 64 bits; for tests. */
int32_t noise_of_table(const struct noise_table *table, uint64_t bits);

#endif
