/* What a confined trainer can touch. Each test runs a shell that tries, and says how it went. */
#include "base/clock.h"
#include "base/file.h"
#include "fence.h"
#include "process.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct room { /* a site: its data folder with a key in it, and the folder of one job below */
    char data[512], job[600], key[600], outside[512];
    struct confine_site site;
    struct policy_limits limits;
    struct confine_user user;
    uv_loop_t loop;
    uv_timer_t timer;
    struct process *process;
    char lines[4096];
    int n_ended, status;
};

static void put(const char *folder, const char *name, char path[600], const char *text)
{
    snprintf(path, 600, "%s/%s", folder, name);
    CHECK_STATUS(file_write(path, slice_of_text(text), &test_error), ANB_OK);
}

static void room_open(struct room *room)
{
    static int number;
    char other[600];
    *room = (struct room){.n_ended = 0};
    snprintf(room->data, sizeof room->data, "%s/site%d", test_folder(), number);
    snprintf(room->outside, sizeof room->outside, "%s/data%d", test_folder(), number++);
    snprintf(room->job, sizeof room->job, "%s/jobs/1", room->data);
    CHECK_STATUS(file_make_folders(room->job, &test_error), ANB_OK);
    CHECK_STATUS(file_make_folders(room->outside, &test_error), ANB_OK);
    put(room->data, "identity.pem", room->key, "SECRET");
    put(room->outside, "patients.csv", other, "DATA");
    CHECK_STATUS(confine_paths_add(&room->site.hidden, room->data, false, &test_error), ANB_OK);
    uv_loop_init(&room->loop);
}

static void on_line(void *context, const char *source, const char *text)
{
    struct room *room = context;
    size_t used = strlen(room->lines);
    (void)source;
    snprintf(room->lines + used, sizeof room->lines - used, "%s|", text);
}

static void on_ended(void *context, int status)
{
    struct room *room = context;
    room->n_ended++;
    room->status = status;
}

static enum anb_status launch(struct room *room, const char *script)
{
    const char *command[] = {"sh", "-c", script, "sh", room->key, room->data, room->outside, NULL};
    const char *environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct confinement confinement;
    enum anb_status status = confine_give(&room->site, room->job, &test_error);
    if (status == ANB_OK) status = confine_prepare(&room->site, room->job, &room->limits, &confinement, &test_error);
    if (status != ANB_OK) return status;
    const struct process_config config = {command, environment, room->job, &confinement, on_line, on_ended, room};
    status = process_start(&room->loop, &config, &room->process, &test_error);
    confine_fini(&confinement);
    return status;
}

static void on_time(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the script to its end; its lines, with | between them. */
static const char *run(struct room *room, const char *script)
{
    int64_t deadline_ms = clock_monotonic_ms() + 60000;
    CHECK_STATUS(launch(room, script), ANB_OK);
    REQUIRE(room->process != NULL);
    uv_timer_init(&room->loop, &room->timer);
    uv_timer_start(&room->timer, on_time, 10, 10);
    while (room->n_ended == 0 && clock_monotonic_ms() < deadline_ms) uv_run(&room->loop, UV_RUN_ONCE);
    CHECK_EQUAL(room->n_ended, 1);
    uv_close((uv_handle_t *)&room->timer, NULL);
    return room->lines;
}

static void room_close(struct room *room)
{
    process_free(room->process);
    confine_paths_fini(&room->site.hidden);
    confine_paths_fini(&room->site.read);
    confine_paths_fini(&room->site.write);
    uv_run(&room->loop, UV_RUN_DEFAULT);
    CHECK_EQUAL(uv_loop_close(&room->loop), 0);
}

static bool has_fence(void)
{
    if (fence_version() > 0) return true;
    puts("skipped: this kernel has no Landlock");
    return false;
}

static void keys_and_the_data_folder_are_out_of_reach(void)
{
    struct room room;
    if (!has_fence()) return;
    room_open(&room);
    run(&room, "cat \"$1\" || echo no key; ls \"$2\" || echo no list; ls \"$2/jobs\" || echo no jobs;"
               "cp \"$1\" . ; ln \"$1\" mine; ln -s \"$1\" link; cat link || echo no link;"
               "cat ../../identity.pem || echo no way up; cat \"$3/patients.csv\"; echo; mv \"$1\" . || echo no move");
    CHECK(strstr(room.lines, "SECRET") == NULL);
    CHECK(strstr(room.lines, "no key|") && strstr(room.lines, "no list|") && strstr(room.lines, "no jobs|"));
    CHECK(strstr(room.lines, "no link|") && strstr(room.lines, "no way up|") && strstr(room.lines, "no move|"));
    CHECK(strstr(room.lines, "DATA|") != NULL); /* the rest of the machine stays */
    room_close(&room);
}

static void nothing_is_written_but_in_the_own_folder(void)
{
    struct room room;
    if (!has_fence()) return;
    room_open(&room);
    run(&room, "echo x > here && cat here; mkdir -p a/b && mv here a/b/ && echo moved; echo y > /dev/null && echo null;"
               "echo x > \"$3/new\" || echo no new; echo x > \"$3/patients.csv\" || echo no change;"
               "rm \"$3/patients.csv\" || echo no removal; echo x > /tmp/guard-test-$$ || echo no tmp");
    CHECK(strstr(room.lines, "x|moved|null|") != NULL);
    CHECK(strstr(room.lines, "no new|") && strstr(room.lines, "no change|") && strstr(room.lines, "no removal|"));
    CHECK(strstr(room.lines, "no tmp|") != NULL);
    room_close(&room);
}

static void with_a_list_only_what_is_on_it_is_read(void)
{
    struct room room;
    char other[600];
    if (!has_fence()) return;
    room_open(&room);
    put(test_folder(), "elsewhere", other, "ELSEWHERE");
    CHECK_STATUS(confine_paths_add(&room.site.read, room.outside, false, &test_error), ANB_OK);
    CHECK_STATUS(confine_paths_add(&room.site.write, room.outside, false, &test_error), ANB_OK);
    run(&room, "cat \"$3/patients.csv\"; echo; cat \"$3/../elsewhere\" || echo no other; cat \"$1\" || echo no key;"
               "echo x > \"$3/result\" && cat \"$3/result\"");
    CHECK(strstr(room.lines, "DATA|") && strstr(room.lines, "no other|") && strstr(room.lines, "no key|"));
    CHECK(strstr(room.lines, "x|") != NULL);
    CHECK(strstr(room.lines, "ELSEWHERE") == NULL);
    room_close(&room);
}

/* The test stands for the agent: the shell's parent. Its environment has a secret. */
static void the_agent_cannot_be_looked_into(void)
{
    struct room room;
    if (!has_fence()) return;
    room_open(&room);
    setenv("AGENT_SECRET", "SECRET", 1);
    run(&room, "cat /proc/$PPID/environ || echo no environ; cat /proc/$PPID/mem || echo no mem;"
               "readlink /proc/$PPID/fd/1 || echo no fd; cat /proc/$PPID/fd/0 || echo no file; cat /proc/$PPID/maps || "
               "echo no maps; ls -l /proc/self/fd | wc -l");
    CHECK(strstr(room.lines, "SECRET") == NULL);
    CHECK(strstr(room.lines, "no environ|") && strstr(room.lines, "no mem|"));
    CHECK(strstr(room.lines, "no fd|") && strstr(room.lines, "no file|") && strstr(room.lines, "no maps|"));
    room_close(&room);
}

static void the_agent_cannot_be_signalled(void)
{
    struct room room;
    if (!has_fence()) return;
    if (fence_version() < 6) {
        puts("skipped: this kernel's Landlock does not keep signals in");
        return;
    }
    room_open(&room);
    CHECK(strstr(run(&room, "kill -0 $PPID || echo no signal; kill -0 $$ && echo own"), "no signal|own|") != NULL);
    room_close(&room);
}

static void there_are_no_privileges_and_no_core_files(void)
{
    struct room room;
    room_open(&room);
    run(&room, "grep -E '^(Cap(Prm|Eff|Bnd)|NoNewPrivs)' /proc/self/status | tr -d '\\t'; ulimit -c");
    CHECK(strstr(room.lines, "CapPrm:0000000000000000|CapEff:0000000000000000|") != NULL);
    CHECK(strstr(room.lines, "NoNewPrivs:1|") && strstr(room.lines, "|0|"));
    if (geteuid() == 0) CHECK(strstr(room.lines, "CapBnd:0000000000000000|") != NULL);
    room_close(&room);
}

static void limits_of_the_policy_are_set_for_good(void)
{
    struct room room;
    room_open(&room);
    room.limits =
        (struct policy_limits){.cpu_s = 30, .memory_mib = 512, .open_files = 20, .processes = 50, .disk_mib = 1};
    run(&room, "ulimit -St; ulimit -Ht; ulimit -v; ulimit -n; ulimit -f; ulimit -t 1000 || echo no more");
    CHECK(strstr(room.lines, "30|35|524288|20|2048|") != NULL);
    CHECK(strstr(room.lines, "no more") != NULL);
    room_close(&room);
}

static void a_file_above_the_limit_ends_it(void)
{
    struct room room;
    room_open(&room);
    room.limits.disk_mib = 1;
    run(&room, "exec head -c 10000000 /dev/zero > big");
    CHECK(WIFSIGNALED(room.status) && WTERMSIG(room.status) == SIGXFSZ);
    room_close(&room);
}

static void processor_time_above_the_limit_ends_it(void)
{
    struct room room;
    room_open(&room);
    room.limits.cpu_s = 1;
    run(&room, "while :; do :; done");
    CHECK(WIFSIGNALED(room.status) && WTERMSIG(room.status) == SIGXCPU);
    CHECK(process_cpu_ms(room.process) >= 500);
    room_close(&room);
}

static void await_death(pid_t pid)
{
    int64_t deadline_ms = clock_monotonic_ms() + 20000;
    while (kill(pid, 0) == 0 && clock_monotonic_ms() < deadline_ms) clock_sleep_ms(5);
    CHECK(kill(pid, 0) != 0);
}

/* Out of its group, out of its session, without a parent. */
static void a_child_that_stays_behind_is_killed(void)
{
    struct room room;
    room_open(&room);
    run(&room, "setsid sh -c 'sleep 1000 & echo $! > pid'; cat pid; exit 0");
    CHECK_EQUAL(room.status, 0);
    CHECK(process_n_strays(room.process) >= 1);
    await_death((pid_t)atoi(room.lines));
    room_close(&room);
}

static void a_child_that_stays_behind_is_found_while_the_trainer_runs(void)
{
    struct room room;
    room_open(&room);
    CHECK_STATUS(launch(&room, "setsid sh -c 'sleep 1000 & echo $!'; sleep 1000"), ANB_OK);
    while (!strchr(room.lines, '|')) uv_run(&room.loop, UV_RUN_ONCE);
    int64_t deadline_ms = clock_monotonic_ms() + 20000;
    while (process_sweep() == 0 && clock_monotonic_ms() < deadline_ms) clock_sleep_ms(5);
    await_death((pid_t)atoi(room.lines));
    CHECK_EQUAL(kill(process_id(room.process), 0), 0); /* the trainer goes on */
    room_close(&room);
}

/* Children of this process that are no trainers stay: they are in its session. */
static void other_children_are_left_alone(void)
{
    struct room room;
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    room_open(&room);
    run(&room, "exit 0");
    CHECK_EQUAL(waitpid(child, NULL, WNOHANG), 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    room_close(&room);
}

static void without_a_network_there_is_no_interface_but_its_own(void)
{
    struct room room;
    room_open(&room);
    room.site.no_network = true;
    if (launch(&room, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '") != ANB_OK) {
        CHECK(strstr(test_error.text, "cannot confine the trainer") != NULL); /* never run with one instead */
        puts("skipped: this machine makes no networks for us");
        room_close(&room);
        return;
    }
    room_close(&room);
    room_open(&room);
    room.site.no_network = true;
    CHECK_TEXT(run(&room, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), "lo|");
    room_close(&room);
}

static void another_user_owns_its_folder_and_cannot_read_keys(void)
{
    struct room room;
    if (geteuid() != 0) {
        puts("skipped: only root can start trainers as another user");
        return;
    }
    room_open(&room);
    CHECK_STATUS(confine_user_find("nobody", &room.user, &test_error), ANB_OK);
    room.site.user = &room.user;
    room.site.fence = CONFINE_FENCE_OFF; /* the user alone must do */
    chmod(test_folder(), 0711);
    chmod(room.data, 0711);
    char jobs[700];
    snprintf(jobs, sizeof jobs, "%s/jobs", room.data);
    chmod(jobs, 0711);
    run(&room,
        "id -un; cat \"$1\" || echo no key; cat /proc/$PPID/environ || echo no environ; echo x > here && cat here;"
        "kill -0 $PPID || echo no signal");
    CHECK(strstr(room.lines, "nobody|") && strstr(room.lines, "no key|") && strstr(room.lines, "no environ|"));
    CHECK(strstr(room.lines, "x|") && strstr(room.lines, "no signal|"));
    room_close(&room);
}

static void users_that_are_none_are_refused(void)
{
    struct confine_user user;
    CHECK_STATUS(confine_user_find("no-such-user", &user, &test_error), ANB_INVALID);
    CHECK_STATUS(confine_user_find("root", &user, &test_error), ANB_INVALID);
}

static void paths_that_are_not_there_are_refused(void)
{
    struct confine_paths paths = {.n = 0};
    CHECK_STATUS(confine_paths_add(&paths, "/no/such/path", false, &test_error), ANB_INVALID);
    CHECK_STATUS(confine_paths_add(&paths, "/no/such/path:/usr/../usr", true, &test_error), ANB_OK);
    CHECK(paths.n == 2 && strcmp(paths.paths[1], "/usr") == 0);
    confine_paths_fini(&paths);
}

TEST_MAIN("client confine", TEST(keys_and_the_data_folder_are_out_of_reach),
          TEST(nothing_is_written_but_in_the_own_folder), TEST(with_a_list_only_what_is_on_it_is_read),
          TEST(the_agent_cannot_be_looked_into), TEST(the_agent_cannot_be_signalled),
          TEST(there_are_no_privileges_and_no_core_files), TEST(limits_of_the_policy_are_set_for_good),
          TEST(a_file_above_the_limit_ends_it), TEST(processor_time_above_the_limit_ends_it),
          TEST(a_child_that_stays_behind_is_killed), TEST(a_child_that_stays_behind_is_found_while_the_trainer_runs),
          TEST(other_children_are_left_alone), TEST(without_a_network_there_is_no_interface_but_its_own),
          TEST(another_user_owns_its_folder_and_cannot_read_keys), TEST(users_that_are_none_are_refused),
          TEST(paths_that_are_not_there_are_refused))
