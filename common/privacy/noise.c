#include "privacy/noise.h"

#include <math.h>
#include <string.h>

enum { STEP = 64 };

#define WHOLE 0x1p63L

/* exp(-k^2 / 2 s^2) */
static long double mass(int k)
{
    long double x = (long double)k / NOISE_TABLE_DEVIATION;
    return expl(-x * x / 2);
}

void noise_table_init(struct noise_table *table)
{
    long double total = mass(0), sum = mass(0);
    for (int k = NOISE_TABLE_SIZE - 1; k > 0; k--) total += 2 * mass(k); /* smallest first */
    for (int k = 0; k < NOISE_TABLE_SIZE; k++) {
        if (k > 0) sum += 2 * mass(k);
        long double below = sum / total * WHOLE;
        table->below[k] = below < WHOLE ? (uint64_t)below : (uint64_t)1 << 63;
    }
    table->below[NOISE_TABLE_SIZE - 1] = (uint64_t)1 << 63;
    int k = 0;
    for (uint64_t cell = 0; cell < 1 << NOISE_GUIDE_BITS; cell++) {
        while (table->below[k] <= cell << (63 - NOISE_GUIDE_BITS)) k++;
        table->guide[cell] = (uint16_t)k;
    }
}

/* The least k with u < below[k]: the guide knows one that is not above it. */
int32_t noise_of_table(const struct noise_table *table, uint64_t bits)
{
    uint64_t u = bits >> 1;
    int32_t k = table->guide[u >> (63 - NOISE_GUIDE_BITS)];
    while (u >= table->below[k]) k++;
    return bits & 1 ? -k : k;
}

void noise_draw(const struct noise_table *table, const unsigned char *random, int32_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits[3];
        memcpy(bits, random + i * NOISE_BYTES, sizeof bits);
        out[i] = STEP * STEP * noise_of_table(table, bits[0]) + STEP * noise_of_table(table, bits[1]) +
                 noise_of_table(table, bits[2]);
    }
}
