/* Chains applied to updates: what is refused, what each filter does against the obvious way to do it, and that no
 * result knows where chunks ended. */
#include "privacy/apply.h"

#include "privacy/noise.h"
#include "support/model.h"
#include "support/test.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const unsigned char seed[FILTER_SEED_BYTES] = {1, 2, 3};

struct fixture {
    struct test_model update, base;
    struct filter_chain *chain;
    struct filter_source source;
    int64_t bytes;
};

static struct filter_chain *chain_of(const char *filters)
{
    struct doc *root;
    struct filter_chain *chain;
    REQUIRE(doc_parse_yaml(slice_of_text(filters), "site.yaml", &root, &test_error) == ANB_OK);
    REQUIRE(filter_chain_parse(root, "site.yaml", &chain, &test_error) == ANB_OK);
    doc_free(root);
    return chain;
}

/* Integers and flags are excluded in most tests: `test_model_mixed` fills them with all their bits. */
#define EXCLUDE_WHOLE "- exclude: [counts, flags]\n"
#define BUDGET "- budget: {epsilon: 1000, delta: 1e-5}\n"

static struct fixture open_fixture(int64_t n, const char *filters)
{
    struct fixture f = {test_model_mixed(n, 1), test_model_mixed(n, 2), chain_of(filters), {0}, 0};
    f.source = (struct filter_source){f.update.layout,      f.update.fd,        f.base.fd,
                                      f.update.data_offset, f.base.data_offset, false};
    f.bytes = layout_data_bytes(f.update.layout);
    return f;
}

static void close_fixture(struct fixture *f)
{
    test_model_free(&f->update);
    test_model_free(&f->base);
    filter_chain_free(f->chain);
}

static struct filter_run *start(const struct fixture *f)
{
    struct filter_run *run = NULL;
    CHECK_STATUS(filter_run_new(f->chain, &f->source, seed, &run, &test_error), ANB_OK);
    REQUIRE(run != NULL);
    return run;
}

/* -- what came out, as doubles, element by element in layout order */

static size_t n_elements(const struct layout *layout)
{
    size_t n = 0;
    for (size_t t = 0; t < layout_n_tensors(layout); t++) {
        const struct tensor_entry *tensor = layout_tensor(layout, t);
        n += (size_t)(tensor->end - tensor->begin) / dtype_bytes(tensor->dtype);
    }
    return n;
}

static size_t decode(const struct fixture *f, int64_t begin, int64_t end, const unsigned char *bytes, double *out)
{
    size_t done = 0;
    for (int64_t at = begin; at < end;) {
        const struct tensor_entry *tensor = layout_tensor(f->update.layout, layout_find(f->update.layout, at));
        int64_t to = tensor->end < end ? tensor->end : end, width = (int64_t)dtype_bytes(tensor->dtype);
        struct encoding_run run = {f->chain->encoding, tensor->dtype, (tensor->end - tensor->begin) / width,
                                   (at - tensor->begin) / width, (size_t)((to - at) / width)};
        struct encoding_reader reader;
        struct encoding_piece piece;
        encoding_read_begin(&reader, &run, bytes);
        while (encoding_read_next(&reader, &piece)) {
            kernel_zero(out + done, piece.n);
            kernel_accumulate(piece.dtype, out + done, piece.codes, piece.n, piece.scale);
            done += piece.n;
        }
        bytes += encoding_run_bytes(&run);
        at = to;
    }
    return done;
}

/* All of the update in chunks of about `chunk` bytes, which end between elements. */
static double *values(const struct fixture *f, struct filter_run *run, int64_t chunk)
{
    double *out = calloc(n_elements(f->update.layout) + 1, sizeof *out);
    unsigned char *bytes = malloc((size_t)chunk + ENCODING_ROOM);
    size_t done = 0, size;
    REQUIRE(out && bytes);
    for (int64_t at = 0, end; at < f->bytes; at = end) {
        end = at + chunk < f->bytes ? at + chunk : f->bytes;
        if (end < f->bytes) {
            const struct tensor_entry *tensor = layout_tensor(f->update.layout, layout_find(f->update.layout, end));
            end -= (end - tensor->begin) % (int64_t)dtype_bytes(tensor->dtype);
        }
        CHECK_STATUS(filter_run_fill(run, at, end, bytes, &size, &test_error), ANB_OK);
        CHECK(size <= (size_t)(end - at) + ENCODING_ROOM);
        done += decode(f, at, end, bytes, out + done);
    }
    CHECK_EQUAL(done, n_elements(f->update.layout));
    free(bytes);
    return out;
}

/* The obvious way: result - model received, in double; 0 where a tensor is excluded. */
static double *changes(const struct fixture *f)
{
    double *out = calloc(n_elements(f->update.layout) + 1, sizeof *out);
    size_t done = 0;
    for (size_t t = 0; t < layout_n_tensors(f->update.layout); t++) {
        const struct tensor_entry *tensor = layout_tensor(f->update.layout, t);
        size_t n = (size_t)(tensor->end - tensor->begin) / dtype_bytes(tensor->dtype);
        if (!filter_chain_excludes(f->chain, tensor->name)) {
            kernel_accumulate(tensor->dtype, out + done, f->update.data + tensor->begin, n, 1);
            kernel_accumulate(tensor->dtype, out + done, f->base.data + tensor->begin, n, -1);
        }
        done += n;
    }
    return out;
}

static double norm_of(const double *x, size_t n)
{
    long double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (long double)x[i] * x[i];
    return (double)sqrtl(sum);
}

/* -- refusals */

static void check_refused(struct fixture *f, const char *sentence)
{
    struct filter_run *run = NULL;
    CHECK_EQUAL(filter_run_new(f->chain, &f->source, seed, &run, &test_error), ANB_INVALID);
    CHECK(run == NULL);
    CHECK(strstr(test_error.text, sentence) != NULL);
    close_fixture(f);
}

static void nan_and_infinity_are_refused_by_the_name_of_their_tensor(void)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f = open_fixture(5000, EXCLUDE_WHOLE);
        REQUIRE(pwrite(f.update.fd, &bad[i], 4, (off_t)(f.update.data_offset + 4999L * 4)) == 4);
        check_refused(&f, "tensor \"layer.weight\" of the update holds NaN");
    }
}

static void integers_that_noise_cannot_hide_are_refused(void)
{
    struct fixture f = open_fixture(100, BUDGET "- norm_clip: {norm: 1}\n- noise: {multiplier: 1}\n");
    check_refused(&f, "tensor \"counts\" is I32, and noise hides floats only: exclude it");
}

static void changes_that_an_integer_cannot_say_are_refused(void)
{
    struct fixture f = open_fixture(100, "- norm_clip: {norm: 1}\n");
    int32_t low[5] = {INT32_MIN}, high[5] = {INT32_MAX};
    const struct tensor_entry *counts = layout_tensor(f.update.layout, 2);
    REQUIRE(pwrite(f.update.fd, low, sizeof low, (off_t)(f.update.data_offset + counts->begin)) == sizeof low);
    REQUIRE(pwrite(f.base.fd, high, sizeof high, (off_t)(f.base.data_offset + counts->begin)) == sizeof high);
    check_refused(&f, "tensor \"counts\" changed by more than a I32 can say");
}

static void a_file_that_is_too_short_is_an_error(void)
{
    struct filter_run *run = NULL;
    struct fixture f = open_fixture(100, EXCLUDE_WHOLE);
    REQUIRE(ftruncate(f.update.fd, 300) == 0);
    CHECK_EQUAL(filter_run_new(f.chain, &f.source, seed, &run, &test_error), ANB_CORRUPT);
    close_fixture(&f);
}

/* -- each filter */

static void excluded_tensors_say_nothing_and_the_others_are_exact(void)
{
    struct fixture f = open_fixture(5000, "- exclude: [counts, flags, \"layer.h*\"]\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 7000), *expected = changes(&f);
    size_t n = n_elements(f.update.layout), n_zero = 0;
    for (size_t i = 0; i < n; i++) {
        CHECK(fabs(got[i] - expected[i]) <= fabs(expected[i]) * 0x1p-24);
        n_zero += got[i] == 0;
    }
    CHECK(n_zero >= 2501 + 5 + 3);
    CHECK(n_zero < 2501 + 5 + 3 + 10);
    free(got);
    free(expected);
    filter_run_free(run);
    close_fixture(&f);
}

static void a_change_that_comes_as_one_is_taken_as_it_is(void)
{
    struct fixture f = open_fixture(3000, "- norm_clip: {norm: 1e9}\n");
    f.source.is_change = true;
    f.source.base_fd = -1;
    struct filter_run *run = start(&f);
    unsigned char *out = malloc((size_t)f.bytes + ENCODING_ROOM);
    size_t size;
    CHECK_STATUS(filter_run_fill(run, 0, f.bytes, out, &size, &test_error), ANB_OK);
    CHECK_EQUAL(size, (size_t)f.bytes);
    CHECK(memcmp(out, f.update.data, size) == 0); /* integers and bool, too */
    free(out);
    filter_run_free(run);
    close_fixture(&f);
}

static void a_clipped_update_has_the_norm_and_the_direction(void)
{
    struct fixture f = open_fixture(20000, "- exclude: [counts, flags, layer.half]\n- norm_clip: {norm: 2.5}\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 65536), *expected = changes(&f);
    size_t n = n_elements(f.update.layout);
    double before = norm_of(expected, n), after = norm_of(got, n);
    CHECK(fabs(filter_run_norm(run) - before) < before * 1e-12);
    CHECK(before > 2.5);
    CHECK(after <= 2.5);
    CHECK(after > 2.5 * (1 - 1e-5));
    for (size_t i = 0; i < n; i++) CHECK(fabs(got[i] - expected[i] * 2.5 / before) < 1e-6);
    free(got);
    free(expected);
    filter_run_free(run);
    close_fixture(&f);
}

static void tensors_are_clipped_one_by_one_when_asked(void)
{
    struct fixture f = open_fixture(4000, EXCLUDE_WHOLE "- norm_clip: {norm: 1.5, per: tensor}\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 65536), *expected = changes(&f);
    CHECK(norm_of(got, 4000) <= 1.5 && norm_of(got, 4000) > 1.4999);                 /* layer.weight */
    CHECK(fabs(norm_of(got + 4000, 2001) - 1.5) < 1.5 * 0x1p-9);                     /* layer.half: bf16 */
    CHECK(norm_of(got + 6009, 1001) <= 1.5 && norm_of(got + 6009, 1001) > 1.4999);   /* wide */
    CHECK(got[7010] == (double)(float)expected[7010] || fabs(expected[7010]) > 1.5); /* scalar: within the norm */
    free(got);
    free(expected);
    filter_run_free(run);
    close_fixture(&f);
}

static int by_magnitude(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x < y) - (x > y);
}

static void a_percentile_keeps_the_largest_and_no_others(void)
{
    struct fixture f = open_fixture(10000, EXCLUDE_WHOLE "- percentile: {keep: 10, limit: 1.75}\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 50000), *expected = changes(&f), *sorted = changes(&f);
    size_t n = n_elements(f.update.layout), floats = n - 8, rank = (size_t)ceil(0.1 * (double)floats), kept = 0;
    qsort(sorted, n, sizeof *sorted, by_magnitude);
    float cutoff = (float)fabs(sorted[rank - 1]);
    for (size_t i = 0; i < n; i++) {
        bool keep = (float)fabs(expected[i]) >= cutoff;
        double held = fmax(-1.75, fmin(1.75, expected[i]));
        CHECK(fabs(got[i] - (keep ? held : 0)) < 0x1p-7);
        kept += got[i] != 0;
    }
    CHECK(kept >= rank && kept < rank + 20); /* ties of f32 are all kept */
    free(got);
    free(expected);
    free(sorted);
    filter_run_free(run);
    close_fixture(&f);
}

static void noise_is_gaussian_of_the_promised_deviation(void)
{
    struct fixture f = open_fixture(200000, BUDGET "- exclude: [counts, flags, layer.half]\n"
                                                   "- norm_clip: {norm: 0.001}\n- noise: {multiplier: 2}\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 983040), *expected = changes(&f), sum = 0, squares = 0;
    size_t n = 200000;
    double factor = 0.001 / filter_run_norm(run);
    for (size_t i = 0; i < n; i++) {
        double noise = (got[i] - expected[i] * factor) / 0.002;
        sum += noise;
        squares += noise * noise;
    }
    CHECK(fabs(sum / (double)n) < 5 / sqrt((double)n));
    CHECK(fabs(squares / (double)n - 1) < 5 * sqrt(2 / (double)n));
    for (size_t i = n; i < n + 100001 + 8; i++) CHECK_EQUAL(got[i], 0); /* excluded: no noise either */
    struct privacy_loss loss = filter_run_loss(run);
    CHECK_EQUAL(loss.rho, 0.5); /* sensitivity 2 norm, deviation 2 norm */
    CHECK_EQUAL(loss.numbers, 200000 + 50001 + 1);
    free(got);
    free(expected);
    filter_run_free(run);
    close_fixture(&f);
}

/* Under little noise the change itself can be seen: as long as it was clipped to, in its own direction. */
static void what_is_under_the_noise_is_the_clipped_change(void)
{
    struct fixture f = open_fixture(50000, BUDGET "- exclude: [counts, flags, layer.half]\n"
                                                  "- norm_clip: {norm: 2}\n- noise: {multiplier: 0.01}\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 983040), *expected = changes(&f), along = 0, length = filter_run_norm(run);
    size_t n = n_elements(f.update.layout);
    for (size_t i = 0; i < n; i++) along += got[i] * expected[i] / length;
    CHECK(fabs(along - 2) < 5 * 0.02); /* noise in one direction: 0.01 * 2 */
    free(got);
    free(expected);
    filter_run_free(run);
    close_fixture(&f);
}

/* Noise that two tensors share could be taken off by a difference. */
static void each_tensor_has_noise_of_its_own(void)
{
    struct fixture f = open_fixture(4000, BUDGET EXCLUDE_WHOLE "- norm_clip: {norm: 1e-6}\n- noise: {multiplier: 1}\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 983040), half = 0, wide = 0, tail = 0;
    for (size_t i = 0; i < 1001; i++) { /* layer.weight begins at 0, layer.half at 4000, wide at 6009 */
        half += got[i] * got[4000 + i] * 1e12;
        wide += got[i] * got[6009 + i] * 1e12;
        tail += got[i] * got[1001 + i] * 1e12;
    }
    CHECK(fabs(half) < 5 * sqrt(1001) && fabs(wide) < 5 * sqrt(1001) && fabs(tail) < 5 * sqrt(1001));
    free(got);
    filter_run_free(run);
    close_fixture(&f);
}

/* Values leave as whole numbers of grid steps: nothing of the value's own low bits is left. */
static void noised_values_lie_on_the_grid(void)
{
    struct fixture f = open_fixture(100, BUDGET EXCLUDE_WHOLE "- norm_clip: {norm: 1}\n- noise: {multiplier: 1}\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 4096);
    for (size_t i = 159; i < 159 + 26; i++) { /* wide: f64 */
        double steps = got[i] * NOISE_DEVIATION;
        CHECK(fabs(steps - rint(steps)) < 1e-7);
    }
    free(got);
    filter_run_free(run);
    close_fixture(&f);
}

static void another_seed_is_other_noise_and_the_same_seed_the_same(void)
{
    unsigned char other[FILTER_SEED_BYTES] = {9};
    struct fixture f = open_fixture(1000, BUDGET EXCLUDE_WHOLE "- norm_clip: {norm: 1}\n- noise: {multiplier: 1}\n");
    struct filter_run *one = start(&f), *again = start(&f), *two;
    CHECK_STATUS(filter_run_new(f.chain, &f.source, other, &two, &test_error), ANB_OK);
    double *a = values(&f, one, 999), *b = values(&f, again, 99999), *c = values(&f, two, 999);
    size_t n = n_elements(f.update.layout), n_same = 0;
    CHECK(memcmp(a, b, n * sizeof *a) == 0);
    for (size_t i = 0; i < n; i++) n_same += a[i] == c[i];
    CHECK(n_same < 8 + 10 + 20); /* the excluded ones, and small numbers in bf16 */
    free(a);
    free(b);
    free(c);
    filter_run_free(one);
    filter_run_free(again);
    filter_run_free(two);
    close_fixture(&f);
}

static void quantised_values_are_near(void)
{
    const char *words[] = {"f16", "bf16", "int8"};
    const double steps[] = {0x1p-11, 0x1p-8, 1.0 / 127};
    for (int w = 0; w < 3; w++) {
        char filters[128];
        snprintf(filters, sizeof filters, EXCLUDE_WHOLE "- quantise: %s\n", words[w]);
        struct fixture f = open_fixture(5000, filters);
        struct filter_run *run = start(&f);
        double *got = values(&f, run, 983040), *expected = changes(&f);
        for (size_t i = 0; i < n_elements(f.update.layout); i++)
            CHECK(fabs(got[i] - expected[i]) <= 2.001 * steps[w] + 0x1p-8 * (i >= 5000 && i < 7501));
        free(got);
        free(expected);
        filter_run_free(run);
        close_fixture(&f);
    }
}

static void f16_holds_what_it_cannot_say(void)
{
    struct fixture f = open_fixture(1000, EXCLUDE_WHOLE "- quantise: f16\n");
    const float huge[2] = {1e30f, -1e30f};
    REQUIRE(pwrite(f.update.fd, huge, sizeof huge, (off_t)f.update.data_offset) == sizeof huge);
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 983040);
    CHECK_EQUAL(got[0], 65504);
    CHECK_EQUAL(got[1], -65504);
    free(got);
    filter_run_free(run);
    close_fixture(&f);
}

static void the_sparse_vector_answers_no_more_than_it_may(void)
{
    struct fixture f = open_fixture(10000, BUDGET EXCLUDE_WHOLE
                                    "- sparse_vector: {epsilon: 500, fraction: 0.002, limit: 0.5, threshold: 0.1}\n");
    struct filter_run *run = start(&f);
    double *got = values(&f, run, 30000), *expected = changes(&f);
    size_t n = n_elements(f.update.layout), floats = n - 8, n_answers = 0;
    for (size_t i = 0; i < n; i++) {
        n_answers += got[i] != 0;
        CHECK(fabs(got[i]) <= 0.5);
    }
    CHECK(n_answers <= (size_t)ceil(0.002 * (double)floats));
    CHECK(n_answers > 15); /* half of all are above the threshold by far */
    CHECK_EQUAL(filter_run_loss(run).pure, 500);
    CHECK_EQUAL(filter_run_loss(run).rho, 0);
    free(got);
    free(expected);
    filter_run_free(run);
    close_fixture(&f);
}

/* -- chunks */

static void no_result_depends_on_where_chunks_end(void)
{
    const char *chains[] = {
        BUDGET EXCLUDE_WHOLE "- norm_clip: {norm: 1}\n- percentile: {keep: 40}\n- noise: {multiplier: 0.5}\n",
        BUDGET EXCLUDE_WHOLE "- norm_clip: {norm: 1, per: tensor}\n- noise: {multiplier: 0.5}\n- quantise: int8\n",
        BUDGET EXCLUDE_WHOLE "- sparse_vector: {epsilon: 500, fraction: 0.01, limit: 1, threshold: 0.5}\n",
        EXCLUDE_WHOLE "- quantise: f16\n", EXCLUDE_WHOLE "- quantise: int8\n"};
    for (size_t c = 0; c < sizeof chains / sizeof *chains; c++) {
        struct fixture f = open_fixture(30011, chains[c]);
        struct filter_run *run = start(&f);
        double *whole = values(&f, run, 983040);
        const int64_t chunks[] = {10007, 4096, 65537, 1000003};
        for (size_t k = 0; k < sizeof chunks / sizeof *chunks; k++) {
            double *parts = values(&f, run, chunks[k]);
            bool same = memcmp(whole, parts, n_elements(f.update.layout) * sizeof *whole) == 0;
            CHECK(same);
            free(parts);
        }
        free(whole);
        filter_run_free(run);
        close_fixture(&f);
    }
}

TEST_MAIN("apply", TEST(nan_and_infinity_are_refused_by_the_name_of_their_tensor),
          TEST(integers_that_noise_cannot_hide_are_refused), TEST(changes_that_an_integer_cannot_say_are_refused),
          TEST(a_file_that_is_too_short_is_an_error), TEST(excluded_tensors_say_nothing_and_the_others_are_exact),
          TEST(a_change_that_comes_as_one_is_taken_as_it_is), TEST(a_clipped_update_has_the_norm_and_the_direction),
          TEST(tensors_are_clipped_one_by_one_when_asked), TEST(a_percentile_keeps_the_largest_and_no_others),
          TEST(noise_is_gaussian_of_the_promised_deviation), TEST(what_is_under_the_noise_is_the_clipped_change),
          TEST(each_tensor_has_noise_of_its_own), TEST(noised_values_lie_on_the_grid),
          TEST(another_seed_is_other_noise_and_the_same_seed_the_same), TEST(quantised_values_are_near),
          TEST(f16_holds_what_it_cannot_say), TEST(the_sparse_vector_answers_no_more_than_it_may),
          TEST(no_result_depends_on_where_chunks_end))
