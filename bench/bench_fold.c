/* How fast one core folds: GB/s of model through kernel_accumulate and kernel_finish, for each dtype and variant,
 * beside memcpy in the same run.
 *
 * Three places: "cache" (2,048 elements, all in the first level), "chunk" (960 KiB of model and the sums for it, as the
 * fold has them: second or third level) and "dram" (far more than any cache). A figure is the median of several spans
 * of the thread's own processor time, so that other programs only disturb it through the caches they share. GB are 10^9
 * bytes of model; an accumulation of f32 moves 20 bytes for 4 of model (x, the sum read, the sum written), so it cannot
 * reach memcpy from DRAM. The last line is one JSON object with all of them. */
#include "base/doc.h"
#include "base/options.h"
#include "tensor/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N_SPANS = 5, CACHE_ELEMENTS = 2048, CHUNK_BYTES = 983040, LINE_BYTES = 64, FILL = 0x3c };

struct settings {
    bool quick;
};

static const struct option_entry entries[] = {
    OPTION_BOOL_ENTRY(struct settings, quick, "quick", "short spans and 8 Mi elements in DRAM instead of 16 Mi"),
};

static const struct option_table table = {.program = "bench_fold",
                                          .argument = "",
                                          .summary = "Measure the arithmetic of the fold on one core",
                                          .entries = entries,
                                          .n_entries = sizeof entries / sizeof *entries};

enum place { CACHE, CHUNK, DRAM, N_PLACES };

static const char *const place_words[N_PLACES] = {"cache", "chunk", "dram"};

struct bench {
    double *sums;
    unsigned char *model;
    size_t dram_elements;
    int64_t span_us;
    double memcpy_gb_s[N_PLACES];
};

/* What is timed: one pass over `n` elements. */
struct work {
    void (*pass)(const struct work *work);
    double *sums;
    unsigned char *model;
    enum dtype dtype;
    size_t n;
};

static void accumulate_pass(const struct work *work)
{
    kernel_accumulate(work->dtype, work->sums, work->model, work->n, 0.25);
}

static void finish_pass(const struct work *work)
{
    kernel_finish(work->dtype, work->model, work->sums, work->n, 3);
}

/* Of n bytes, from the model to where the sums lie. */
static void memcpy_pass(const struct work *work)
{
    memcpy(work->sums, work->model, work->n);
    __asm__ volatile("" : : "r"(work->sums) : "memory"); /* the copy must be made, though nobody reads it */
}

static int64_t thread_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t time_passes(const struct work *work, int64_t n_passes)
{
    int64_t start = thread_us();
    for (int64_t i = 0; i < n_passes; i++) work->pass(work);
    return thread_us() - start;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median of the spans, after one that warms up and finds how many passes fill a span. */
static double gb_per_s(const struct work *work, size_t bytes, int64_t span_us)
{
    int64_t n_passes = 1;
    while (time_passes(work, n_passes) < span_us / 2 && n_passes < INT32_MAX) n_passes *= 2;
    double rates[N_SPANS];
    for (int i = 0; i < N_SPANS; i++) {
        int64_t us = time_passes(work, n_passes);
        rates[i] = (double)bytes * (double)n_passes / (double)(us > 0 ? us : 1) / 1e3;
    }
    qsort(rates, N_SPANS, sizeof *rates, by_size);
    return rates[N_SPANS / 2];
}

static size_t elements_at(const struct bench *bench, enum place place, enum dtype dtype)
{
    if (place == CACHE) return CACHE_ELEMENTS;
    return place == CHUNK ? CHUNK_BYTES / dtype_bytes(dtype) : bench->dram_elements;
}

/* The arrays are used by every dtype in turn: fill them with numbers that are ordinary in all of them. */
static void fill(const struct bench *bench, enum dtype dtype)
{
    memset(bench->model, FILL, bench->dram_elements * sizeof(double));
    kernel_zero(bench->sums, bench->dram_elements);
    kernel_accumulate(dtype, bench->sums, bench->model, bench->dram_elements, 1);
}

static void report(struct doc *list, const struct bench *bench, const char *operation, enum dtype dtype,
                   const char *variant, const double rates[N_PLACES])
{
    struct doc *row = doc_add_map(list);
    doc_set_text(row, "operation", operation);
    doc_set_text(row, "dtype", dtype_word(dtype));
    doc_set_text(row, "variant", variant);
    printf("%-10s %-5s %-7s", operation, dtype_word(dtype), variant);
    for (int place = 0; place < N_PLACES; place++) {
        doc_set_real(row, place_words[place], rates[place]);
        printf("  %7.2f (%4.2f)", rates[place], rates[place] / bench->memcpy_gb_s[place]);
    }
    printf("\n");
    fflush(stdout);
}

static void measure_kernel(const struct bench *bench, struct doc *list, enum dtype dtype, const char *variant,
                           bool finish)
{
    double rates[N_PLACES];
    struct work work = {
        .pass = finish ? finish_pass : accumulate_pass, .sums = bench->sums, .model = bench->model, .dtype = dtype};
    for (int place = 0; place < N_PLACES; place++) {
        work.n = elements_at(bench, (enum place)place, dtype);
        rates[place] = gb_per_s(&work, work.n * dtype_bytes(dtype), bench->span_us);
    }
    report(list, bench, finish ? "finish" : "accumulate", dtype, variant, rates);
}

static void measure_kernels(const struct bench *bench, struct doc *list)
{
    printf("%-10s %-5s %-7s  %-14s  %-14s  %-14s\n", "", "", "", "cache", "chunk", "dram");
    for (int dtype = 0; dtype < N_DTYPES; dtype++) {
        for (size_t i = 0; kernel_variant(i); i++) {
            kernel_use(kernel_variant(i));
            fill(bench, (enum dtype)dtype);
            measure_kernel(bench, list, (enum dtype)dtype, kernel_variant(i), false);
            measure_kernel(bench, list, (enum dtype)dtype, kernel_variant(i), true);
        }
    }
    kernel_use(NULL);
}

static void measure_memcpy(struct bench *bench, struct doc *map)
{
    const size_t bytes[N_PLACES] = {CACHE_ELEMENTS * sizeof(float), CHUNK_BYTES, bench->dram_elements * sizeof(double)};
    struct work work = {.pass = memcpy_pass, .sums = bench->sums, .model = bench->model};
    printf("GB/s of model on one core (in brackets: as a part of memcpy)\n%-24s", "memcpy");
    for (int place = 0; place < N_PLACES; place++) {
        work.n = bytes[place];
        bench->memcpy_gb_s[place] = gb_per_s(&work, work.n, bench->span_us);
        doc_set_real(map, place_words[place], bench->memcpy_gb_s[place]);
        printf("  %7.2f       ", bench->memcpy_gb_s[place]);
    }
    printf("\n");
}

static enum anb_status print_json(const struct doc *root, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    enum anb_status status = doc_write_json(root, false, &text, err);
    if (status == ANB_OK) printf("%s\n", buf_text(&text));
    buf_fini(&text);
    return status;
}

static enum anb_status run(struct bench *bench, struct anb_error *err)
{
    size_t bytes = bench->dram_elements * sizeof(double);
    enum anb_status status = ANB_OK;
    struct doc *root = doc_new_map();
    bench->sums = aligned_alloc(LINE_BYTES, bytes);
    bench->model = aligned_alloc(LINE_BYTES, bytes);
    if (!root || !bench->sums || !bench->model) {
        status = anb_fail(err, ANB_NO_MEMORY, "no memory for two arrays of %zu bytes", bytes);
        goto out;
    }
    fill(bench, DTYPE_F64);
    doc_set_text(root, "bench", "fold");
    doc_set_text(root, "unit", "GB/s of model");
    doc_set_int(root, "dram_elements", (int64_t)bench->dram_elements);
    measure_memcpy(bench, doc_set_map(root, "memcpy"));
    measure_kernels(bench, doc_set_list(root, "kernels"));
    status = print_json(root, err);
out:
    doc_free(root);
    free(bench->sums);
    free(bench->model);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct anb_error err;
    int n_operands = 0;
    enum anb_status status = options_parse(&table, argc, argv, &settings, &n_operands, &err);
    if (status == ANB_CLOSED) return 0;
    if (status == ANB_OK) {
        struct bench bench = {.dram_elements = (size_t)(settings.quick ? 8 : 16) << 20,
                              .span_us = settings.quick ? 2000 : 50000};
        options_fini(&table, &settings);
        status = run(&bench, &err);
    }
    if (status != ANB_OK) fprintf(stderr, "bench_fold: %s\n", err.text);
    return status != ANB_OK;
}
