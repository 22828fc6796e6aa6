#include "base/file.h"
#include "cli/dev.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char log_path[128];

static struct dev_process started(const char *script, bool go)
{
    struct dev_process process = {.pid = 0};
    char shell[] = "/bin/sh", flag[] = "-c";
    char *const argv[] = {shell, flag, (char *)script, NULL};
    int go_fd = -1;
    snprintf(log_path, sizeof log_path, "%s/log", test_folder());
    unlink(log_path);
    CHECK_STATUS(dev_process_prepare(argv, log_path, &process, &go_fd, &test_error), ANB_OK);
    if (go)
        dev_process_go(go_fd);
    else
        close(go_fd);
    return process;
}

static size_t end_of(const struct dev_process *process, int64_t grace_ms)
{
    return dev_processes_end(&process, 1, grace_ms);
}

static void await_log(const char *text)
{
    struct buf log;
    buf_init(&log, 4096);
    while (!strstr(buf_text(&log), text)) { /* the test runner's time limit ends it */
        buf_clear(&log);
        file_read(log_path, &log, NULL);
        usleep(1000);
    }
    buf_fini(&log);
}

static void a_process_that_was_not_recorded_never_runs(void)
{
    struct dev_process process = started("echo ran", false);
    int status = 0;
    REQUIRE(waitpid(process.pid, &status, 0) == process.pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 127);
    CHECK(access(log_path, F_OK) != 0);
}

static void another_process_with_the_same_number_is_not_touched(void)
{
    struct dev_process process = started("sleep 60", true), impostor = process;
    impostor.stamp[strlen(impostor.stamp) - 1] ^= 1;
    CHECK(dev_process_is_alive(&process));
    CHECK(!dev_process_is_alive(&impostor));
    CHECK_EQUAL(end_of(&impostor, 0), 0);
    CHECK(dev_process_is_alive(&process));
    CHECK_EQUAL(end_of(&process, 60000), 0);
    CHECK(!dev_process_is_alive(&process));
    waitpid(process.pid, NULL, 0);
}

static void nobody_is_not_alive_and_not_signalled(void)
{
    const struct dev_process nobody = {.pid = 0}, everybody = {.pid = -1, .stamp = "x"};
    CHECK(!dev_process_is_alive(&nobody));
    CHECK(!dev_process_is_alive(&everybody));
    CHECK_EQUAL(end_of(&nobody, 0) + end_of(&everybody, 0), 0);
}

static void a_process_that_ignores_the_signal_is_killed_with_its_children(void)
{
    int status = 0, n_killed = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* its orphan comes to us: process 1 of a container may never reap */
    struct dev_process process = started("trap '' TERM; sleep 60 & echo child=$!; wait", true);
    await_log("child=");
    CHECK_EQUAL(end_of(&process, 50), 1);
    CHECK(!dev_process_is_alive(&process));
    while (waitpid(-process.pid, &status, 0) > 0) n_killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK_EQUAL(n_killed, 2);
}

static void a_program_that_is_not_there_is_named(void)
{
    char path[DEV_PATH_BYTES];
    CHECK_STATUS(dev_find_program("no-such-program", "/bin", path, &test_error), ANB_NOT_FOUND);
    CHECK(strstr(test_error.text, "no-such-program") != NULL);
    CHECK_STATUS(dev_find_program("no-such-program", NULL, path, &test_error), ANB_NOT_FOUND);
    CHECK_STATUS(dev_find_program("sh", NULL, path, &test_error), ANB_OK);
}

static void a_damaged_state_file_is_an_error(void)
{
    char path[256];
    struct dev_state state;
    CHECK_STATUS(dev_state_load(test_folder(), &state, &test_error), ANB_NOT_FOUND);
    snprintf(path, sizeof path, "%s/state.json", test_folder());
    CHECK_STATUS(file_write(path, slice_of_text("{\"nodes\": ["), &test_error), ANB_OK);
    CHECK_STATUS(dev_state_load(test_folder(), &state, &test_error), ANB_INVALID);
    CHECK_STATUS(file_write(path, slice_of_text("{\"nodes\": [3, {\"pid\": \"x\"}]}"), &test_error), ANB_OK);
    CHECK_STATUS(dev_state_load(test_folder(), &state, &test_error), ANB_OK);
    CHECK_EQUAL(dev_count_alive(&state), 0);
    unlink(path);
}

static void a_state_is_read_back_as_it_was_saved(void)
{
    static struct dev_state state = {.project = "dev", .server = "http://127.0.0.1:1", .n_nodes = 1}, again;
    snprintf(state.folder, sizeof state.folder, "%s", test_folder());
    state.nodes[0] = (struct dev_node){"site-1", "site", {7, "boot/9"}};
    CHECK_STATUS(dev_state_save(&state, &test_error), ANB_OK);
    CHECK_STATUS(dev_state_load(test_folder(), &again, &test_error), ANB_OK);
    CHECK(memcmp(&state, &again, sizeof state) == 0);
    CHECK_STATUS(dev_state_remove(test_folder(), true, &test_error), ANB_OK);
    CHECK_STATUS(dev_state_load(test_folder(), &again, &test_error), ANB_NOT_FOUND);
}

TEST_MAIN("cli-dev", TEST(a_process_that_was_not_recorded_never_runs),
          TEST(another_process_with_the_same_number_is_not_touched), TEST(nobody_is_not_alive_and_not_signalled),
          TEST(a_process_that_ignores_the_signal_is_killed_with_its_children),
          TEST(a_program_that_is_not_there_is_named), TEST(a_damaged_state_file_is_an_error),
          TEST(a_state_is_read_back_as_it_was_saved))
