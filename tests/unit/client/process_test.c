/* A trainer's process: its environment, its lines, its end, and that nothing of it stays behind. */
#include "base/clock.h"
#include "process.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct watcher {
    uv_loop_t loop;
    uv_timer_t timer;
    struct process *process;
    char lines[4096];
    int n_ended, status;
};

static void on_line(void *context, const char *source, const char *text)
{
    struct watcher *watcher = context;
    size_t used = strlen(watcher->lines);
    snprintf(watcher->lines + used, sizeof watcher->lines - used, "%s:%s|", source, text);
}

static void on_ended(void *context, int status)
{
    struct watcher *watcher = context;
    watcher->n_ended++;
    watcher->status = status;
}

static enum anb_status start(struct watcher *watcher, const char *script)
{
    static const char *environment[] = {"ONLY=this", "PATH=/usr/bin:/bin", NULL};
    const char *command[] = {"sh", "-c", script, NULL};
    *watcher = (struct watcher){.n_ended = 0};
    uv_loop_init(&watcher->loop);
    const struct process_config config = {command, environment, test_folder(), NULL, on_line, on_ended, watcher};
    return process_start(&watcher->loop, &config, &watcher->process, &test_error);
}

static void on_time(uv_timer_t *timer)
{
    (void)timer;
}

static void run_until_end(struct watcher *watcher)
{
    int64_t deadline_ms = clock_monotonic_ms() + 20000;
    uv_timer_init(&watcher->loop, &watcher->timer);
    uv_timer_start(&watcher->timer, on_time, 10, 10);
    while (watcher->n_ended == 0 && clock_monotonic_ms() < deadline_ms) uv_run(&watcher->loop, UV_RUN_ONCE);
    CHECK_EQUAL(watcher->n_ended, 1);
    uv_close((uv_handle_t *)&watcher->timer, NULL);
}

static void finish(struct watcher *watcher)
{
    process_free(watcher->process);
    uv_run(&watcher->loop, UV_RUN_DEFAULT);
    CHECK_EQUAL(uv_loop_close(&watcher->loop), 0);
}

static void a_program_that_is_not_there_is_named(void)
{
    uv_loop_t loop;
    struct process *process = NULL;
    const char *command[] = {"./no-such-trainer", NULL}, *environment[] = {NULL};
    const struct process_config config = {command, environment, test_folder(), NULL, on_line, on_ended, NULL};
    uv_loop_init(&loop);
    CHECK_EQUAL(process_start(&loop, &config, &process, &test_error), ANB_NOT_FOUND);
    CHECK(strstr(test_error.text, "./no-such-trainer") != NULL);
    CHECK(process == NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_EQUAL(uv_loop_close(&loop), 0);
}

static void lines_of_both_outputs_and_the_status_arrive(void)
{
    struct watcher watcher;
    char text[64];
    CHECK_STATUS(start(&watcher, "echo out; echo err >&2; sleep 0.05; printf unfinished; exit 3"), ANB_OK);
    run_until_end(&watcher);
    CHECK(strstr(watcher.lines, "stdout:out|") != NULL);
    CHECK(strstr(watcher.lines, "stderr:err|") != NULL);
    CHECK(strstr(watcher.lines, "stdout:unfinished|") != NULL);
    CHECK_TEXT(process_last_line(watcher.process), "unfinished");
    CHECK_TEXT(process_status_text(watcher.status, text), "exit status 3");
    finish(&watcher);
}

static void nothing_but_the_given_environment_is_inherited(void)
{
    struct watcher watcher;
    setenv("SECRET", "1", 1);
    int leaked = dup(0);
    CHECK_STATUS(start(&watcher,
                       "env | grep -v -e ^PWD= -e ^_= -e SHLVL -e OLDPWD | sort; ls /proc/self/fd | wc -l; cat; "
                       "test $$ = $(ps -o pgid= -p $$ 2>/dev/null || echo $$)"),
                 ANB_OK);
    run_until_end(&watcher);
    CHECK_TEXT(watcher.lines, "stdout:ONLY=this|stdout:PATH=/usr/bin:/bin|stdout:4|");
    CHECK_EQUAL(watcher.status, 0);
    close(leaked);
    finish(&watcher);
}

static bool is_alive(const char *pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%.16s/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    if (fscanf(file, "%*d %*s %c", &state) != 1) state = 'X';
    fclose(file);
    return state != 'Z' && state != 'X';
}

static void await_death(const char *pid)
{
    int64_t deadline_ms = clock_monotonic_ms() + 20000;
    while (is_alive(pid) && clock_monotonic_ms() < deadline_ms) clock_sleep_ms(5);
    CHECK(!is_alive(pid));
}

static void a_signal_ends_the_whole_group(void)
{
    struct watcher watcher;
    char text[64];
    CHECK_STATUS(start(&watcher, "sleep 1000 & echo $!; wait"), ANB_OK);
    while (!strchr(watcher.lines, '|')) uv_run(&watcher.loop, UV_RUN_ONCE);
    *strchr(watcher.lines, '|') = '\0';
    CHECK(is_alive(watcher.lines + strlen("stdout:")));
    process_signal(watcher.process, SIGTERM);
    run_until_end(&watcher);
    CHECK_TEXT(process_status_text(watcher.status, text), "killed by signal 15 (Terminated)");
    await_death(watcher.lines + strlen("stdout:"));
    finish(&watcher);
}

static void what_a_trainer_leaves_behind_is_killed(void)
{
    struct watcher watcher;
    CHECK_STATUS(start(&watcher, "sleep 1000 & echo $!; exit 0"), ANB_OK);
    run_until_end(&watcher);
    CHECK_EQUAL(watcher.status, 0);
    *strchr(watcher.lines, '|') = '\0';
    await_death(watcher.lines + strlen("stdout:"));
    finish(&watcher);
}

static void freeing_kills_without_a_callback(void)
{
    struct watcher watcher;
    CHECK_STATUS(start(&watcher, "sleep 1000"), ANB_OK);
    pid_t pid = process_id(watcher.process);
    finish(&watcher);
    CHECK_EQUAL(watcher.n_ended, 0);
    CHECK_EQUAL(kill(pid, 0), -1);
}

/* A child process stands for the agent; its trainer must not outlive it. */
static void a_trainer_dies_with_its_agent(void)
{
    int ends[2];
    char pid_text[16] = "";
    REQUIRE(pipe(ends) == 0);
    pid_t agent = fork();
    if (agent == 0) {
        struct watcher watcher;
        if (start(&watcher, "sleep 1000") != ANB_OK) _exit(1);
        snprintf(pid_text, sizeof pid_text, "%d", (int)process_id(watcher.process));
        if (write(ends[1], pid_text, sizeof pid_text) < 0) _exit(1);
        pause();
        _exit(0);
    }
    REQUIRE(read(ends[0], pid_text, sizeof pid_text) == sizeof pid_text);
    CHECK(is_alive(pid_text));
    kill(agent, SIGKILL);
    waitpid(agent, NULL, 0);
    await_death(pid_text);
    close(ends[0]);
    close(ends[1]);
}

TEST_MAIN("client process", TEST(a_program_that_is_not_there_is_named),
          TEST(lines_of_both_outputs_and_the_status_arrive), TEST(nothing_but_the_given_environment_is_inherited),
          TEST(a_signal_ends_the_whole_group), TEST(what_a_trainer_leaves_behind_is_killed),
          TEST(freeing_kills_without_a_callback), TEST(a_trainer_dies_with_its_agent))
