/* Is it Gaussian? Moments, the Kolmogorov-Smirnov distance, tails and low bits, all from a fixed seed; and the table
 * against the distribution it stands for. */
#include "privacy/noise.h"

#include "crypto/keystream.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1 << 20 };

static int32_t *drawn; /* N numbers */

static int32_t *draw(void)
{
    static const unsigned char key[KEYSTREAM_KEY_BYTES] = {7};
    struct noise_table table;
    struct keystream *keystream = NULL;
    unsigned char *random = malloc((size_t)N * NOISE_BYTES);
    int32_t *out = malloc(N * sizeof *out);
    REQUIRE(random && out && keystream_new(key, &keystream, &test_error) == ANB_OK);
    REQUIRE(keystream_read(keystream, 0, random, (size_t)N * NOISE_BYTES, &test_error) == ANB_OK);
    noise_table_init(&table);
    noise_draw(&table, random, out, N);
    keystream_free(keystream);
    free(random);
    return out;
}

static const int32_t *numbers(void)
{
    if (!drawn) drawn = draw();
    return drawn;
}

/* The count of all 64-bit words that give k, over 2^64, is the discrete Gaussian's mass. */
static void the_table_is_the_distribution(void)
{
    struct noise_table table;
    double total = 0, most = 0;
    noise_table_init(&table);
    for (int k = -2000; k <= 2000; k++) total += exp(-0.5 * k * k / (128.0 * 128));
    for (int k = 0; k < NOISE_TABLE_SIZE; k++) {
        uint64_t width = table.below[k] - (k > 0 ? table.below[k - 1] : 0);
        double expected = exp(-0.5 * k * k / (128.0 * 128)) / total * (k > 0 ? 2 : 1);
        double off = fabs((double)width * 0x1p-63 - expected);
        most = off > most ? off : most;
    }
    CHECK(most < 1e-16);
    CHECK_EQUAL(table.below[NOISE_TABLE_SIZE - 1], (uint64_t)1 << 63);
}

/* The guide only saves time: the scalar way is to search from the start. */
static void the_guide_finds_what_a_search_finds(void)
{
    struct noise_table table;
    uint64_t bits = 88172645463325252u;
    noise_table_init(&table);
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        int32_t k = 0;
        while (bits >> 1 >= table.below[k]) k++;
        CHECK_EQUAL(noise_of_table(&table, bits), bits & 1 ? -k : k);
    }
    CHECK_EQUAL(noise_of_table(&table, 0), 0);
    CHECK(abs(noise_of_table(&table, UINT64_MAX)) < NOISE_TABLE_SIZE);
}

/* Of N numbers the m-th moment is off by about sqrt(variance of x^m / N): 1, 2, 15, 96 for m = 1..4. Five of those are
 * allowed. */
static void moments_are_those_of_a_gaussian(void)
{
    double sums[5] = {0};
    for (int i = 0; i < N; i++) {
        double x = numbers()[i] / NOISE_DEVIATION, power = 1;
        for (int m = 1; m <= 4; m++) sums[m] += (power *= x);
    }
    CHECK(fabs(sums[1] / N) < 5 * sqrt(1.0 / N));
    CHECK(fabs(sums[2] / N - 1) < 5 * sqrt(2.0 / N));
    CHECK(fabs(sums[3] / N) < 5 * sqrt(15.0 / N));
    CHECK(fabs(sums[4] / N - 3) < 5 * sqrt(96.0 / N));
}

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* 1.95 / sqrt(N) is passed by one in a thousand honest samples. */
static void its_distribution_is_near_the_normal_one(void)
{
    int32_t *sorted = malloc(N * sizeof *sorted);
    double most = 0;
    REQUIRE(sorted != NULL);
    memcpy(sorted, numbers(), N * sizeof *sorted);
    qsort(sorted, N, sizeof *sorted, by_value);
    for (int i = 0; i < N; i++) {
        double cdf = 0.5 * erfc(-sorted[i] / NOISE_DEVIATION / sqrt(2));
        double off = fmax(fabs(cdf - (double)i / N), fabs(cdf - (i + 1.0) / N));
        most = off > most ? off : most;
    }
    free(sorted);
    CHECK(most < 1.95 / sqrt(N));
}

static void tails_are_as_heavy_as_they_must_be(void)
{
    int beyond[6] = {0};
    for (int i = 0; i < N; i++)
        for (int s = 1; s < 6; s++) beyond[s] += fabs(numbers()[i] / NOISE_DEVIATION) > s;
    for (int s = 1; s < 5; s++) {
        double expected = N * erfc(s / sqrt(2));
        CHECK(fabs(beyond[s] - expected) < 5 * sqrt(expected));
    }
    CHECK(beyond[5] <= 6);
}

/* What floating-point attacks look at: each of the low 6 bits is one half of the time 1, and neighbours have nothing to
 * do with each other. */
static void low_bits_and_neighbours_say_nothing(void)
{
    double together = 0;
    for (int bit = 0; bit < 6; bit++) {
        int ones = 0;
        for (int i = 0; i < N; i++) ones += numbers()[i] >> bit & 1;
        CHECK(abs(ones - N / 2) < 5 * 512);
    }
    for (int i = 1; i < N; i++) together += numbers()[i] / NOISE_DEVIATION * (numbers()[i - 1] / NOISE_DEVIATION);
    CHECK(fabs(together / N) < 5 / sqrt(N));
    free(drawn);
    drawn = NULL;
}

TEST_MAIN("noise", TEST(the_table_is_the_distribution), TEST(the_guide_finds_what_a_search_finds),
          TEST(moments_are_those_of_a_gaussian), TEST(its_distribution_is_near_the_normal_one),
          TEST(tails_are_as_heavy_as_they_must_be), TEST(low_bits_and_neighbours_say_nothing))
