#include "strays.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PASSES = 20 };

struct entry {
    pid_t pid, parent, session;
    char state;
};

static bool read_entry(int proc, const char *name, struct entry *entry)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "%.16s/stat", name);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    const char *behind = strrchr(text, ')'); /* the program's name may hold anything, ")" included */
    entry->pid = atoi(name);
    return behind && sscanf(behind, ") %c %d %*d %d", &entry->state, &entry->parent, &entry->session) == 3;
}

struct hunt {
    pid_t self, own_session, session;
    const pid_t *trainers;
    size_t n_trainers;
};

static bool is_trainer(const struct hunt *hunt, pid_t pid)
{
    for (size_t i = 0; i < hunt->n_trainers; i++)
        if (hunt->trainers[i] == pid) return true;
    return false;
}

static bool is_stray(const struct hunt *hunt, const struct entry *entry)
{
    if (is_trainer(hunt, entry->pid)) return false;
    if (hunt->session > 0 && entry->session == hunt->session) return true;
    return entry->parent == hunt->self && entry->session != hunt->own_session;
}

/* How many live strays were seen. The dead ones that are ours are reaped. */
static size_t pass(const struct hunt *hunt)
{
    size_t n = 0;
    DIR *all = opendir("/proc");
    if (!all) return 0;
    for (const struct dirent *name = readdir(all); name; name = readdir(all)) {
        struct entry entry;
        if (*name->d_name < '1' || *name->d_name > '9' || !read_entry(dirfd(all), name->d_name, &entry)) continue;
        if (!is_stray(hunt, &entry)) continue;
        if (entry.state != 'Z' && entry.state != 'X' && kill(entry.pid, SIGKILL) == 0) n++;
        if (entry.parent == hunt->self) waitpid(entry.pid, NULL, WNOHANG);
    }
    closedir(all);
    return n;
}

size_t strays_kill(pid_t session, const pid_t *trainers, size_t n_trainers)
{
    const struct hunt hunt = {getpid(), getsid(0), session, trainers, n_trainers};
    size_t killed = 0;
    for (int i = 0; i < MAX_PASSES; i++) {
        size_t n = pass(&hunt);
        if (n > killed) killed = n; /* the same ones are seen again until they are gone */
        if (n == 0) break;
    }
    return killed;
}
