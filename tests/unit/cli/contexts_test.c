/* What is remembered of logins: private, whole, one for each server. */
#include "base/file.h"
#include "cli/contexts.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[512];
static struct context context;

static void begin(void)
{
    char folder[400];
    snprintf(folder, sizeof folder, "%s/anabranch", test_folder());
    snprintf(path, sizeof path, "%s/config.yaml", folder);
    file_remove_folder(folder, NULL);
    setenv("XDG_CONFIG_HOME", test_folder(), 1);
}

static void put(const char *server, const char *token)
{
    struct context made = {.server = ""};
    snprintf(made.server, sizeof made.server, "%s", server);
    snprintf(made.token, sizeof made.token, "%s", token);
    snprintf(made.root, sizeof made.root, "/a \"quoted\" \\folder/root.pem");
    CHECK_STATUS(context_put(&made, true, &test_error), ANB_OK);
}

static void write_file(const char *text, mode_t mode)
{
    char folder[400];
    snprintf(folder, sizeof folder, "%s/anabranch", test_folder());
    CHECK_STATUS(file_make_folders(folder, &test_error), ANB_OK);
    CHECK_STATUS(file_write(path, slice_of_text(text), &test_error), ANB_OK);
    CHECK_EQUAL(chmod(path, mode), 0);
}

static void without_a_login_it_is_said_how_to_log_in(void)
{
    begin();
    CHECK_STATUS(context_find(NULL, &context, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "anabranch login URL --kit FOLDER") != NULL);
    CHECK_STATUS(context_find("https://a:1", &context, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "anabranch login https://a:1") != NULL);
}

static void a_file_that_others_can_read_is_not_used(void)
{
    begin();
    write_file("servers:\n  - server: \"https://a:1\"\n", 0644);
    CHECK_STATUS(context_find("https://a:1", &context, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "chmod 600") != NULL);
    CHECK_EQUAL(chmod(path, 0600), 0);
    CHECK_STATUS(context_find("https://a:1", &context, &test_error), ANB_OK);
}

static void a_broken_file_is_told_and_never_written_over(void)
{
    static const char *const broken[] = {"servers: [{}]\n", "servers: [{root: a}]\n", "servers:\n  - server: [\n"};
    bool found;
    begin();
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        write_file(broken[i], 0600);
        CHECK(context_find("https://a:1", &context, &test_error) != ANB_OK);
        CHECK(strstr(test_error.text, "config.yaml") != NULL);
        CHECK(context_remove("https://a:1", &found, &test_error) != ANB_OK);
        struct context made = {.server = "https://a:1"};
        CHECK(context_put(&made, true, &test_error) != ANB_OK);
    }
}

static void a_control_character_is_not_written(void)
{
    struct context made = {.server = "https://a:1", .root = "a\nb"};
    begin();
    CHECK_STATUS(context_put(&made, true, &test_error), ANB_INVALID);
    CHECK(access(path, F_OK) != 0);
}

static void the_last_login_counts_and_each_server_has_one(void)
{
    struct stat info;
    begin();
    put("https://a:1", "first");
    put("https://b:1", "other");
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    CHECK_STATUS(context_find(NULL, &context, &test_error), ANB_OK);
    CHECK_TEXT(context.server, "https://b:1");
    put("https://a:1", "second");
    CHECK_STATUS(context_find("https://a:1", &context, &test_error), ANB_OK);
    CHECK_TEXT(context.token, "second");
    CHECK_TEXT(context.root, "/a \"quoted\" \\folder/root.pem");
    CHECK_TEXT(context.kit, "");
}

static void after_a_logout_another_login_is_current(void)
{
    bool found;
    begin();
    put("https://a:1", "a");
    put("https://b:1", "b");
    CHECK_STATUS(context_remove("https://b:1", &found, &test_error), ANB_OK);
    CHECK(found);
    CHECK_STATUS(context_find(NULL, &context, &test_error), ANB_OK);
    CHECK_TEXT(context.server, "https://a:1");
    CHECK_STATUS(context_remove("https://b:1", &found, &test_error), ANB_OK);
    CHECK(!found);
    CHECK_STATUS(context_remove("https://a:1", &found, &test_error), ANB_OK);
    CHECK_STATUS(context_find(NULL, &context, &test_error), ANB_DENIED);
}

TEST_MAIN("cli_contexts", TEST(without_a_login_it_is_said_how_to_log_in), TEST(a_file_that_others_can_read_is_not_used),
          TEST(a_broken_file_is_told_and_never_written_over), TEST(a_control_character_is_not_written),
          TEST(the_last_login_counts_and_each_server_has_one), TEST(after_a_logout_another_login_is_current))
