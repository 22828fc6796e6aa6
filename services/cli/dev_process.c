/* Processes that outlive this program. A process is signalled through a pidfd whose stamp was checked after it was
 * opened: between the two nothing can take its place. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { STAT_BYTES = 4096, START_TIME_FIELD = 22, KILL_WAIT_MS = 5000 };

/* -- who it is ------------------------------------------------------------------------------------------------------
 */

static bool read_text(const char *path, char *text, size_t size)
{
    struct buf bytes;
    buf_init(&bytes, size - 1);
    bool whole = file_read(path, &bytes, NULL) == ANB_OK;
    if (whole) snprintf(text, size, "%s", buf_text(&bytes));
    buf_fini(&bytes);
    return whole;
}

/* "BOOT-ID/START-TICKS"; false when the process is no more, or has ended and only waits to be collected. */
static bool read_stamp(pid_t pid, char stamp[DEV_STAMP_BYTES])
{
    char path[64], text[STAT_BYTES], boot[64] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || !read_text(path, text, sizeof text)) return false;
    const char *field = strrchr(text, ')'); /* the name before it may hold anything; field 3 follows */
    if (!field || field[1] != ' ' || field[2] == 'Z' || field[2] == 'X') return false;
    for (int number = 2; number < START_TIME_FIELD && field; number++) field = strchr(field + 1, ' ');
    if (!field) return false;
    read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    boot[strcspn(boot, "\n")] = 0;
    snprintf(stamp, DEV_STAMP_BYTES, "%s/%llu", boot, strtoull(field + 1, NULL, 10));
    return true;
}

bool dev_process_is_alive(const struct dev_process *process)
{
    char stamp[DEV_STAMP_BYTES];
    return *process->stamp && read_stamp(process->pid, stamp) && strcmp(stamp, process->stamp) == 0;
}

size_t dev_count_alive(const struct dev_state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < state->n_nodes; i++) count += dev_process_is_alive(&state->nodes[i].process);
    return count;
}

/* -- starting -------------------------------------------------------------------------------------------------------
 */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

static bool find_beside(const char *name, char path[DEV_PATH_BYTES])
{
    char self[DEV_PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return false;
    self[length] = 0;
    char *slash = strrchr(self, '/');
    if (!slash) return false;
    *slash = 0;
    return snprintf(path, DEV_PATH_BYTES, "%s/%s", self, name) < DEV_PATH_BYTES && is_program(path);
}

static bool find_on_path(const char *name, char path[DEV_PATH_BYTES])
{
    const char *folders = getenv("PATH");
    while (folders && *folders) {
        size_t length = strcspn(folders, ":");
        int written = snprintf(path, DEV_PATH_BYTES, "%.*s/%s", (int)length, folders, name);
        if (length > 0 && written < DEV_PATH_BYTES && is_program(path)) return true;
        folders += length + (folders[length] == ':');
    }
    return false;
}

enum anb_status dev_find_program(const char *name, const char *folder, char path[DEV_PATH_BYTES], struct anb_error *err)
{
    if (folder) {
        if (snprintf(path, DEV_PATH_BYTES, "%s/%s", folder, name) < DEV_PATH_BYTES && is_program(path)) return ANB_OK;
        return anb_fail(err, ANB_NOT_FOUND, "there is no program %s in %.200s", name, folder);
    }
    if (find_beside(name, path) || find_on_path(name, path)) return ANB_OK;
    return anb_fail(err, ANB_NOT_FOUND,
                    "program %s is neither beside anabranch nor on PATH: build it, or name its folder with --programs",
                    name);
}

static void connect_streams(const char *log_path)
{
    int null_fd = open("/dev/null", O_RDONLY);
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (null_fd < 0 || log_fd < 0) _exit(127);
    dup2(null_fd, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    if (null_fd > STDERR_FILENO) close(null_fd);
    if (log_fd > STDERR_FILENO) close(log_fd);
}

/* The child: everything is told on the command line, so a configuration file meant for us is not meant for it. */
static void run_child(char *const *argv, const char *log_path, int go_fd)
{
    char go;
    ssize_t got;
    setsid();
    do got = read(go_fd, &go, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1) _exit(127);
    unsetenv("ANABRANCH_CONFIG");
    connect_streams(log_path);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

enum anb_status dev_process_prepare(char *const *argv, const char *log_path, struct dev_process *process, int *go_fd,
                                    struct anb_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return anb_fail_errno(err, errno, "cannot start %s", argv[0]);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        run_child(argv, log_path, ends[0]);
    }
    close(ends[0]);
    process->pid = pid;
    if (pid > 0 && read_stamp(pid, process->stamp)) {
        *go_fd = ends[1];
        return ANB_OK;
    }
    enum anb_status status = anb_fail_errno(err, errno, "cannot start %s", argv[0]);
    close(ends[1]);
    return status;
}

void dev_process_go(int go_fd)
{
    ssize_t put = write(go_fd, "g", 1);
    (void)put; /* a child that is gone already is found dead later */
    close(go_fd);
}

/* -- ending ---------------------------------------------------------------------------------------------------------
 */

/* -1 when the process has ended. */
static int open_process(const struct dev_process *process)
{
    int fd = process->pid > 0 ? pidfd_open(process->pid, 0) : -1;
    if (fd < 0 || dev_process_is_alive(process)) return fd;
    close(fd);
    return -1;
}

static bool wait_end(int pidfd, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        struct pollfd wait = {.fd = pidfd, .events = POLLIN};
        int ready = poll(&wait, 1, left_ms > 0 ? (int)left_ms : 0);
        if (ready > 0) return true;
        if (ready == 0 || errno != EINTR) return false;
    }
}

/* Wait for one, and end its whole session when it does not end by itself: a trainer goes with its agent. */
static bool end_one(int pidfd, pid_t pid, int64_t deadline_ms)
{
    if (wait_end(pidfd, deadline_ms)) return true;
    kill(-pid, SIGKILL);
    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    wait_end(pidfd, clock_monotonic_ms() + KILL_WAIT_MS);
    return false;
}

size_t dev_processes_end(const struct dev_process *const *processes, size_t count, int64_t grace_ms)
{
    int pidfds[DEV_MAX_NODES];
    size_t killed = 0;
    int64_t deadline_ms = clock_monotonic_ms() + grace_ms;
    for (size_t i = 0; i < count; i++) {
        pidfds[i] = open_process(processes[i]);
        if (pidfds[i] >= 0) pidfd_send_signal(pidfds[i], SIGTERM, NULL, 0);
    }
    for (size_t i = 0; i < count; i++) {
        if (pidfds[i] < 0) continue;
        if (!end_one(pidfds[i], processes[i]->pid, deadline_ms)) killed++;
        close(pidfds[i]);
    }
    return killed;
}

size_t dev_nodes_end(const struct dev_state *state, int64_t grace_ms)
{
    const struct dev_process *brokers[DEV_MAX_NODES], *others[DEV_MAX_NODES];
    size_t n_brokers = 0, n_others = 0;
    for (size_t i = 0; i < state->n_nodes; i++) {
        if (strcmp(state->nodes[i].role, "broker") == 0)
            brokers[n_brokers++] = &state->nodes[i].process;
        else
            others[n_others++] = &state->nodes[i].process;
    }
    size_t killed = dev_processes_end(others, n_others, grace_ms);
    return killed + dev_processes_end(brokers, n_brokers, grace_ms);
}
