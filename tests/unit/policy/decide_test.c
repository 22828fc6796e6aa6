/* Decisions: for each rule, what it denies and in which words, then what it allows. */
#include "policy/policy.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#define OPEN "submitters: {roles: [lead]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n"
#define JOB "name: digits\nrounds: 2\nsites: {minimum: 3}\ntrainer: {command: [python3, train.py, '7']}\n"
#define TRAIN "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static struct manifest_file files[] = {{"job.yaml", 100, {{1}}}, {"train.py", 900, {{0}}}};
static struct manifest manifest = {.submitter = "rosa", .files = files, .n_files = 2};
static struct policy_decision decision;

static void decide_as(const char *user, enum roster_role role, const char *policy_text, const char *job_text)
{
    struct policy *policy = NULL;
    struct job_spec *spec = NULL;
    hex_decode(TRAIN, files[1].digest.bytes, DIGEST_BYTES);
    REQUIRE(policy_parse(slice_of_text(policy_text), "site.yaml", &policy, &test_error) == ANB_OK);
    REQUIRE(job_spec_parse(slice_of_text(job_text), "job.yaml", &spec, &test_error) == ANB_OK);
    const struct policy_request request = {user, role, spec, &manifest};
    decision = (struct policy_decision){.n_findings = 0};
    policy_decide(policy, &request, &decision);
    decision.scope = NULL;
    job_spec_free(spec);
    policy_free(policy);
}

static void decide(const char *policy_text, const char *job_text)
{
    decide_as("rosa", ROSTER_LEAD, policy_text, job_text);
}

static void denied(enum policy_rule rule, const char *words)
{
    const struct policy_finding *denial = policy_denial(&decision);
    REQUIRE(denial != NULL);
    CHECK_TEXT(policy_rule_word(denial->rule), policy_rule_word(rule));
    CHECK(strstr(denial->text, words) != NULL);
    if (!strstr(denial->text, words)) printf("got: %s\n", denial->text);
}

static void allowed(void)
{
    const struct policy_finding *denial = policy_denial(&decision);
    CHECK(!denial);
    if (denial) printf("denied by %s: %s\n", policy_rule_word(denial->rule), denial->text);
    CHECK_EQUAL(decision.n_findings, 5);
}

static void a_decision_without_findings_denies(void)
{
    decision = (struct policy_decision){.n_findings = 0};
    denied(POLICY_RULE_FILE, "no rule was asked");
}

static void an_empty_policy_denies_by_its_first_rule(void)
{
    decide("{}\n", JOB);
    denied(POLICY_RULE_SUBMITTERS, "rosa (role lead) is not one of its users and has none of its roles");
    CHECK_EQUAL(decision.n_findings, 5); /* all are asked */
}

static void users_are_known_by_name_or_by_role(void)
{
    decide_as("jan", ROSTER_MEMBER, OPEN, JOB);
    denied(POLICY_RULE_SUBMITTERS, "jan (role member)");
    decide_as("jan", ROSTER_ADMIN, OPEN, JOB); /* an admin is no lead */
    denied(POLICY_RULE_SUBMITTERS, "jan (role admin)");
    decide_as("jan", ROSTER_LEAD, OPEN, JOB);
    allowed();
    decide_as("jan", ROSTER_MEMBER, "submitters: {users: [jan]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n",
              JOB);
    allowed();
}

static void a_job_of_too_few_is_denied(void)
{
    decide("submitters: {roles: [lead]}\njobs: {smallest_cohort: 4}\ncode: {allow: any}\n", JOB);
    denied(POLICY_RULE_COHORT, "of 3 updates, this site joins at least 4");
    decide("submitters: {roles: [lead]}\njobs: {smallest_cohort: 3}\ncode: {allow: any}\n", JOB "round: {quorum: 2}\n");
    denied(POLICY_RULE_COHORT, "of 2 updates"); /* the quorum counts, not how many begin */
    decide("submitters: {roles: [lead]}\njobs: {smallest_cohort: 3}\ncode: {allow: any}\n", JOB);
    allowed();
}

static void a_folder_that_is_too_large_is_denied(void)
{
    files[1].bytes = 1 << 20;
    decide(OPEN, JOB);
    allowed();
    decide("submitters: {roles: [lead]}\njobs: {smallest_cohort: 1, folder_mib: 1}\ncode: {allow: any}\n", JOB);
    denied(POLICY_RULE_FOLDER, "more than 1 MiB");
    files[1].bytes = INT64_MAX; /* no sum overflows */
    decide(OPEN, JOB);
    denied(POLICY_RULE_FOLDER, "more than 256 MiB");
    files[1].bytes = 900;
    decide("submitters: {roles: [lead]}\njobs: {smallest_cohort: 1, folder_files: 1}\ncode: {allow: any}\n", JOB);
    denied(POLICY_RULE_FOLDER, "has 2 files, at most 1");
}

static void no_code_means_no_job(void)
{
    decide("submitters: {roles: [lead]}\njobs: {smallest_cohort: 1}\ncode: {allow: none}\n", JOB);
    denied(POLICY_RULE_CODE, "no program or code of a job may run here");
}

#define LISTED(rest) "submitters: {roles: [lead]}\njobs: {smallest_cohort: 1}\ncode: {allow: listed, " rest "}\n"

static void commands_that_are_not_listed_are_denied(void)
{
    decide(LISTED("commands: [[python3, train.py]], digests: ['" TRAIN "']"), JOB); /* one word less */
    denied(POLICY_RULE_CODE, "the command (\"python3\", 3 words) is not one of code.commands");
    decide(LISTED("commands: [[python3, train.py, '8']], digests: ['" TRAIN "']"), JOB);
    denied(POLICY_RULE_CODE, "is not one of code.commands");
    decide(LISTED("commands: [[a], [python3, train.py, '[0-9]']], digests: ['" TRAIN "']"), JOB);
    allowed();
}

static void files_that_are_not_listed_are_denied_but_for_the_job_file(void)
{
    decide(LISTED("commands: [[python3, '*', '*']]"), JOB);
    denied(POLICY_RULE_CODE, "the file train.py is not in code.digests: " TRAIN);
    files[0].path = "sub/job.yaml"; /* only the one at the top is the job file */
    decide(LISTED("commands: [[python3, '*', '*']], digests: ['" TRAIN "']"), JOB);
    denied(POLICY_RULE_CODE, "the file sub/job.yaml is not in code.digests");
    files[0].path = "job.yaml";
}

static void variables_that_are_not_listed_are_denied(void)
{
    const char *job = "name: digits\nrounds: 2\ntrainer: {command: [python3], environment: {LD_PRELOAD: x.so}}\n";
    decide(LISTED("commands: [[python3]], digests: ['" TRAIN "'], environment: [EPOCHS]"), job);
    denied(POLICY_RULE_CODE, "the variable LD_PRELOAD is not in code.environment");
    decide(LISTED("commands: [[python3]], digests: ['" TRAIN "'], environment: [LD_PRELOAD]"), job);
    allowed();
}

static void scopes_must_be_known_and_chosen(void)
{
    decide(OPEN "privacy: {scopes: {strict: {filters: []}}}\n", JOB);
    denied(POLICY_RULE_PRIVACY, "the job names no scope");
    decide(OPEN "privacy: {scopes: {strict: {filters: []}}}\n", JOB "privacy: {scope: open}\n");
    denied(POLICY_RULE_PRIVACY, "there is no scope \"open\"");
    decide(OPEN, JOB "privacy: {scope: open}\n");
    denied(POLICY_RULE_PRIVACY, "there is no scope \"open\"");
    decide(OPEN "privacy: {default: strict, scopes: {strict: {filters: []}}}\n", JOB);
    allowed();
    decide(OPEN "privacy: {scopes: {strict: {filters: []}}}\n", JOB "privacy: {scope: strict}\n");
    allowed();
}

static void the_first_denial_counts(void)
{
    decide_as("jan", ROSTER_MEMBER, "submitters: {roles: [lead]}\njobs: {smallest_cohort: 9}\n", JOB);
    denied(POLICY_RULE_SUBMITTERS, "jan");
}

static void later_findings_of_others_deny_too(void)
{
    decide(OPEN, JOB);
    policy_find(&decision, POLICY_RULE_AUTHORIZATION, false, "%s", "not on Sundays");
    denied(POLICY_RULE_AUTHORIZATION, "not on Sundays");
}

TEST_MAIN("policy decide", TEST(a_decision_without_findings_denies), TEST(an_empty_policy_denies_by_its_first_rule),
          TEST(users_are_known_by_name_or_by_role), TEST(a_job_of_too_few_is_denied),
          TEST(a_folder_that_is_too_large_is_denied), TEST(no_code_means_no_job),
          TEST(commands_that_are_not_listed_are_denied),
          TEST(files_that_are_not_listed_are_denied_but_for_the_job_file),
          TEST(variables_that_are_not_listed_are_denied), TEST(scopes_must_be_known_and_chosen),
          TEST(the_first_denial_counts), TEST(later_findings_of_others_deny_too))
