/* Lists of filters: what is refused, with its line, and what a good one becomes. */
#include "privacy/chain.h"

#include "support/test.h"

#include <string.h>

static enum anb_status parse(const char *text, struct filter_chain **chain)
{
    struct doc *root;
    REQUIRE(doc_parse_yaml(slice_of_text(text), "site.yaml", &root, &test_error) == ANB_OK);
    enum anb_status status = filter_chain_parse(doc_get(root, "filters"), "site.yaml", chain, &test_error);
    doc_free(root);
    return status;
}

static void check_refused(const char *filters, const char *sentence)
{
    char text[512];
    struct filter_chain *chain = NULL;
    snprintf(text, sizeof text, "filters:\n%s", filters);
    CHECK_EQUAL(parse(text, &chain), ANB_INVALID);
    CHECK(chain == NULL);
    CHECK(strstr(test_error.text, sentence) != NULL);
    if (!strstr(test_error.text, sentence)) printf("   said: %s\n", test_error.text);
}

static void what_is_no_filter_is_refused_with_its_line(void)
{
    check_refused("  - blur: {sigma: 2}\n", "site.yaml:2: no filter \"blur\"");
    check_refused("  - quantise: int8\n  - norm_clip\n", "site.yaml:3: each filter is one name");
    check_refused("  a: 1\n", "filters must be a list");
    check_refused("  - norm_clip: {norm: 1, speed: 3}\n", "site.yaml:2: norm_clip has no key \"speed\"");
    check_refused("  - norm_clip: 1\n", "norm_clip must be a map");
}

static void numbers_out_of_range_are_refused(void)
{
    check_refused("  - norm_clip: {norm: 0}\n", "norm_clip.norm must be 1e-09..1e+09, got 0");
    check_refused("  - norm_clip: {norm: -1}\n", "got -1");
    check_refused("  - norm_clip: {norm: \"1\"}\n", "must be a number");
    check_refused("  - norm_clip: {norm: .nan}\n", "norm_clip.norm must be");
    check_refused("  - norm_clip: {}\n", "norm_clip needs norm");
    check_refused("  - percentile: {keep: 101}\n", "percentile.keep");
    check_refused("  - quantise: int4\n", "quantise must be f16, bf16 or int8");
    check_refused("  - quantise: plain\n", "quantise must be f16, bf16 or int8");
    check_refused("  - exclude: []\n", "exclude must be a list");
    check_refused("  - exclude: [1]\n", "a pattern must be a text");
    check_refused("  - withhold: [metrics, model]\n", "withhold takes metrics, weight, words");
    check_refused("  - withhold: metrics\n", "withhold must be a list");
    check_refused("  - norm_clip: {norm: 1, per: layer}\n", "per must be update or tensor");
}

static void an_order_that_would_mean_something_else_is_refused(void)
{
    check_refused("  - quantise: int8\n  - norm_clip: {norm: 1}\n", "site.yaml:3: norm_clip stands too late");
    check_refused("  - norm_clip: {norm: 1}\n  - norm_clip: {norm: 2}\n", "norm_clip stands twice");
}

static void noise_without_norm_or_budget_is_refused(void)
{
    check_refused("  - budget: {epsilon: 1, delta: 1e-5}\n  - noise: {multiplier: 1}\n", "noise needs norm_clip");
    check_refused("  - norm_clip: {norm: 1}\n  - noise: {multiplier: 1}\n", "need a budget");
    check_refused("  - budget: {epsilon: 1, delta: 1e-5}\n  - norm_clip: {norm: 1}\n", "nothing here spends");
    check_refused("  - budget: {epsilon: 1, delta: 1e-5}\n  - percentile: {keep: 10}\n"
                  "  - sparse_vector: {epsilon: 1, fraction: 0.1, limit: 1, threshold: 0.5}\n",
                  "sparse_vector selects");
}

static void nothing_is_no_chain(void)
{
    struct filter_chain *chain = (void *)1;
    CHECK_STATUS(parse("filters: []\n", &chain), ANB_OK);
    CHECK(chain == NULL);
    chain = (void *)1;
    CHECK_STATUS(parse("other: 1\n", &chain), ANB_OK);
    CHECK(chain == NULL);
    CHECK(!filter_chain_spends(NULL));
    filter_chain_free(NULL);
}

static void a_full_list_is_read_and_described(void)
{
    char text[256];
    struct filter_chain *chain;
    CHECK_STATUS(parse("filters:\n"
                       "  - budget: {epsilon: 8, delta: 1e-5}\n"
                       "  - withhold: [words, metrics]\n"
                       "  - exclude: [\"head.*\", \"*.running_mean\"]\n"
                       "  - norm_clip: {norm: 2.5, per: tensor}\n"
                       "  - percentile: {keep: 10}\n"
                       "  - noise: {multiplier: 1.5}\n"
                       "  - quantise: int8\n",
                       &chain),
                 ANB_OK);
    CHECK_EQUAL(chain->budget.epsilon, 8);
    CHECK_EQUAL(chain->norm, 2.5);
    CHECK_EQUAL(chain->clip, FILTER_CLIP_TENSOR);
    CHECK_EQUAL(chain->encoding, ENCODING_INT8);
    CHECK(filter_chain_spends(chain));
    CHECK(filter_chain_withholds(chain, FILTER_WITHHELD_METRICS));
    CHECK(filter_chain_withholds(chain, FILTER_WITHHELD_WORDS));
    CHECK(!filter_chain_withholds(chain, FILTER_WITHHELD_WEIGHT));
    CHECK(!filter_chain_withholds(NULL, FILTER_WITHHELD_WORDS));
    CHECK(filter_chain_excludes(chain, "head.weight"));
    CHECK(filter_chain_excludes(chain, "layer1.bn.running_mean"));
    CHECK(!filter_chain_excludes(chain, "body.weight"));
    filter_chain_describe(chain, text);
    CHECK_TEXT(text, "withhold 2 things, exclude 2 patterns, norm_clip 2.5 per tensor, percentile 10 %, noise 1.5, "
                     "budget (8, 1e-05), "
                     "quantise int8");
    filter_chain_free(chain);
}

TEST_MAIN("chain", TEST(what_is_no_filter_is_refused_with_its_line), TEST(numbers_out_of_range_are_refused),
          TEST(an_order_that_would_mean_something_else_is_refused), TEST(noise_without_norm_or_budget_is_refused),
          TEST(nothing_is_no_chain), TEST(a_full_list_is_read_and_described))
