/* What a site's filters cost: GB/s of model (10^9 bytes of f32) through a chain, first pass and filling apart, beside
 * plain reading of the same file, which is what an update without filters takes; and the memory it needed.
 *
 * Files are memfds, chunks have 960 KiB; a figure is processor time of the one thread that does it, so that other
 * programs only disturb it through the caches they share. The last line is one JSON object with all of them. */
#include "base/doc.h"
#include "base/file.h"
#include "base/options.h"
#include "privacy/apply.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_BYTES = 983040 };

struct settings {
    int64_t mib;
};

static const struct option_entry entries[] = {
    OPTION_INT_ENTRY(struct settings, mib, "mib", "256", 1, 16384, "MiB", "size of the model"),
};

static const struct option_table table = {.program = "bench_filters",
                                          .argument = "",
                                          .summary = "Measure a site's filters on one core",
                                          .entries = entries,
                                          .n_entries = sizeof entries / sizeof *entries};

#define BUDGET "- budget: {epsilon: 1000, delta: 1e-5}\n"
#define CLIP "- norm_clip: {norm: 1}\n"
#define NOISE "- noise: {multiplier: 1}\n"

static const struct {
    const char *name, *filters;
} chains[] = {{"norm_clip", CLIP},
              {"norm_clip, noise", BUDGET CLIP NOISE},
              {"norm_clip, noise, int8", BUDGET CLIP NOISE "- quantise: int8\n"},
              {"percentile", "- percentile: {keep: 10}\n"},
              {"sparse_vector", BUDGET "- sparse_vector: {epsilon: 8, fraction: 0.01, limit: 0.001, threshold: 1}\n"},
              {"f16", "- quantise: f16\n"},
              {"int8", "- quantise: int8\n"}};

struct bench {
    struct layout *layout;
    struct filter_source source;
    int64_t bytes;
    unsigned char *chunk;
};

static double thread_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int make_file(int64_t bytes, unsigned seed)
{
    int fd = memfd_create("model", MFD_CLOEXEC);
    float part[16384];
    for (int64_t at = 0; at < bytes; at += (int64_t)sizeof part) {
        for (size_t i = 0; i < sizeof part / sizeof *part; i++) part[i] = (float)(rand_r(&seed) % 2001 - 1000) * 1e-3f;
        size_t n = bytes - at < (int64_t)sizeof part ? (size_t)(bytes - at) : sizeof part;
        if (file_write_all(fd, part, n, at, NULL) != ANB_OK) abort();
    }
    return fd;
}

static void open_bench(struct bench *bench, int64_t mib)
{
    char header[128];
    bench->bytes = mib << 20;
    snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"F32\",\"shape\":[%lld],\"data_offsets\":[0,%lld]}}",
             (long long)bench->bytes / 4, (long long)bench->bytes);
    if (layout_parse(slice_of_text(header), &bench->layout, NULL) != ANB_OK) abort();
    bench->source = (struct filter_source){
        .layout = bench->layout, .fd = make_file(bench->bytes, 1), .base_fd = make_file(bench->bytes, 2)};
    bench->chunk = malloc(CHUNK_BYTES + ENCODING_ROOM);
    if (!bench->chunk) abort();
}

static double plain_gb_s(const struct bench *bench)
{
    double start = thread_s();
    for (int64_t at = 0; at < bench->bytes; at += CHUNK_BYTES)
        if (pread(bench->source.fd, bench->chunk, CHUNK_BYTES, (off_t)at) <= 0) abort();
    return (double)bench->bytes * 1e-9 / (thread_s() - start);
}

static void measure(const struct bench *bench, size_t which, struct doc *results)
{
    static const unsigned char seed[FILTER_SEED_BYTES] = {1};
    struct doc *root, *result = doc_set_map(results, chains[which].name);
    struct filter_chain *chain;
    struct filter_run *run;
    size_t size, sent = 0;
    if (doc_parse_yaml(slice_of_text(chains[which].filters), "bench", &root, NULL) != ANB_OK ||
        filter_chain_parse(root, "bench", &chain, NULL) != ANB_OK)
        abort();
    double start = thread_s();
    if (filter_run_new(chain, &bench->source, seed, &run, NULL) != ANB_OK) abort();
    double middle = thread_s();
    for (int64_t at = 0; at < bench->bytes; at += CHUNK_BYTES) {
        int64_t end = at + CHUNK_BYTES < bench->bytes ? at + CHUNK_BYTES : bench->bytes;
        if (filter_run_fill(run, at, end, bench->chunk, &size, NULL) != ANB_OK) abort();
        sent += size;
    }
    double end = thread_s(), gb = (double)bench->bytes * 1e-9;
    printf("%-24s %8.2f %8.2f %8.2f %10.3f\n", chains[which].name, gb / (middle - start), gb / (end - middle),
           gb / (end - start), (double)sent / (double)bench->bytes);
    doc_set_real(result, "first_gb_s", gb / (middle - start));
    doc_set_real(result, "fill_gb_s", gb / (end - middle));
    doc_set_real(result, "both_gb_s", gb / (end - start));
    doc_set_real(result, "bytes_sent", (double)sent / (double)bench->bytes);
    filter_run_free(run);
    filter_chain_free(chain);
    doc_free(root);
}

/* Pages of the files are the kernel's: they are not in it. */
static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct anb_error err;
    struct bench bench;
    struct doc *results = doc_new_map();
    struct buf text;
    int n_operands = 0;
    enum anb_status status = options_parse(&table, argc, argv, &settings, &n_operands, &err);
    if (status == ANB_CLOSED) return 0;
    if (status != ANB_OK) {
        fprintf(stderr, "bench_filters: %s\n", err.text);
        return 1;
    }
    open_bench(&bench, settings.mib);
    double plain = plain_gb_s(&bench);
    printf("plain reading: %.2f GB/s\n%-24s %8s %8s %8s %10s\n", plain, "chain", "first", "fill", "both", "bytes sent");
    doc_set_real(results, "plain_gb_s", plain);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) measure(&bench, i, results);
    doc_set_int(results, "peak_kib", peak_kib());
    buf_init(&text, 1 << 16);
    if (doc_write_json(results, false, &text, &err) == ANB_OK) printf("%s\n", buf_text(&text));
    buf_fini(&text);
    doc_free(results);
    layout_free(bench.layout);
    free(bench.chunk);
    options_fini(&table, &settings);
    return 0;
}
