#include "job/spec.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#define LEAST "name: digits\nrounds: 10\ntrainer:\n  command: [python3, train.py]\n"

static struct job_spec *parse(const char *text)
{
    struct job_spec *spec = NULL;
    CHECK_STATUS(job_spec_parse(slice_of_text(text), "job.yaml", &spec, &test_error), ANB_OK);
    return spec;
}

static void refused(const char *text, const char *sentence)
{
    struct job_spec *spec = NULL;
    struct anb_error err = {0};
    enum anb_status status = job_spec_parse(slice_of_text(text), "job.yaml", &spec, &err);
    CHECK(status == ANB_INVALID);
    CHECK(!spec);
    if (!strstr(err.text, sentence)) printf("got: %s\n", err.text);
    CHECK(strstr(err.text, sentence) != NULL);
    job_spec_free(spec);
}

static void an_empty_file_is_refused(void)
{
    refused("", "job.yaml");
}

static void a_list_is_refused(void)
{
    refused("- 1\n", "job.yaml: must be a map of keys, got a list");
}

static void an_unknown_key_names_its_line_and_the_nearest_key(void)
{
    refused(LEAST "ronds: 3\n", "job.yaml:5: unknown key ronds: did you mean rounds?");
}

static void an_unknown_section_names_the_nearest_section(void)
{
    refused(LEAST "site: {minimum: 3}\n", "job.yaml:5: unknown key site: did you mean sites?");
}

static void an_unknown_key_in_a_section_names_the_nearest_key_there(void)
{
    refused(LEAST "sites:\n  minimun: 3\n", "job.yaml:6: unknown key sites.minimun: did you mean sites.minimum?");
}

static void a_key_near_to_nothing_lists_what_is_known_there(void)
{
    refused(LEAST "round: {zzzzzzzzzz: 1}\n", "known here are quorum, deadline_s");
}

static void a_section_that_is_no_map_is_refused(void)
{
    refused(LEAST "sites: 3\n", "job.yaml:5: sites must be a map, got an integer");
}

static void missing_keys_are_named(void)
{
    refused("name: a\ntrainer: {command: [a]}\n", "job.yaml: rounds is missing");
    refused("name: a\nrounds: 1\n", "job.yaml: trainer.command is missing");
    refused("rounds: 1\ntrainer: {command: [a]}\n", "job.yaml: name is missing");
}

static void rounds_out_of_range_are_refused_with_the_range(void)
{
    refused("name: a\nrounds: 0\ntrainer: {command: [a]}\n", "job.yaml:2: rounds must be 1..100000, got 0");
    refused("name: a\nrounds: 100001\ntrainer: {command: [a]}\n", "rounds must be 1..100000, got 100001");
    refused("name: a\nrounds: -1\ntrainer: {command: [a]}\n", "got -1");
}

static void numbers_of_another_kind_are_refused(void)
{
    refused("name: a\nrounds: many\ntrainer: {command: [a]}\n", "job.yaml:2: rounds must be an integer, got a text");
    refused("name: a\nrounds: 1.5\ntrainer: {command: [a]}\n", "rounds must be an integer, got a number");
    refused(LEAST "final_evaluation: 1\n", "final_evaluation must be true or false, got an integer");
}

static void names_are_one_line_of_text(void)
{
    refused("name: 7\nrounds: 1\ntrainer: {command: [a]}\n", "job.yaml:1: name must be a text");
    refused("name: \"\"\nrounds: 1\ntrainer: {command: [a]}\n", "name must be one line");
    refused("name: \"a\\nb\"\nrounds: 1\ntrainer: {command: [a]}\n", "name must be one line");
    refused("name: \"a\\x07b\"\nrounds: 1\ntrainer: {command: [a]}\n", "name has control characters");
    refused("name: \"a\\u2028b\"\nrounds: 1\ntrainer: {command: [a]}\n", "name has control characters");
}

static void site_names_must_be_node_names_and_differ(void)
{
    refused(LEAST "sites:\n  names:\n    - a\n    - A.b\n", "job.yaml:8: sites.names: \"A.b\" is no node name");
    refused(LEAST "sites: {names: [a, b, a]}\n", "sites.names has a twice");
    refused(LEAST "sites: {names: a}\n", "sites.names must be a list of texts, got a text");
}

static void a_minimum_above_the_names_is_refused(void)
{
    refused(LEAST "sites:\n  minimum: 3\n  names: [a, b]\n",
            "job.yaml:6: sites.minimum is 3, but sites.names has only 2");
}

static void a_quorum_above_the_minimum_is_refused(void)
{
    refused(LEAST "sites: {minimum: 2}\nround:\n  quorum: 3\n",
            "job.yaml:7: round.quorum must be 1..2 (sites.minimum), got 3");
}

static void unknown_rules_and_launches_list_the_known_ones(void)
{
    refused(LEAST "aggregation: {rule: fedprox}\n", "aggregation.rule must be one of fedavg, got \"fedprox\"");
    refused("name: a\nrounds: 1\ntrainer: {command: [a], launch: twice}\n", "must be one of job, task, got \"twice\"");
}

static void an_empty_command_is_refused(void)
{
    refused("name: a\nrounds: 1\ntrainer:\n  command: []\n", "trainer.command must begin with the program's name");
    refused("name: a\nrounds: 1\ntrainer:\n  command: [\"\"]\n", "trainer.command must begin with");
    refused("name: a\nrounds: 1\ntrainer:\n  command: [a, 3]\n",
            "job.yaml:4: trainer.command must be a text (in quotes");
}

static void variables_of_the_agent_and_odd_names_are_refused(void)
{
    refused("name: a\nrounds: 1\ntrainer: {command: [a], environment: {ANABRANCH_SOCKET: x}}\n", "cannot be set");
    refused("name: a\nrounds: 1\ntrainer: {command: [a], environment: {\"A=B\": x}}\n", "cannot be set");
    refused("name: a\nrounds: 1\ntrainer: {command: [a], environment: {\"\": x}}\n", "cannot be set");
    refused("name: a\nrounds: 1\ntrainer: {command: [a], environment: {N: 3}}\n", "must be a text");
}

static void a_model_outside_of_the_job_folder_is_refused(void)
{
    refused(LEAST "model: /etc/passwd\n", "job.yaml:5: model must be a file in the job folder");
    refused(LEAST "model: a/../../b\n", "must be a file in the job folder");
    refused(LEAST "model: ..\n", "must be a file in the job folder");
    refused(LEAST "model: a//b\n", "must be a file in the job folder");
    refused(LEAST "model: \"\"\n", "must be a file in the job folder");
}

static void a_repeated_key_is_refused(void)
{
    refused(LEAST "rounds: 3\n", "job.yaml:5");
}

static void a_file_above_the_ceiling_is_refused(void)
{
    static char text[JOB_FILE_MAX_BYTES + 2];
    memset(text, '#', sizeof text - 1);
    struct job_spec *spec = NULL;
    CHECK_STATUS(job_spec_parse(slice_of_text(text), "job.yaml", &spec, &test_error), ANB_TOO_LARGE);
}

static void a_file_whose_json_is_above_the_ceiling_is_refused(void)
{
    static char text[JOB_FILE_MAX_BYTES];
    int n = snprintf(text, sizeof text, LEAST "  environment:\n    LONG: '");
    memset(text + n, '"', 20000);
    strcpy(text + n + 20000, "'\n");
    struct job_spec *spec = NULL;
    CHECK_STATUS(job_spec_parse(slice_of_text(text), "job.yaml", &spec, &test_error), ANB_TOO_LARGE);
}

static void defaults_are_filled_in(void)
{
    struct job_spec *spec = parse(LEAST);
    REQUIRE(spec != NULL);
    CHECK_TEXT(spec->name, "digits");
    CHECK_EQUAL(spec->rounds, 10);
    CHECK(!spec->model);
    CHECK_EQUAL(spec->sites_minimum, 1);
    CHECK_EQUAL(spec->n_site_names, 0);
    CHECK_EQUAL(spec->wait_s, 60);
    CHECK_EQUAL(spec->quorum, 1);
    CHECK_EQUAL(spec->deadline_s, 600);
    CHECK_TEXT(spec->rule, "fedavg");
    CHECK_EQUAL(spec->launch, LAUNCH_JOB);
    CHECK_EQUAL(spec->n_environment, 0);
    CHECK(spec->final_evaluation);
    job_spec_free(spec);
}

static void the_minimum_defaults_to_the_number_of_names_and_the_quorum_to_the_minimum(void)
{
    struct job_spec *spec = parse(LEAST "sites: {names: [a, b, c]}\n");
    REQUIRE(spec != NULL);
    CHECK_EQUAL(spec->sites_minimum, 3);
    CHECK_EQUAL(spec->quorum, 3);
    job_spec_free(spec);
}

#define WHOLE                                                                                                          \
    "name: digits\nrounds: 3\nmodel: data/initial.safetensors\nfinal_evaluation: false\n"                              \
    "sites: {minimum: 2, names: [b, a, c], wait_s: 5}\nround: {quorum: 1, deadline_s: 7}\n"                            \
    "aggregation: {rule: fedavg}\n"                                                                                    \
    "trainer:\n  command: [python3, train.py, \"--epochs\", \"3\"]\n  launch: task\n"                                  \
    "  environment: {A: \"1\", _b2: \"x\\ty\\nz \\u00e9\"}\n"

static void check_whole(const struct job_spec *spec)
{
    REQUIRE(spec != NULL);
    CHECK_TEXT(spec->model, "data/initial.safetensors");
    CHECK(!spec->final_evaluation);
    CHECK_EQUAL(spec->sites_minimum, 2);
    REQUIRE(spec->n_site_names == 3);
    CHECK_TEXT(spec->site_names[0], "b");
    CHECK_EQUAL(spec->wait_s, 5);
    CHECK_EQUAL(spec->quorum, 1);
    CHECK_EQUAL(spec->deadline_s, 7);
    REQUIRE(spec->n_command == 4);
    CHECK_TEXT(spec->command[3], "3");
    CHECK_EQUAL(spec->launch, LAUNCH_TASK);
    REQUIRE(spec->n_environment == 2);
    CHECK_TEXT(spec->environment[0].name, "A");
    CHECK_TEXT(spec->environment[1].text, "x\ty\nz \xc3\xa9");
}

static void every_key_is_read(void)
{
    struct job_spec *spec = parse(WHOLE);
    check_whole(spec);
    job_spec_free(spec);
}

static void what_is_written_as_json_is_read_again(void)
{
    struct job_spec *spec = parse(WHOLE), *again;
    struct buf json;
    buf_init(&json, JOB_FILE_MAX_BYTES);
    REQUIRE(spec != NULL);
    CHECK_STATUS(job_spec_write_json(spec, &json, &test_error), ANB_OK);
    again = parse(buf_text(&json));
    check_whole(again);
    job_spec_free(spec);
    job_spec_free(again);
    buf_fini(&json);
}

static void the_page_has_one_row_for_each_key(void)
{
    struct buf page;
    buf_init(&page, 1 << 16);
    CHECK_STATUS(job_spec_markdown(&page, &test_error), ANB_OK);
    int rows = 0;
    for (const char *c = buf_text(&page); *c; c++) rows += *c == '\n';
    CHECK_EQUAL(rows, 2 + 15);
    CHECK(strstr(buf_text(&page), "| `sites.minimum` | 1..1000 | the number of names, else 1 |") != NULL);
    CHECK(strstr(buf_text(&page), "| `trainer.launch` | `job`, `task` | job |") != NULL);
    buf_fini(&page);
}

static void results_are_kept_by_the_server_unless_the_list_is_empty(void)
{
    struct buf json;
    buf_init(&json, JOB_FILE_MAX_BYTES);
    refused("name: a\nrounds: 1\nresults: [everybody]\ntrainer: {command: [a]}\n",
            "job.yaml:3: results must be one of server, got \"everybody\"");
    refused("name: a\nrounds: 1\nresults: server\ntrainer: {command: [a]}\n",
            "job.yaml:3: results must be a list of words, got a text");
    struct job_spec *spec = parse("name: a\nrounds: 1\ntrainer: {command: [a]}\n");
    CHECK(job_spec_stores_result(spec));
    job_spec_free(spec);
    spec = parse("name: a\nrounds: 1\nresults: []\ntrainer: {command: [a]}\n");
    CHECK(!job_spec_stores_result(spec));
    CHECK_STATUS(job_spec_write_json(spec, &json, &test_error), ANB_OK);
    job_spec_free(spec);
    spec = parse(buf_text(&json));
    CHECK(!job_spec_stores_result(spec));
    job_spec_free(spec);
    buf_fini(&json);
}

static void freeing_nothing_is_fine(void)
{
    job_spec_free(NULL);
}

TEST_MAIN("job spec", TEST(an_empty_file_is_refused), TEST(a_list_is_refused),
          TEST(an_unknown_key_names_its_line_and_the_nearest_key), TEST(an_unknown_section_names_the_nearest_section),
          TEST(an_unknown_key_in_a_section_names_the_nearest_key_there),
          TEST(a_key_near_to_nothing_lists_what_is_known_there), TEST(a_section_that_is_no_map_is_refused),
          TEST(missing_keys_are_named), TEST(rounds_out_of_range_are_refused_with_the_range),
          TEST(numbers_of_another_kind_are_refused), TEST(names_are_one_line_of_text),
          TEST(site_names_must_be_node_names_and_differ), TEST(a_minimum_above_the_names_is_refused),
          TEST(a_quorum_above_the_minimum_is_refused), TEST(unknown_rules_and_launches_list_the_known_ones),
          TEST(an_empty_command_is_refused), TEST(variables_of_the_agent_and_odd_names_are_refused),
          TEST(a_model_outside_of_the_job_folder_is_refused), TEST(a_repeated_key_is_refused),
          TEST(a_file_above_the_ceiling_is_refused), TEST(a_file_whose_json_is_above_the_ceiling_is_refused),
          TEST(defaults_are_filled_in), TEST(the_minimum_defaults_to_the_number_of_names_and_the_quorum_to_the_minimum),
          TEST(every_key_is_read), TEST(what_is_written_as_json_is_read_again), TEST(the_page_has_one_row_for_each_key),
          TEST(results_are_kept_by_the_server_unless_the_list_is_empty), TEST(freeing_nothing_is_fine))
