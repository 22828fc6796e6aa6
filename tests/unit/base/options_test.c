/* Settings from four sources; the environment is the test's own. */
#include "base/options.h"

#include "base/file.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    char *node;
    char *data_folder;
    char *extra, *key;
    int64_t port;
    bool verbose;
};

static const struct option_entry entries[] = {
    OPTION_TEXT_ENTRY(struct settings, node, "node", NULL, "this node's name"),
    OPTION_TEXT_ENTRY(struct settings, data_folder, "data-folder", "/var/lib", "where files are kept"),
    OPTION_OPTIONAL_ENTRY(struct settings, extra, "extra", "one thing more"),
    OPTION_OPTIONAL_PATH_ENTRY(struct settings, key, "key", "a file"),
    OPTION_INT_ENTRY(struct settings, port, "port", "8080", 1, 65535, "", "where it listens"),
    OPTION_BOOL_ENTRY(struct settings, verbose, "verbose", "say more"),
};
static const struct option_table table = {"anabranch-test", "", "Tests.", entries, sizeof entries / sizeof *entries};
static const struct option_table with_operands = {"anabranch-test", "FILE...", "Tests.", entries,
                                                  sizeof entries / sizeof *entries};

enum { MAX_WORDS = 12 };

/* A command line that options_parse may reorder. */
struct words {
    char *argv[MAX_WORDS];
    int argc;
};

static struct words split(const char *line)
{
    static char copy[1000];
    struct words words = {.argc = 0};
    snprintf(copy, sizeof copy, "program %s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) words.argv[words.argc++] = word;
    return words;
}

static enum anb_status parse(const char *line, struct settings *settings)
{
    struct words words = split(line);
    int n_operands = 0;
    return options_parse(&table, words.argc, words.argv, settings, &n_operands, &test_error);
}

static void refuse(const char *line, const char *sentence)
{
    struct settings settings;
    CHECK_STATUS(parse(line, &settings), ANB_INVALID);
    CHECK(strstr(test_error.text, sentence) != NULL);
    if (!strstr(test_error.text, sentence)) printf("no \"%s\" in: %s\n", sentence, test_error.text);
    CHECK(settings.node == NULL && settings.data_folder == NULL);
}

static void unknown_options_are_refused_with_the_nearest_one(void)
{
    refuse("--node a --data-foldr /x", "unknown option \"data-foldr\": did you mean \"data-folder\"?");
    refuse("--node a --zzzzzzzzzzzz", "see anabranch-test --help");
    refuse("--node a --por=1", "did you mean \"port\"?");
}

static void bad_values_are_refused_with_the_range(void)
{
    refuse("--node a --port 0", "command line: port must be 1..65535, got \"0\"");
    refuse("--node a --port 80x", "got \"80x\"");
    refuse("--node a --port=", "got \"\"");
    refuse("--node a --port 99999999999999999999", "got \"99999999999999999999\"");
    refuse("--node a --verbose=maybe", "verbose must be true or false, got \"maybe\"");
}

static void missing_values_and_options_are_refused(void)
{
    refuse("--node", "--node needs a value");
    refuse("--config", "--config needs a file");
    refuse("--port 1", "--node is needed: this node's name");
    refuse("--node a operand", "\"operand\" is not expected");
}

static void missing_config_file_is_not_found(void)
{
    struct settings settings;
    CHECK_STATUS(parse("--node a --config /nowhere/x.yaml", &settings), ANB_NOT_FOUND);
}

static const char *write_config(const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/config.yaml", test_folder());
    CHECK_STATUS(file_write(path, slice_of_text(text), &test_error), ANB_OK);
    return path;
}

static void refuse_config(const char *text, const char *sentence)
{
    char line[300];
    snprintf(line, sizeof line, "--node a --config %s", write_config(text));
    refuse(line, sentence);
}

static void bad_config_files_are_refused_with_their_line(void)
{
    refuse_config("node: a\nprot: 1\n", "config.yaml:2: unknown option \"prot\": did you mean \"port\"?");
    refuse_config("\nport: 70000\n", "config.yaml:2: port must be 1..65535, got \"70000\"");
    refuse_config("port: [1]\n", "config.yaml:1: port is a list");
    refuse_config("port: 1.5\n", "port is a number");
    refuse_config("- port\n", "must be a map of options");
}

static void later_sources_win(void)
{
    struct settings settings;
    char line[400];
    const char *config = write_config("node: from-file\nport: 1000\ndata-folder: /file\nverbose: true\n");
    setenv("ANABRANCH_PORT", "2000", 1);
    setenv("ANABRANCH_DATA_FOLDER", "/environment", 1);
    snprintf(line, sizeof line, "--config=%s --data-folder=/line --verbose=false", config);
    CHECK_STATUS(parse(line, &settings), ANB_OK);
    CHECK_TEXT(settings.node, "from-file");
    CHECK_EQUAL(settings.port, 2000);
    CHECK_TEXT(settings.data_folder, "/line");
    CHECK(!settings.verbose);
    CHECK(settings.extra == NULL);
    options_fini(&table, &settings);
    setenv("ANABRANCH_PORT", "x", 1);
    refuse("--node a", "ANABRANCH_PORT: port must be 1..65535");
    unsetenv("ANABRANCH_PORT");
    unsetenv("ANABRANCH_DATA_FOLDER");
}

static void check_key(const char *line, const char *expected)
{
    struct settings settings;
    CHECK_STATUS(parse(line, &settings), ANB_OK);
    CHECK_TEXT(settings.key, expected);
    options_fini(&table, &settings);
}

static void a_path_in_a_config_file_is_relative_to_that_file(void)
{
    char line[600], expected[400];
    snprintf(line, sizeof line, "--config=%s", write_config("node: a\nkey: keys/a.pem\n"));
    snprintf(expected, sizeof expected, "%s/keys/a.pem", test_folder());
    check_key(line, expected);
    strcat(line, " --key here.pem");
    check_key(line, "here.pem");
    snprintf(line, sizeof line, "--config=%s", write_config("node: a\nkey: /etc/a.pem\n"));
    check_key(line, "/etc/a.pem");
}

static void config_file_may_be_named_in_the_environment(void)
{
    struct settings settings;
    setenv("ANABRANCH_CONFIG", write_config("node: 12\n"), 1);
    CHECK_STATUS(parse("", &settings), ANB_OK);
    CHECK_TEXT(settings.node, "12");
    CHECK_EQUAL(settings.port, 8080);
    options_fini(&table, &settings);
    unsetenv("ANABRANCH_CONFIG");
}

static void operands_move_to_the_front(void)
{
    struct settings settings;
    struct words words = split("one --node a two --verbose three -- --four");
    int n_operands = 0;
    CHECK_STATUS(options_parse(&with_operands, words.argc, words.argv, &settings, &n_operands, &test_error), ANB_OK);
    REQUIRE(n_operands == 4);
    CHECK_TEXT(words.argv[1], "one");
    CHECK_TEXT(words.argv[2], "two");
    CHECK_TEXT(words.argv[3], "three");
    CHECK_TEXT(words.argv[4], "--four");
    CHECK(settings.verbose);
    options_fini(&with_operands, &settings);
}

/* Run `print` with standard output in a file, and give its text. */
static char *printed(void (*print)(const struct option_table *))
{
    char path[256];
    struct buf text;
    snprintf(path, sizeof path, "%s/printed", test_folder());
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    if (saved < 0 || !freopen(path, "w", stdout)) abort();
    print(&table);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    buf_init(&text, 65536);
    CHECK_STATUS(file_read(path, &text, &test_error), ANB_OK);
    return buf_take_text(&text);
}

static void parse_help(const struct option_table *unused)
{
    struct settings settings;
    (void)unused;
    CHECK_STATUS(parse("--nonsense --help", &settings), ANB_CLOSED);
}

static void help_names_every_option(void)
{
    char *text = printed(parse_help);
    CHECK(strstr(text, "usage: anabranch-test [options]\n") != NULL);
    for (size_t i = 0; i < table.n_entries; i++) CHECK(strstr(text, entries[i].sentence) != NULL);
    CHECK(strstr(text, "(1..65535) [8080]") != NULL);
    free(text);
}

static void documentation_has_a_row_for_every_option(void)
{
    struct buf out;
    buf_init(&out, 65536);
    CHECK_STATUS(options_markdown(&table, &out, &test_error), ANB_OK);
    CHECK(strstr(buf_text(&out), "| `node` | text | (needed) |  | this node's name |") != NULL);
    CHECK(strstr(buf_text(&out), "| `port` | integer | 8080 | 1..65535  | where it listens |") != NULL);
    CHECK(strstr(buf_text(&out), "| `extra` | text | - |") != NULL);
    buf_fini(&out);
    buf_init(&out, 10);
    CHECK_STATUS(options_markdown(&table, &out, &test_error), ANB_TOO_LARGE);
    buf_fini(&out);
}

static void nearest_word_is_near_or_none(void)
{
    static const char *const words[] = {"rounds", "round", "quorum", NULL};
    static char endless[10000];
    memset(endless, 'r', sizeof endless - 1);
    CHECK_TEXT(nearest_word("rouns", words), "rounds");
    CHECK_TEXT(nearest_word("roun", words), "round");
    CHECK(nearest_word("weights", words) == NULL);
    CHECK(nearest_word("", words) == NULL);
    CHECK(nearest_word(endless, words) == NULL);
}

TEST_MAIN("options", TEST(unknown_options_are_refused_with_the_nearest_one),
          TEST(bad_values_are_refused_with_the_range), TEST(missing_values_and_options_are_refused),
          TEST(missing_config_file_is_not_found), TEST(bad_config_files_are_refused_with_their_line),
          TEST(later_sources_win), TEST(a_path_in_a_config_file_is_relative_to_that_file),
          TEST(config_file_may_be_named_in_the_environment), TEST(operands_move_to_the_front),
          TEST(help_names_every_option), TEST(documentation_has_a_row_for_every_option),
          TEST(nearest_word_is_near_or_none))
