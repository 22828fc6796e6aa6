/* Sites with filters in whole jobs: alike, unlike, without a budget, and killed with their budget half spent. */
#include "agents.h"
#include "privacy/ledger.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HELLO "#!/bin/sh\nexec ./hello\n"
#define SPEC_2 "\"rounds\":3,\"sites\":{\"minimum\":2},\"final_evaluation\":true"
#define SPEC_QUORUM_1 SPEC_2 ",\"round\":{\"quorum\":1}"

#define POLICY(filters) "privacy: {default: ward, scopes: {ward: {filters: [" filters "]}}}\n"
#define NOISE(epsilon)                                                                                                 \
    POLICY("{budget: {epsilon: " epsilon ", delta: 1.0e-5}}, {norm_clip: {norm: 1.0}}, {noise: {multiplier: 2.0}}")

static struct ending run_with(const char *policy_1, const char *policy_2, const char *spec)
{
    const char *policies[] = {policy_1, policy_2};
    struct ending ending = {.outcome = OUTCOME_FAILED};
    struct agents *agents = agents_open_with(2, policies);
    CHECK(agents_await(agents, agents_submit(agents, HELLO, spec), &ending));
    agents_close(agents);
    return ending;
}

static struct ledger_entry ledger_of(const struct agents *agents, int site)
{
    char path[1024];
    struct ledger_entry last = {.round = -1};
    snprintf(path, sizeof path, "%s/privacy/ward.ledger", agents_folder(agents, site));
    ledger_last(path, &last, &test_error);
    return last;
}

static void a_scope_that_the_site_does_not_have_is_a_reason(void)
{
    const char *policies[] = {POLICY("")};
    char reason[512] = "";
    struct agents *agents = agents_open_with(1, policies);
    const char *job = agents_submit(agents, HELLO, "\"rounds\":1,\"privacy\":{\"scope\":\"strict\"}");
    CHECK(agents_await_answer(agents, job, reason));
    CHECK_TEXT(reason, "rule privacy: there is no scope \"strict\"");
    agents_close(agents);
}

static void without_a_budget_left_nothing_leaves_and_the_job_says_why(void)
{
    struct ending ending = run_with(NOISE("1"), NOISE("1"), SPEC_2);
    CHECK_EQUAL(ending.outcome, OUTCOME_FAILED);
    CHECK_EQUAL(ending.n_counted, 0);
    CHECK(strstr(ending.excluded, "privacy budget is spent: epsilon 0 of 1 at delta 1e-05 in ward.ledger") != NULL);
}

static void the_job_goes_on_by_its_quorum_when_one_site_has_spent_all(void)
{
    const char *policies[] = {NOISE("5"), NULL}; /* one update: epsilon 4.73; two: 7.0 */
    struct ending ending = {.outcome = OUTCOME_FAILED};
    struct agents *agents = agents_open_with(2, policies);
    CHECK(agents_await(agents, agents_submit(agents, HELLO, SPEC_QUORUM_1), &ending));
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    CHECK_EQUAL(ending.n_counted, 2);
    CHECK_EQUAL(ending.n_rounds, 4);
    struct ledger_entry last = ledger_of(agents, 1);
    CHECK_EQUAL(last.round, 0);
    CHECK_EQUAL(last.total.rho, 0.5);
    CHECK_EQUAL(last.total.numbers, 1000);
    agents_close(agents);
}

static void sites_with_the_same_filters_and_with_others_count_together(void)
{
    struct ending plain = run_with(NULL, NULL, SPEC_2);
    const char *const pairs[][2] = {
        {POLICY("{quantise: f16}"), POLICY("{quantise: f16}")},
        {POLICY("{quantise: int8}"), NULL},
        {POLICY("{quantise: bf16}"), POLICY("{norm_clip: {norm: 1000000.0}}, {quantise: int8}")}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct ending ending = run_with(pairs[i][0], pairs[i][1], SPEC_2);
        CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
        CHECK_EQUAL(ending.n_counted, 2);
        CHECK_EQUAL(ending.n_rounds, 4);
        CHECK(fabs(ending.loss - plain.loss) < 0.01 * plain.loss);
    }
}

static void metrics_that_a_site_withholds_are_those_of_the_others(void)
{
    struct ending both = run_with(NULL, NULL, SPEC_2);
    struct ending one = run_with(POLICY("{withhold: [metrics, weight]}"), NULL, SPEC_2);
    struct ending none = run_with(POLICY("{withhold: [metrics]}"), POLICY("{withhold: [metrics]}"), SPEC_2);
    CHECK_EQUAL(one.outcome, OUTCOME_COMPLETED);
    CHECK_EQUAL(none.outcome, OUTCOME_COMPLETED);
    CHECK_EQUAL(one.n_counted, 2);
    CHECK(isfinite(both.loss) && isfinite(one.loss) && one.loss != both.loss);
    CHECK(isnan(none.loss));
    CHECK(digest_equal(&both.model, &one.model)); /* sums of small whole numbers: exact as a change, too */
}

static void words_that_a_site_withholds_stand_in_no_reason(void)
{
    const char *policies[] = {POLICY("{withhold: [words]}")};
    struct ending ending = {.outcome = OUTCOME_COMPLETED};
    struct agents *agents = agents_open_with(1, policies);
    const char *script = "#!/bin/sh\necho patient 4711 has no image >&2\nexit 3\n";
    CHECK(agents_await(agents, agents_submit(agents, script, "\"rounds\":1,\"sites\":{\"minimum\":1}"), &ending));
    agents_close(agents);
    CHECK_EQUAL(ending.outcome, OUTCOME_FAILED);
    CHECK(strstr(ending.excluded, "exit status 3") != NULL);
    CHECK(strstr(ending.excluded, "4711") == NULL);
    CHECK(strstr(ending.excluded, "keeps the trainer's words to itself") != NULL);
}

static void what_is_excluded_stays_as_it_was(void)
{
    struct ending plain = run_with(NULL, NULL, SPEC_2);
    struct ending ending = run_with(POLICY("{exclude: [\"*\"]}"), POLICY("{exclude: [\"*\"]}"), SPEC_2);
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    CHECK(ending.loss > 1.5 * plain.loss); /* no site let anything go: the first model's loss */
}

/* Killed once its ledger has a line: what was spent stays spent, what is trained again is spent again. */
static void a_killed_agent_has_spent_what_its_ledger_says(void)
{
    const char *policies[] = {NOISE("100"), NULL};
    struct ending ending = {.outcome = OUTCOME_FAILED};
    struct agents *agents = agents_open_with(2, policies);
    const char *job = agents_submit(agents, HELLO, SPEC_2);
    char path[1024];
    snprintf(path, sizeof path, "%s/privacy/ward.ledger", agents_folder(agents, 1));
    CHECK(agents_await_file(path));
    agents_kill(agents, 1);
    double before = ledger_of(agents, 1).total.rho;
    agents_start(agents, 1);
    CHECK(agents_await(agents, job, &ending));
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    double after = ledger_of(agents, 1).total.rho;
    CHECK(after >= 1.5); /* 3 rounds, each 0.5 */
    CHECK(after <= 1.5 + before);
    agents_close(agents);
}

TEST_MAIN("filters", TEST(a_scope_that_the_site_does_not_have_is_a_reason),
          TEST(without_a_budget_left_nothing_leaves_and_the_job_says_why),
          TEST(the_job_goes_on_by_its_quorum_when_one_site_has_spent_all),
          TEST(sites_with_the_same_filters_and_with_others_count_together),
          TEST(metrics_that_a_site_withholds_are_those_of_the_others),
          TEST(words_that_a_site_withholds_stand_in_no_reason), TEST(what_is_excluded_stays_as_it_was),
          TEST(a_killed_agent_has_spent_what_its_ledger_says))
