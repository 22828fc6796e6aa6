/* Policy files: what is refused and in which words, then what is read. */
#include "policy/policy.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static struct policy *parse(const char *text)
{
    struct policy *policy = NULL;
    CHECK_STATUS(policy_parse(slice_of_text(text), "site.yaml", &policy, &test_error), ANB_OK);
    REQUIRE(policy != NULL);
    return policy;
}

static void refused(const char *text, const char *sentence)
{
    struct policy *policy = NULL;
    struct anb_error err = {0};
    CHECK(policy_parse(slice_of_text(text), "site.yaml", &policy, &err) == ANB_INVALID);
    CHECK(!policy);
    if (!strstr(err.text, sentence)) printf("got: %s\n", err.text);
    CHECK(strstr(err.text, sentence) != NULL);
    policy_free(policy);
}

static void files_that_are_no_map_are_refused(void)
{
    refused("", "site.yaml");
    refused("- 1\n", "site.yaml: must be a map of keys, got a list");
    refused("code: any\n", "site.yaml:1: code must be a map, got a text");
}

static void unknown_keys_name_their_line_and_the_nearest_key(void)
{
    refused("code: {allow: any}\nsubmiters: {users: [rosa]}\n",
            "site.yaml:2: unknown key submiters: did you mean submitters?");
    refused("submitters:\n  user: [rosa]\n",
            "site.yaml:2: unknown key submitters.user: did you mean submitters.users?");
    refused("resources: {zzzzzzzzzzz: 1}\n", "known here are cpu_s, memory_mib");
    refused("zzzzzzzzzzzzzzzzzz: {}\n", "known here are submitters, jobs, code, resources, privacy, authorization");
}

static void keys_given_twice_are_refused(void)
{
    refused("code: {allow: none}\ncode: {allow: any}\n", "site.yaml:2");
    refused("code: {allow: none, allow: any}\n", "site.yaml:1");
}

static void values_of_another_kind_are_refused(void)
{
    refused("submitters: {users: rosa}\n", "site.yaml:1: submitters.users must be a list, got a text");
    refused("submitters: {users: [7]}\n", "submitters.users must be a text");
    refused("submitters: {users: [Rosa]}\n", "submitters.users has a name that none can have");
    refused("submitters: {users: ['*']}\n", "submitters.users has a name that none can have");
    refused("submitters: {roles: lead}\n", "submitters.roles must be a list");
    refused("jobs: {smallest_cohort: many}\n", "jobs.smallest_cohort must be an integer, got a text");
    refused("privacy: {scopes: []}\n", "privacy.scopes must be a map, got a list");
}

static void roles_of_nodes_and_words_that_are_none_are_refused(void)
{
    refused("submitters: {roles: [server]}\n", "may have only the roles admin, lead, member");
    refused("submitters: {roles: [boss]}\n", "may have only the roles admin, lead, member");
    refused("code: {allow: all}\n", "site.yaml:1: code.allow must be none, listed or any");
}

static void numbers_out_of_range_are_refused(void)
{
    refused("jobs: {smallest_cohort: 0}\n", "jobs.smallest_cohort must be 1..1000, got 0");
    refused("jobs: {folder_mib: 257}\n", "jobs.folder_mib must be 1..256, got 257");
    refused("resources: {cpu_s: -1}\n", "resources.cpu_s must be 0..");
    refused("authorization: {timeout_s: 301}\n", "authorization.timeout_s must be 1..300, got 301");
}

static void lists_that_would_have_no_effect_are_refused(void)
{
    refused("code: {allow: any, commands: [[python3]]}\n", "hold with \"allow: listed\" only");
    refused("code: {digests: ['" DIGEST "']}\n", "hold with \"allow: listed\" only");
    refused("code: {allow: listed}\n", "code.commands lists none");
}

static void commands_and_digests_must_have_their_form(void)
{
    refused("code: {allow: listed, commands: [python3, train.py]}\n", "is a list of commands, each a list of words");
    refused("code: {allow: listed, commands: [[]]}\n", "is a list of commands");
    refused("code: {allow: listed, commands: [[a]], digests: [9f86]}\n", "has something that is no SHA-256");
    refused("code: {allow: listed, commands: [[a]], environment: ['A=B']}\n", "has a variable that none can be");
}

static void scopes_must_have_filters_and_the_default_one_must_be_there(void)
{
    refused("privacy: {scopes: {strict: {}}}\n", "gives each scope just one key, a list");
    refused("privacy: {scopes: {strict: {filters: [], more: 1}}}\n", "gives each scope just one key, a list");
    refused("privacy: {scopes: {'a b': {filters: []}}}\n", "has a name that none can have");
    refused("privacy:\n  default: open\n  scopes: {strict: {filters: []}}\n",
            "site.yaml:2: privacy.default: there is no scope \"open\"");
    refused("privacy:\n  scopes:\n    strict: {filters: [{nois: {}}]}\n", "site.yaml:3");
    refused("privacy: {default: open}\n", "there is no scope \"open\"");
}

static void the_program_must_have_an_absolute_path(void)
{
    refused("authorization: {program: ask.sh}\n", "authorization.program must be an absolute path");
}

static void a_file_that_is_too_large_is_refused(void)
{
    static char text[POLICY_FILE_MAX_BYTES + 2];
    struct policy *policy = NULL;
    memset(text, '#', sizeof text - 1);
    CHECK_STATUS(policy_parse(slice_of_text(text), "site.yaml", &policy, &test_error), ANB_TOO_LARGE);
}

static void what_is_not_given_is_closed(void)
{
    struct policy *policy = parse("{}\n");
    CHECK_EQUAL(policy->n_users, 0);
    CHECK_EQUAL(policy->roles, 0);
    CHECK_EQUAL(policy->code, POLICY_CODE_NONE);
    CHECK_EQUAL(policy->smallest_cohort, 2);
    CHECK_EQUAL(policy->folder_mib, 256);
    CHECK(!policy->program);
    policy_free(policy);
}

static void all_keys_are_read(void)
{
    struct policy *policy =
        parse("submitters: {users: [rosa, jan], roles: [lead]}\n"
              "jobs: {smallest_cohort: 3, folder_mib: 64, folder_files: 10}\n"
              "code:\n"
              "  allow: listed\n"
              "  commands: [[python3, train.py], [/opt/t, '--epochs', '*']]\n"
              "  digests: ['" DIGEST "']\n"
              "  environment: [EPOCHS]\n"
              "resources: {cpu_s: 1, memory_mib: 2, open_files: 3, processes: 4, disk_mib: 5, "
              "wall_s: 6}\n"
              "privacy: {default: strict, scopes: {open: {filters: []}, strict: {filters: [{quantise: f16}]}}}\n"
              "authorization: {program: /etc/ask, timeout_s: 3}\n");
    CHECK_EQUAL(policy->n_users, 2);
    CHECK_TEXT(policy->users[1], "jan");
    CHECK_EQUAL(policy->roles, 1u << ROSTER_LEAD);
    CHECK_EQUAL(policy->smallest_cohort, 3);
    CHECK_EQUAL(policy->folder_files, 10);
    CHECK_EQUAL(policy->n_commands, 2);
    CHECK_EQUAL(policy->commands[1].n_words, 3);
    CHECK_TEXT(policy->commands[1].words[2], "*");
    CHECK_EQUAL(policy->n_digests, 1);
    CHECK_EQUAL(policy->digests[0].bytes[0], 0x9f);
    CHECK_TEXT(policy->environment[0], "EPOCHS");
    CHECK_EQUAL(policy->limits.cpu_s, 1);
    CHECK_EQUAL(policy->limits.memory_mib, 2);
    CHECK_EQUAL(policy->limits.open_files, 3);
    CHECK_EQUAL(policy->limits.processes, 4);
    CHECK_EQUAL(policy->limits.disk_mib, 5);
    CHECK_EQUAL(policy->limits.wall_s, 6);
    CHECK_TEXT(policy->default_scope, "strict");
    CHECK_EQUAL(policy->n_scopes, 2);
    CHECK(!policy->scopes[0].chain);
    CHECK(policy->scopes[1].chain != NULL);
    CHECK_TEXT(policy->program, "/etc/ask");
    CHECK_EQUAL(policy->timeout_s, 3);
    policy_free(policy);
}

static void the_page_has_a_row_for_each_key(void)
{
    struct buf page;
    buf_init(&page, 1 << 20);
    CHECK_STATUS(policy_markdown(&page, &test_error), ANB_OK);
    CHECK(strstr(buf_text(&page), "| `code.allow` | `none`, `listed`, `any` | none |") != NULL);
    CHECK(strstr(buf_text(&page), "| `jobs.smallest_cohort` | 1..1000 | 2 |") != NULL);
    buf_fini(&page);
}

TEST_MAIN("policy parse", TEST(files_that_are_no_map_are_refused),
          TEST(unknown_keys_name_their_line_and_the_nearest_key), TEST(keys_given_twice_are_refused),
          TEST(values_of_another_kind_are_refused), TEST(roles_of_nodes_and_words_that_are_none_are_refused),
          TEST(numbers_out_of_range_are_refused), TEST(lists_that_would_have_no_effect_are_refused),
          TEST(commands_and_digests_must_have_their_form),
          TEST(scopes_must_have_filters_and_the_default_one_must_be_there),
          TEST(the_program_must_have_an_absolute_path), TEST(a_file_that_is_too_large_is_refused),
          TEST(what_is_not_given_is_closed), TEST(all_keys_are_read), TEST(the_page_has_a_row_for_each_key))
