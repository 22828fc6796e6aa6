/* Every allocation of common/ fails once: the call says so, nothing leaks (ASan looks), and the next call works. */
#include "base/arena.h"
#include "base/doc.h"
#include "base/file.h"
#include "base/options.h"
#include "bundle/bundle.h"
#include "crypto/digest.h"
#include "privacy/apply.h"
#include "support/heap.h"
#include "support/model.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_ALLOCATIONS = 10000 };

/* Run `work` with the first, the second, ... allocation failing, until it gets through; it returns true on success. */
static void fail_each_allocation(bool (*work)(void))
{
    int n = 1;
    for (; n < MOST_ALLOCATIONS; n++) {
        heap_fail_at(n);
        bool done = work();
        bool failed = heap_has_failed();
        heap_fail_at(0);
        CHECK_EQUAL(done, !failed);
        if (!failed) break;
    }
    CHECK(n > 1 && n < MOST_ALLOCATIONS);
}

static bool out_of_memory(enum anb_status status)
{
    return status == ANB_NO_MEMORY || status == ANB_TOO_LARGE; /* JSON does not tell the two apart */
}

static const char text[] = "{\"a\": [1, 2.5, \"x\", null, true, {\"b\": \"c\"}], \"d\": [], \"e\": \"f\"}";

static bool parse_with(enum anb_status (*parse)(struct slice, const char *, struct doc **, struct anb_error *))
{
    struct doc *doc = NULL;
    enum anb_status status = parse(slice_of_text(text), "text", &doc, &test_error);
    CHECK(status == ANB_OK || (out_of_memory(status) && !doc));
    doc_free(doc);
    return status == ANB_OK;
}

static bool parse_yaml(void)
{
    return parse_with(doc_parse_yaml);
}

static bool parse_json(void)
{
    return parse_with(doc_parse_json);
}

static void documents_are_parsed_or_not_at_all(void)
{
    fail_each_allocation(parse_yaml);
    fail_each_allocation(parse_json);
}

static const struct doc *original;

static bool copy_document(void)
{
    struct doc *map = doc_new_map();
    bool done = doc_set_copy(map, "copy", original) && doc_set_text(map, "text", "x") && doc_set_int(map, "n", 1);
    doc_free(map);
    return done;
}

static void documents_are_built_or_give_nothing(void)
{
    struct doc *doc = NULL;
    CHECK_STATUS(doc_parse_json(slice_of_text(text), "text", &doc, &test_error), ANB_OK);
    original = doc;
    fail_each_allocation(copy_document);
    doc_free(doc);
}

static bool print_into_buf(void)
{
    struct buf buf;
    buf_init(&buf, 4096);
    enum anb_status status = buf_append_text(&buf, "a text that needs some room to stand in", &test_error);
    if (status == ANB_OK) status = buf_printf(&buf, &test_error, "%0200d", 1);
    CHECK(status == ANB_OK || status == ANB_NO_MEMORY);
    char *taken = status == ANB_OK ? buf_take_text(&buf) : NULL;
    free(taken);
    buf_fini(&buf);
    return status == ANB_OK;
}

static bool fill_arena(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    bool done = arena_alloc(&arena, 100) && arena_alloc(&arena, 10000) && arena_text(&arena, slice_of_text(text));
    arena_fini(&arena);
    return done;
}

static bool digest_bytes(void)
{
    struct digest_context *context = digest_new();
    digest_free(context);
    return context != NULL;
}

static void bufs_arenas_and_digests_give_back_what_they_have(void)
{
    fail_each_allocation(print_into_buf);
    fail_each_allocation(fill_arena);
    fail_each_allocation(digest_bytes);
}

struct settings {
    char *node, *folder;
};
static const struct option_entry entries[] = {
    OPTION_TEXT_ENTRY(struct settings, node, "node", NULL, "name"),
    OPTION_TEXT_ENTRY(struct settings, folder, "folder", "/var", "place"),
};

static bool parse_options(void)
{
    static const struct option_table table = {"program", "", "Tests.", entries, 2};
    char words[4][16] = {"program", "--node", "a", "--folder=/b"};
    char *argv[] = {words[0], words[1], words[2], words[3]};
    struct settings settings;
    int n_operands;
    enum anb_status status = options_parse(&table, 4, argv, &settings, &n_operands, &test_error);
    CHECK(status == ANB_OK || status == ANB_NO_MEMORY);
    if (status == ANB_OK) options_fini(&table, &settings);
    return status == ANB_OK;
}

static void settings_are_freed_when_one_cannot_be_kept(void)
{
    fail_each_allocation(parse_options);
}

static char job_folder[256];

static bool pack_and_read(void)
{
    static const struct bundle_limits limits = {100, 4096};
    struct buf content;
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    buf_init(&content, 100);
    enum anb_status status = bundle_pack(job_folder, NULL, fd, &test_error);
    lseek(fd, 0, SEEK_SET);
    if (status == ANB_OK) status = bundle_read(fd, &limits, "sub/job.yaml", &content, &test_error);
    CHECK(status == ANB_OK || status == ANB_NO_MEMORY);
    close(fd);
    buf_fini(&content);
    return status == ANB_OK;
}

static void bundles_are_packed_and_read_or_refused(void)
{
    char path[512];
    snprintf(job_folder, sizeof job_folder, "%s/job", test_folder());
    snprintf(path, sizeof path, "%s/sub", job_folder);
    CHECK_STATUS(file_make_folders(path, &test_error), ANB_OK);
    strcat(path, "/job.yaml");
    CHECK_STATUS(file_write(path, slice_of_text("name: x\n"), &test_error), ANB_OK);
    fail_each_allocation(pack_and_read);
}

static struct doc *filters;
static struct test_model update, base;

static bool filter_an_update(void)
{
    static const unsigned char seed[FILTER_SEED_BYTES] = {1};
    struct filter_chain *chain = NULL;
    struct filter_run *run = NULL;
    const struct filter_source source = {update.layout,      update.fd,        base.fd,
                                         update.data_offset, base.data_offset, false};
    unsigned char out[1024 + ENCODING_ROOM];
    size_t size;
    enum anb_status status = filter_chain_parse(filters, "filters", &chain, &test_error);
    if (status == ANB_OK) status = filter_run_new(chain, &source, seed, &run, &test_error);
    if (status == ANB_OK) status = filter_run_fill(run, 0, 1024, out, &size, &test_error);
    CHECK(status == ANB_OK || status == ANB_NO_MEMORY);
    filter_run_free(run);
    filter_chain_free(chain);
    return status == ANB_OK;
}

static void updates_are_filtered_or_not_at_all(void)
{
    static const char list[] = "[{budget: {epsilon: 8, delta: 1.0e-5}}, {exclude: [\"c*\", flags]}, "
                               "{norm_clip: {norm: 1.0}}, {percentile: {keep: 10}}, {noise: {multiplier: 1.0}}]";
    CHECK_STATUS(doc_parse_yaml(slice_of_text(list), "filters", &filters, &test_error), ANB_OK);
    update = test_model_mixed(1000, 1);
    base = test_model_mixed(1000, 2);
    fail_each_allocation(filter_an_update);
    test_model_free(&update);
    test_model_free(&base);
    doc_free(filters);
}

TEST_MAIN("heap", TEST(documents_are_parsed_or_not_at_all), TEST(documents_are_built_or_give_nothing),
          TEST(bufs_arenas_and_digests_give_back_what_they_have), TEST(settings_are_freed_when_one_cannot_be_kept),
          TEST(bundles_are_packed_and_read_or_refused), TEST(updates_are_filtered_or_not_at_all))
