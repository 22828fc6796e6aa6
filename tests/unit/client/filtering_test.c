/* One result on its way out: it costs once, and what it costs is on disk before anything else happens. */
#include "filtering.h"

#include "base/file.h"
#include "support/model.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLICY(filters) "privacy: {default: ward, scopes: {ward: {filters: [" filters "]}}}\n"
#define NOISE(epsilon)                                                                                                 \
    "{budget: {epsilon: " epsilon ", delta: 1.0e-5}}, {exclude: [counts, flags]}, {norm_clip: {norm: 1.0}}, "          \
    "{noise: {multiplier: 2.0}}"

struct fixture {
    char folder[512];
    struct job_spec *spec;
    struct scope scope;
    struct test_model update, base;
    struct safetensors file;
};

static enum anb_status open_scope(struct fixture *f, const char *name, const char *policy)
{
    static int number;
    char path[600], job[256];
    snprintf(f->folder, sizeof f->folder, "%s/%d", test_folder(), number++);
    snprintf(path, sizeof path, "%s/site.yaml", f->folder);
    snprintf(job, sizeof job, "name: a\nrounds: 1\ntrainer: {command: [a]}\n%s%s\n", name ? "privacy: " : "",
             name ? name : "");
    REQUIRE(file_make_folders(f->folder, &test_error) == ANB_OK);
    REQUIRE(file_write(path, slice_of_text(policy), &test_error) == ANB_OK);
    REQUIRE(job_spec_parse(slice_of_text(job), "job.yaml", &f->spec, &test_error) == ANB_OK);
    return scope_open(path, f->spec, f->folder, &f->scope, &test_error);
}

static void open_fixture(struct fixture *f, const char *policy)
{
    *f = (struct fixture){.update = test_model_mixed(3000, 1), .base = test_model_mixed(3000, 2)};
    CHECK_STATUS(open_scope(f, NULL, policy), ANB_OK);
    f->file = (struct safetensors){f->update.layout, f->update.data_offset};
}

static void close_fixture(struct fixture *f)
{
    scope_close(&f->scope);
    job_spec_free(f->spec);
    test_model_free(&f->update);
    test_model_free(&f->base);
}

static struct filtering *begin(const struct fixture *f)
{
    struct filtering *filtering = NULL;
    const struct filtering_result result = {.scope = &f->scope,
                                            .file = &f->file,
                                            .fd = f->update.fd,
                                            .base_fd = dup(f->base.fd),
                                            .job = "0011223344556677",
                                            .round = 4};
    CHECK_STATUS(filtering_new(&result, &filtering, &test_error), ANB_OK);
    REQUIRE(filtering != NULL);
    return filtering;
}

static double spent(const struct fixture *f)
{
    struct ledger_entry last;
    if (ledger_last(f->scope.ledger, &last, &test_error) != ANB_OK) return 0;
    return last.total.rho;
}

static unsigned char *bytes_of(const struct fixture *f, const struct transfer_filter *filter)
{
    size_t size, n = (size_t)layout_data_bytes(f->update.layout);
    unsigned char *out = malloc(n + ENCODING_ROOM);
    REQUIRE(out != NULL);
    CHECK_STATUS(filter->fill(filter->context, 0, (int64_t)n, out, &size, &test_error), ANB_OK);
    CHECK_EQUAL(size, n);
    return out;
}

static void a_scope_that_is_not_there_is_refused(void)
{
    struct fixture f = {.spec = NULL};
    CHECK_EQUAL(open_scope(&f, "{scope: strict}", POLICY(NOISE("8"))), ANB_DENIED);
    CHECK(strstr(test_error.text, "no privacy scope \"strict\"") != NULL);
    job_spec_free(f.spec);
    CHECK_EQUAL(open_scope(&f, NULL, "privacy: {scopes: {ward: {filters: []}}}\n"), ANB_DENIED);
    job_spec_free(f.spec);
    CHECK_EQUAL(open_scope(&f, NULL, "privacy: {scopes: {ward: {filters: [{noise: {}}]}}}\n"), ANB_INVALID);
    job_spec_free(f.spec);
}

static void a_site_without_filters_has_no_chain(void)
{
    struct fixture f = {.spec = NULL};
    CHECK_STATUS(open_scope(&f, NULL, "submitters: {users: [rosa]}\n"), ANB_OK);
    CHECK(f.scope.chain == NULL);
    CHECK_STATUS(scope_can_afford(&f.scope, &test_error), ANB_OK);
    scope_close(&f.scope);
    CHECK_STATUS(scope_open(NULL, f.spec, f.folder, &f.scope, &test_error), ANB_OK);
    CHECK(f.scope.chain == NULL);
    job_spec_free(f.spec);
}

static void a_model_of_other_tensors_is_refused_before_anything_is_spent(void)
{
    struct fixture f;
    open_fixture(&f, POLICY(NOISE("8")));
    test_model_free(&f.base);
    f.base = test_model_mixed(3001, 2);
    const struct transfer_filter *filter;
    struct filtering *filtering = begin(&f);
    CHECK_EQUAL(filtering_prepare(filtering, &filter, &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, "not those of the model received") != NULL);
    CHECK_EQUAL(spent(&f), 0);
    filtering_free(filtering);
    close_fixture(&f);
}

static void a_spent_budget_is_a_reason(void)
{
    struct fixture f;
    open_fixture(&f, POLICY(NOISE("5"))); /* one update: rho 0.5, epsilon 4.73; two: 7.0 */
    const struct transfer_filter *filter;
    struct filtering *one = begin(&f), *two = begin(&f);
    CHECK_STATUS(scope_can_afford(&f.scope, &test_error), ANB_OK);
    CHECK_STATUS(filtering_prepare(one, &filter, &test_error), ANB_OK);
    CHECK_EQUAL(filtering_prepare(two, &filter, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "budget is spent: epsilon 4.728 of 5 at delta 1e-05 in ward.ledger") != NULL);
    CHECK_EQUAL(scope_can_afford(&f.scope, &test_error), ANB_DENIED);
    CHECK_EQUAL(spent(&f), 0.5);
    filtering_free(one);
    filtering_free(two);
    close_fixture(&f);
}

static void sent_again_a_result_is_the_same_and_costs_nothing(void)
{
    struct fixture f;
    open_fixture(&f, POLICY(NOISE("8")));
    const struct transfer_filter *first, *again;
    struct filtering *filtering = begin(&f);
    CHECK_STATUS(filtering_prepare(filtering, &first, &test_error), ANB_OK);
    unsigned char *a = bytes_of(&f, first);
    CHECK_STATUS(filtering_prepare(filtering, &again, &test_error), ANB_OK);
    unsigned char *b = bytes_of(&f, again);
    CHECK(memcmp(a, b, (size_t)layout_data_bytes(f.update.layout)) == 0);
    CHECK_EQUAL(spent(&f), 0.5);
    free(a);
    free(b);
    filtering_free(filtering);
    close_fixture(&f);
}

/* As after a crash between the ledger and the stream, and the training that follows it. */
static void what_never_left_is_spent_and_the_next_result_has_other_noise(void)
{
    struct fixture f;
    open_fixture(&f, POLICY(NOISE("8")));
    const struct transfer_filter *filter;
    struct filtering *lost = begin(&f);
    CHECK_STATUS(filtering_prepare(lost, &filter, &test_error), ANB_OK);
    unsigned char *a = bytes_of(&f, filter);
    filtering_free(lost);
    CHECK_EQUAL(spent(&f), 0.5);
    struct filtering *next = begin(&f);
    CHECK_STATUS(filtering_prepare(next, &filter, &test_error), ANB_OK);
    unsigned char *b = bytes_of(&f, filter);
    CHECK(memcmp(a, b, (size_t)layout_data_bytes(f.update.layout)) != 0);
    CHECK_EQUAL(spent(&f), 1);
    free(a);
    free(b);
    filtering_free(next);
    close_fixture(&f);
}

static void a_ledger_that_cannot_be_written_keeps_the_update_here(void)
{
    struct fixture f;
    open_fixture(&f, POLICY(NOISE("8")));
    CHECK_STATUS(file_make_folders(f.scope.ledger, &test_error), ANB_OK); /* a folder in its place */
    const struct transfer_filter *filter = NULL;
    struct filtering *filtering = begin(&f);
    CHECK(filtering_prepare(filtering, &filter, &test_error) != ANB_OK);
    CHECK(filter == NULL);
    CHECK(scope_can_afford(&f.scope, &test_error) != ANB_OK);
    filtering_free(filtering);
    close_fixture(&f);
}

static void filters_without_noise_need_no_ledger(void)
{
    struct fixture f;
    open_fixture(&f, POLICY("{exclude: [counts, flags]}, {quantise: int8}"));
    const struct transfer_filter *filter;
    struct filtering *filtering = begin(&f);
    CHECK_STATUS(filtering_prepare(filtering, &filter, &test_error), ANB_OK);
    CHECK_EQUAL(filter->encoding, ENCODING_INT8);
    CHECK(access(f.scope.ledger, F_OK) != 0);
    filtering_free(filtering);
    filtering_free(NULL);
    close_fixture(&f);
}

TEST_MAIN("filtering", TEST(a_scope_that_is_not_there_is_refused), TEST(a_site_without_filters_has_no_chain),
          TEST(a_model_of_other_tensors_is_refused_before_anything_is_spent), TEST(a_spent_budget_is_a_reason),
          TEST(sent_again_a_result_is_the_same_and_costs_nothing),
          TEST(what_never_left_is_spent_and_the_next_result_has_other_noise),
          TEST(a_ledger_that_cannot_be_written_keeps_the_update_here), TEST(filters_without_noise_need_no_ledger))
