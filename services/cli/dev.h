/* A federation on this machine: what runs, where its files lie, and how its processes are started and ended.
 *
 * All of it lies in one folder: state.json (what was started), logs/NAME.log, run/NAME.json (ready files), data/NAME,
 * project/ (keys and certificates). A process is known by its number and its stamp (boot and start time), so that a
 * number which has been given to somebody else's process since is never signalled. One command at a time works in a
 * folder: it holds the folder's lock. One thread. */
#ifndef ANB_CLI_DEV_H
#define ANB_CLI_DEV_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { DEV_MAX_SITES = 128, DEV_MAX_AGGREGATORS = 32, DEV_MAX_NODES = DEV_MAX_SITES + DEV_MAX_AGGREGATORS + 2 };
enum { DEV_PATH_BYTES = 1024, DEV_STAMP_BYTES = 96 };

struct dev_process {
    pid_t pid;
    char stamp[DEV_STAMP_BYTES];
};

struct dev_node {
    char name[64];
    char role[16]; /* broker, server, aggregator, site */
    struct dev_process process;
};

struct dev_state {
    char folder[DEV_PATH_BYTES];
    char project[64];
    char server[256];            /* its address; "" until it is ready */
    char bootstrap_servers[512]; /* "" until it is known */
    struct dev_node nodes[DEV_MAX_NODES];
    size_t n_nodes;
};

/* -- the folder (dev_state.c) */

/* `given`, else ANABRANCH_FOLDER, else anabranch/dev below XDG_STATE_HOME or ~/.local/state. */
enum anb_status dev_folder(const char *given, char folder[DEV_PATH_BYTES], struct anb_error *err);
/* EXISTS while another command works there. Closing *lock_fd unlocks. */
enum anb_status dev_lock(const char *folder, int *lock_fd, struct anb_error *err);
/* NOT_FOUND: nothing was started there. */
enum anb_status dev_state_load(const char *folder, struct dev_state *state, struct anb_error *err);
enum anb_status dev_state_save(const struct dev_state *state, struct anb_error *err);
/* Remove what `dev up` made in the folder, and the folder when nothing else is in it. */
enum anb_status dev_state_remove(const char *folder, bool keep_data, struct anb_error *err);
/* FOLDER/`part`/NAME`suffix`; INVALID when that is too long. */
enum anb_status dev_path(const struct dev_state *state, const char *part, const char *name, const char *suffix,
                         char path[DEV_PATH_BYTES], struct anb_error *err);

/* -- who belongs to it (dev_project.c) */

#define DEV_USER "admin"
/* FOLDER/project with a kit for the server, each aggregator and site, and DEV_USER; the brokers' addresses are known.
 */
enum anb_status dev_project_make(const struct dev_state *state, int64_t sites, int64_t aggregators,
                                 struct anb_error *err);

/* Until the server where the user is logged in lists so many sites and aggregators as alive: a node is ready when the
 * log has its word, the server knows when it has read that (dev_seen.c). */
enum anb_status dev_await_seen(int64_t sites, int64_t aggregators, int64_t timeout_s, struct anb_error *err);

/* -- processes (dev_process.c) */

/* The program beside this one, or on PATH; with `folder`, only there. */
enum anb_status dev_find_program(const char *name, const char *folder, char path[DEV_PATH_BYTES],
                                 struct anb_error *err);
/* Make a process in a session of its own that writes to `log_path`. It starts to run `argv` when *go_fd gets a byte (by
 * dev_process_go) and ends when *go_fd is closed without one, so nothing runs that was not recorded before. */
enum anb_status dev_process_prepare(char *const *argv, const char *log_path, struct dev_process *process, int *go_fd,
                                    struct anb_error *err);
void dev_process_go(int go_fd);
bool dev_process_is_alive(const struct dev_process *process);
/* SIGTERM to all, wait, then SIGKILL to the sessions of those that are left after `grace_ms`; returns how many that
 * were. */
size_t dev_processes_end(const struct dev_process *const *processes, size_t count, int64_t grace_ms);
/* All nodes of the state, the broker last; `grace_ms` for each of the two steps. */
size_t dev_nodes_end(const struct dev_state *state, int64_t grace_ms);
size_t dev_count_alive(const struct dev_state *state);

#endif
