/* How fast the fold's arithmetic is, beside what the memory can do.
 *
 * For every dtype and every variant this CPU can run: GB/s of model read by kernel_accumulate, one chunk of 960 KiB
 * after another as a fold meets them, out of an input far larger than the caches, into accumulators of one chunk. Then
 * the same bytes by memcpy. The last line is one JSON object. One thread. */
#include "base/clock.h"
#include "tensor/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 983040, N_CHUNKS = 256, N_REPEATS = 5 };

/* 0x3c is part of a small number in every float format: no NaN, nothing subnormal. */
static unsigned char *make_input(void)
{
    unsigned char *input = malloc((size_t)CHUNK_BYTES * N_CHUNKS);
    if (input) memset(input, 0x3c, (size_t)CHUNK_BYTES * N_CHUNKS);
    return input;
}

static double gb_per_s(int64_t us)
{
    return (double)CHUNK_BYTES * N_CHUNKS / 1e3 / (double)(us > 0 ? us : 1);
}

static double time_accumulate(enum dtype dtype, double *acc, const unsigned char *input)
{
    size_t n = CHUNK_BYTES / dtype_bytes(dtype);
    double best = 0;
    for (int repeat = 0; repeat < N_REPEATS; repeat++) {
        kernel_zero(acc, n);
        int64_t start = clock_monotonic_us();
        for (int chunk = 0; chunk < N_CHUNKS; chunk++)
            kernel_accumulate(dtype, acc, input + (size_t)chunk * CHUNK_BYTES, n, 0.5);
        double rate = gb_per_s(clock_monotonic_us() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static double time_memcpy(void *target, const unsigned char *input)
{
    double best = 0;
    for (int repeat = 0; repeat < N_REPEATS; repeat++) {
        int64_t start = clock_monotonic_us();
        for (int chunk = 0; chunk < N_CHUNKS; chunk++) {
            memcpy(target, input + (size_t)chunk * CHUNK_BYTES, CHUNK_BYTES);
            __asm__ volatile("" : : "r"(target) : "memory"); /* the copy is wanted though nobody reads it */
        }
        double rate = gb_per_s(clock_monotonic_us() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static void print_variant(const char *variant, double *acc, const unsigned char *input, char *json, size_t json_bytes)
{
    size_t used = strlen(json);
    used += (size_t)snprintf(json + used, json_bytes - used, ", \"%s\": {", variant);
    printf("%-8s", variant);
    for (int dtype = 0; dtype < N_DTYPES; dtype++) {
        double rate = time_accumulate((enum dtype)dtype, acc, input);
        printf(" %7.2f", rate);
        used += (size_t)snprintf(json + used, json_bytes - used, "%s\"%s\": %.2f", dtype ? ", " : "",
                                 dtype_word((enum dtype)dtype), rate);
    }
    printf("\n");
    snprintf(json + used, json_bytes - used, "}");
}

int main(void)
{
    unsigned char *input = make_input();
    double *acc = malloc(sizeof *acc * CHUNK_BYTES);
    if (!input || !acc) {
        fprintf(stderr, "bench_fold: no memory for %d MiB\n", (int)((size_t)CHUNK_BYTES * N_CHUNKS >> 20));
        return 1;
    }
    char json[4096] = "";
    printf("GB/s    ");
    for (int dtype = 0; dtype < N_DTYPES; dtype++) printf(" %7s", dtype_word((enum dtype)dtype));
    printf("\n");
    for (size_t i = 0; kernel_variant(i); i++) {
        kernel_use(kernel_variant(i));
        print_variant(kernel_variant(i), acc, input, json, sizeof json);
    }
    double copy = time_memcpy(acc, input);
    printf("memcpy   %7.2f\n{\"memcpy\": %.2f%s}\n", copy, copy, json);
    free(acc);
    free(input);
    return 0;
}
