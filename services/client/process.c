/* fork and exec by hand, since libuv has no place for what the child must do first: lead a session of its own, confine
 * itself, and ask to die with its parent. The child runs only async-signal-safe calls. A pidfd tells when it has ended,
 * so no signal handler is needed and no other child of this process is touched. */
#include "process.h"

#include "strays.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_BYTES = 16384, READS_AT_ONCE = 8, CHILD_FAILED = 127, MAX_TRAINERS = 64 };

struct outlet { /* one of the trainer's two outputs */
    struct process *process;
    const char *source;
    struct watch *watch; /* NULL: at its end */
    struct lines lines;
};

struct process {
    struct process_config config;
    pid_t pid;
    bool is_over;
    int64_t cpu_ms;
    size_t n_strays;
    struct watch *end;
    struct outlet outlets[2];
    char last_line[LINE_MAX_BYTES + 8];
};

/* -- the child */

struct birth { /* what the child needs, made before the fork */
    const struct process_config *config;
    pid_t parent;
    int null, out, err, report;
};

enum stage { STAGE_CONFINE, STAGE_RUN };
struct failure {
    enum stage stage;
    int why;
};

static int run_program(const struct birth *birth)
{
    const struct process_config *config = birth->config;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* another user's process loses it: so not before that is settled */
    if (getppid() != birth->parent) _exit(CHILD_FAILED);
    if (chdir(config->folder) == 0)
        execvpe(config->command[0], (char *const *)config->command, (char *const *)config->environment);
    return errno;
}

static void child(const struct birth *birth)
{
    struct failure failure = {.stage = STAGE_CONFINE};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    dup2(birth->null, 0);
    dup2(birth->out, 1);
    dup2(birth->err, 2);
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    if (birth->config->confinement) failure.why = confine_enter(birth->config->confinement);
    if (failure.why == 0) failure = (struct failure){STAGE_RUN, run_program(birth)};
    if (write(birth->report, &failure, sizeof failure) < 0) _exit(CHILD_FAILED);
    _exit(CHILD_FAILED);
}

/* -- all trainers of this process */

static pthread_mutex_t births = PTHREAD_MUTEX_INITIALIZER; /* of the whole process, as fork is */
static pid_t trainers[MAX_TRAINERS];                       /* that live, under that lock */
static size_t n_trainers;

void process_hold_births(void)
{
    pthread_mutex_lock(&births);
}

void process_release_births(void)
{
    pthread_mutex_unlock(&births);
}

/* Its end: nothing of its session, and nothing that has left it, stays. */
static size_t strike_off(pid_t pid)
{
    process_hold_births();
    for (size_t i = 0; i < n_trainers; i++)
        if (trainers[i] == pid) trainers[i--] = trainers[--n_trainers];
    size_t n = strays_kill(pid, trainers, n_trainers);
    process_release_births();
    return n;
}

size_t process_sweep(void)
{
    process_hold_births();
    size_t n = n_trainers > 0 ? strays_kill(0, trainers, n_trainers) : 0;
    process_release_births();
    return n;
}

/* -- what it prints */

static void on_line(void *context, const char *text)
{
    struct outlet *outlet = context;
    struct process *process = outlet->process;
    if (*text) snprintf(process->last_line, sizeof process->last_line, "%s", text);
    process->config.line(process->config.context, outlet->source, text);
}

/* Reads what is there, at most `most` pieces; at the end of the stream the watch goes. */
static void drain(struct outlet *outlet, int most)
{
    char bytes[READ_BYTES];
    for (int i = 0; outlet->watch && i < most; i++) {
        ssize_t got = read(watch_fd(outlet->watch), bytes, sizeof bytes);
        if (got > 0) {
            lines_feed(&outlet->lines, bytes, (size_t)got, on_line, outlet);
            continue;
        }
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        watch_free(outlet->watch);
        outlet->watch = NULL;
    }
}

static void on_output(void *context)
{
    drain(context, READS_AT_ONCE);
}

/* -- its end */

enum { DRAIN_AT_END = 256 }; /* a pipe holds 64 KiB; grandchildren may go on writing */

static void on_end(void *context)
{
    struct process *process = context;
    int status;
    struct rusage used;
    if (wait4(process->pid, &status, WNOHANG, &used) != process->pid) return;
    process->is_over = true;
    process->cpu_ms =
        (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
    process->n_strays = strike_off(process->pid);
    watch_free(process->end);
    process->end = NULL;
    for (int i = 0; i < 2; i++) {
        drain(&process->outlets[i], DRAIN_AT_END);
        lines_end(&process->outlets[i].lines, on_line, &process->outlets[i]);
    }
    process->config.ended(process->config.context, status);
}

/* -- start and stop */

static enum anb_status watch_outlet(struct process *process, uv_loop_t *loop, int index, const char *source, int fd,
                                    struct anb_error *err)
{
    struct outlet *outlet = &process->outlets[index];
    outlet->process = process;
    outlet->source = source;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return watch_new(loop, fd, on_output, outlet, &outlet->watch, err);
}

/* The pipe closes by itself when the program runs; else it brings the errno of what failed. */
static enum anb_status await_exec(int report, const struct process_config *config, struct anb_error *err)
{
    struct failure failure;
    ssize_t got;
    do got = read(report, &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got != sizeof failure) return ANB_OK;
    if (failure.stage == STAGE_RUN)
        return anb_fail_errno(err, failure.why, "cannot run %s in %s", config->command[0], config->folder);
    return anb_fail_errno(err, failure.why, "cannot confine the trainer (%s)", config->confinement->text);
}

/* The child, until its program runs or could not. */
static enum anb_status fork_and_await(struct process *process, const struct birth *birth, int report,
                                      struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    process_hold_births();
    bool has_room = n_trainers < MAX_TRAINERS;
    pid_t pid = has_room ? fork() : -1;
    if (pid == 0) child(birth);
    if (!has_room) {
        status = anb_fail(err, ANB_TOO_LARGE, "%d trainers run already", MAX_TRAINERS);
    } else if (pid < 0) {
        status = anb_fail_errno(err, errno, "cannot start the trainer");
    } else {
        process->pid = pid;
        trainers[n_trainers++] = pid;
        close(birth->report);
        status = await_exec(report, &process->config, err);
    }
    process_release_births();
    return status;
}

static enum anb_status give_birth(struct process *process, uv_loop_t *loop, int pipes[3][2], int null,
                                  struct anb_error *err)
{
    static const char *const sources[] = {"stdout", "stderr"};
    struct birth birth = {&process->config, getpid(), null, pipes[0][1], pipes[1][1], pipes[2][1]};
    enum anb_status status = fork_and_await(process, &birth, pipes[2][0], err);
    if (process->pid > 0) pipes[2][1] = -1; /* closed */
    int end = status == ANB_OK ? pidfd_open(process->pid, 0) : -1;
    if (status == ANB_OK && end < 0) status = anb_fail_errno(err, errno, "cannot follow the trainer's process");
    if (status == ANB_OK) status = watch_new(loop, end, on_end, process, &process->end, err);
    for (int i = 0; status == ANB_OK && i < 2; i++) {
        status = watch_outlet(process, loop, i, sources[i], pipes[i][0], err);
        pipes[i][0] = -1; /* taken */
    }
    return status;
}

enum anb_status process_start(uv_loop_t *loop, const struct process_config *config, struct process **out,
                              struct anb_error *err)
{
    struct process *process = calloc(1, sizeof *process);
    if (!process) return anb_fail(err, ANB_NO_MEMORY, "no memory for a trainer");
    process->config = *config;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* what a trainer leaves comes here */
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    enum anb_status status = ANB_OK;
    for (int i = 0; i < 3 && status == ANB_OK; i++)
        if (null < 0 || pipe2(pipes[i], O_CLOEXEC) != 0) status = anb_fail_errno(err, errno, "no pipe for a trainer");
    if (status == ANB_OK) status = give_birth(process, loop, pipes, null, err);
    for (int i = 0; i < 6; i++)
        if (pipes[i / 2][i % 2] >= 0) close(pipes[i / 2][i % 2]);
    if (null >= 0) close(null);
    if (status == ANB_OK)
        *out = process;
    else
        process_free(process);
    return status;
}

pid_t process_id(const struct process *process)
{
    return process->pid;
}

void process_signal(struct process *process, int number)
{
    if (!process->is_over) kill(-process->pid, number);
}

int64_t process_cpu_ms(const struct process *process)
{
    return process->cpu_ms;
}

size_t process_n_strays(const struct process *process)
{
    return process->n_strays;
}

const char *process_last_line(const struct process *process)
{
    return process->last_line;
}

void process_free(struct process *process)
{
    if (!process) return;
    if (process->pid > 0 && !process->is_over) {
        kill(-process->pid, SIGKILL);
        kill(process->pid, SIGKILL); /* should it not lead its session yet */
        waitpid(process->pid, NULL, 0);
        strike_off(process->pid);
    }
    watch_free(process->end);
    for (int i = 0; i < 2; i++) watch_free(process->outlets[i].watch);
    free(process);
}

const char *process_status_text(int wait_status, char text[64])
{
    if (WIFSIGNALED(wait_status))
        snprintf(text, 64, "killed by signal %d (%.30s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
    else
        snprintf(text, 64, "exit status %d", WEXITSTATUS(wait_status));
    return text;
}
