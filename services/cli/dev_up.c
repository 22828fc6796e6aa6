/* Starts a whole federation on this machine: broker (unless one is given), server, aggregators, sites, in this order,
 * each awaited by its ready file, and all until the server has seen them. Every process is recorded in state.json
 * before it begins to run, so whatever happens to this command, `dev down` finds all of them. Where a federation runs
 * already, the processes that are gone are started again, and nothing else. */
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "cli/cli.h"
#include "cli/contexts.h"
#include "cli/dev.h"
#include "cli/provision.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_WORDS = 40,
    POLL_MS = 10,
    GRACE_MS = 5000,
    READY_CEILING_BYTES = 65536,
    TAIL_LINES = 12,
    LIST_CEILING_BYTES = 65536,
    DEFAULT_PORT = 8500
};
enum { EMBEDDED_MODEL_MIB = 8 }; /* what the broker's 5 MiB for each of 4 partitions carries with room for updates */

struct settings {
    struct cli_common common;
    int64_t sites, aggregators, timeout_s;
    char *bootstrap_servers, *project, *folder, *listen, *programs;
};

static const struct option_entry entries[] = {
    CLI_JSON_ENTRY(struct settings),
    OPTION_INT_ENTRY(struct settings, sites, "sites", "3", 1, DEV_MAX_SITES, "", "how many sites: site-1, site-2, ..."),
    OPTION_INT_ENTRY(struct settings, aggregators, "aggregators", "1", 1, DEV_MAX_AGGREGATORS, "",
                     "how many aggregators: aggregator-1, ..."),
    OPTION_OPTIONAL_ENTRY(struct settings, bootstrap_servers, "bootstrap-servers",
                          "Kafka brokers, HOST:PORT,HOST:PORT; else an embedded broker, for models up to 8 MiB"),
    OPTION_TEXT_ENTRY(struct settings, project, "project", "dev", "the project, as in the names of its topics"),
    OPTION_OPTIONAL_ENTRY(struct settings, folder, "folder",
                          "where to put everything; else ~/.local/state/anabranch/dev"),
    OPTION_OPTIONAL_ENTRY(struct settings, listen, "listen",
                          "address of the server, HOST:PORT; else 127.0.0.1:8500, or any port when that is taken"),
    OPTION_OPTIONAL_ENTRY(struct settings, programs, "programs",
                          "folder of the other programs; else beside this one, or PATH"),
    OPTION_INT_ENTRY(struct settings, timeout_s, "timeout", "60", 1, 3600, "s",
                     "how long one process may take to be ready"),
};

struct words { /* a command line; the texts belong to the caller */
    char *items[MAX_WORDS + 1];
    size_t count;
};

struct up {
    const struct settings *settings;
    struct dev_state state;
};

static void add_word(struct words *words, const char *name, const char *value)
{
    assert(words->count + 2 <= MAX_WORDS); /* the lists below are fixed */
    words->items[words->count++] = (char *)name;
    words->items[words->count++] = (char *)value;
}

/* -- one node --------------------------------------------------------------------------------------------------------
 */

static struct dev_node *find_node(struct dev_state *state, const char *name)
{
    for (size_t i = 0; i < state->n_nodes; i++)
        if (strcmp(state->nodes[i].name, name) == 0) return &state->nodes[i];
    return NULL;
}

static long long count_role(const struct dev_state *state, const char *role)
{
    long long n = 0;
    for (size_t i = 0; i < state->n_nodes; i++) n += strcmp(state->nodes[i].role, role) == 0;
    return n;
}

static enum anb_status run_recorded(struct up *up, const char *role, const char *name, char *const *argv,
                                    const char *log, struct anb_error *err)
{
    int go_fd = -1;
    struct dev_node *known = find_node(&up->state, name), *node = known ? known : &up->state.nodes[up->state.n_nodes];
    *node = (struct dev_node){.process.pid = 0};
    snprintf(node->name, sizeof node->name, "%s", name);
    snprintf(node->role, sizeof node->role, "%s", role);
    enum anb_status status = dev_process_prepare(argv, log, &node->process, &go_fd, err);
    if (status != ANB_OK) return status;
    if (!known) up->state.n_nodes++;
    status = dev_state_save(&up->state, err);
    if (status == ANB_OK)
        dev_process_go(go_fd);
    else
        close(go_fd);
    return status;
}

static enum anb_status start_node(struct up *up, const char *role, const char *name, const struct words *more,
                                  struct anb_error *err)
{
    char program[64], path[DEV_PATH_BYTES], log[DEV_PATH_BYTES], ready[DEV_PATH_BYTES];
    struct words words = {.count = 1};
    snprintf(program, sizeof program, "anabranch-%s", strcmp(role, "site") == 0 ? "client" : role);
    enum anb_status status = dev_find_program(program, up->settings->programs, path, err);
    if (status == ANB_OK) status = dev_path(&up->state, "logs", name, ".log", log, err);
    if (status == ANB_OK) status = dev_path(&up->state, "run", name, ".json", ready, err);
    if (status != ANB_OK) return status;
    unlink(ready);
    words.items[0] = path;
    add_word(&words, "--project", up->state.project);
    add_word(&words, "--ready-file", ready);
    for (size_t i = 0; i + 1 < more->count; i += 2) add_word(&words, more->items[i], more->items[i + 1]);
    return run_recorded(up, role, name, words.items, log, err);
}

/* All nodes but the broker: their names, and where the broker is. */
static enum anb_status start_member(struct up *up, const char *role, const char *name, struct words *more,
                                    struct anb_error *err)
{
    char data[DEV_PATH_BYTES], config[DEV_PATH_BYTES], roster[DEV_PATH_BYTES], policy[DEV_PATH_BYTES];
    enum anb_status status = dev_path(&up->state, "data", name, "", data, err);
    if (status == ANB_OK) status = dev_path(&up->state, "data", "policy", ".yaml", policy, err);
    if (status == ANB_OK) status = dev_path(&up->state, "project/kits", name, "/node.yaml", config, err);
    if (status == ANB_OK) status = dev_path(&up->state, "project", "roster", "", roster, err);
    if (status != ANB_OK) return status;
    add_word(more, "--config", config);
    add_word(more, "--roster", roster); /* a kit may be older */
    add_word(more, "--name", name);
    add_word(more, "--bootstrap-servers", up->state.bootstrap_servers);
    if (strcmp(role, "aggregator") != 0) add_word(more, "--data-folder", data);
    if (strcmp(role, "site") == 0) {
        add_word(more, "--policy", policy);
        add_word(more, "--trainer-hide", up->state.folder); /* the kits of all */
    }
    return start_node(up, role, name, more, err);
}

/* -- until it is ready -----------------------------------------------------------------------------------------------
 */

static struct doc *read_ready_file(const char *path)
{
    struct buf text;
    struct doc *ready = NULL;
    buf_init(&text, READY_CEILING_BYTES);
    if (file_read(path, &text, NULL) == ANB_OK) doc_parse_json(buf_slice(&text), path, &ready, NULL);
    buf_fini(&text);
    return ready;
}

/* *ready: what it wrote, for the caller to free. */
static enum anb_status await_node(const struct up *up, const char *name, struct doc **ready, struct anb_error *err)
{
    char path[DEV_PATH_BYTES];
    const struct dev_node *node = find_node((struct dev_state *)&up->state, name);
    int64_t deadline_ms = clock_monotonic_ms() + up->settings->timeout_s * 1000;
    enum anb_status status = dev_path(&up->state, "run", name, ".json", path, err);
    while (status == ANB_OK && node) {
        bool alive = dev_process_is_alive(&node->process);
        if ((*ready = read_ready_file(path)) != NULL) return ANB_OK;
        if (!alive) return anb_fail(err, ANB_FATAL, "%s ended while it started", name);
        if (clock_monotonic_ms() > deadline_ms)
            return anb_fail(err, ANB_FATAL, "%s was not ready within %lld s", name, (long long)up->settings->timeout_s);
        clock_sleep_ms(POLL_MS);
    }
    return status;
}

/* The end of a log, on standard error: where the reason stands. */
static void show_log_tail(const struct dev_state *state, const char *name)
{
    char path[DEV_PATH_BYTES];
    struct buf text;
    buf_init(&text, (size_t)16 << 20);
    if (dev_path(state, "logs", name, ".log", path, NULL) == ANB_OK && file_read(path, &text, NULL) == ANB_OK) {
        const char *all = buf_text(&text), *from = all + text.size;
        for (int lines = 0; from > all; from--)
            if (from[-1] == '\n' && from < all + text.size && ++lines == TAIL_LINES) break;
        fprintf(stderr, "last lines of %s:\n%s", path, from);
        if (text.size > 0 && all[text.size - 1] != '\n') fputc('\n', stderr);
    }
    buf_fini(&text);
}

static enum anb_status await_or_show(const struct up *up, const char *name, struct doc **ready, struct anb_error *err)
{
    enum anb_status status = await_node(up, name, ready, err);
    if (status != ANB_OK) show_log_tail(&up->state, name);
    return status;
}

/* -- the federation --------------------------------------------------------------------------------------------------
 */

/* "server,aggregator-1,site-1": the embedded broker makes topics for those it knows. */
static enum anb_status list_members(const struct up *up, struct buf *list, struct anb_error *err)
{
    enum anb_status status = buf_append_text(list, "server", err);
    for (int64_t i = 1; status == ANB_OK && i <= up->settings->aggregators; i++)
        status = buf_printf(list, err, ",aggregator-%lld", (long long)i);
    for (int64_t i = 1; status == ANB_OK && i <= up->settings->sites; i++)
        status = buf_printf(list, err, ",site-%lld", (long long)i);
    return status;
}

static enum anb_status start_embedded(struct up *up, struct anb_error *err)
{
    struct words more = {.count = 0};
    struct buf list;
    buf_init(&list, LIST_CEILING_BYTES);
    enum anb_status status = list_members(up, &list, err);
    add_word(&more, "--nodes", buf_text(&list));
    if (status == ANB_OK) status = start_node(up, "broker", "broker", &more, err);
    buf_fini(&list);
    return status;
}

static enum anb_status start_broker(struct up *up, struct anb_error *err)
{
    struct doc *ready = NULL;
    if (up->settings->bootstrap_servers) {
        snprintf(up->state.bootstrap_servers, sizeof up->state.bootstrap_servers, "%s",
                 up->settings->bootstrap_servers);
        return ANB_OK;
    }
    enum anb_status status = start_embedded(up, err);
    if (status == ANB_OK) status = await_or_show(up, "broker", &ready, err);
    if (status != ANB_OK) return status;
    snprintf(up->state.bootstrap_servers, sizeof up->state.bootstrap_servers, "%s",
             doc_text(doc_get(ready, "bootstrap_servers"), ""));
    doc_free(ready);
    return ANB_OK;
}

static bool port_is_free(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0;
    close(fd);
    return is_free;
}

/* Whoever brings a federation up is its admin, and is logged in. */
static enum anb_status log_in(const struct up *up, struct anb_error *err)
{
    struct context context = {.server = ""};
    snprintf(context.server, sizeof context.server, "%s", up->state.server);
    enum anb_status status = dev_path(&up->state, "project/kits", DEV_USER, "", context.kit, err);
    if (status == ANB_OK) status = dev_path(&up->state, "project/kits", DEV_USER, "/root.pem", context.root, err);
    return status == ANB_OK ? context_put(&context, true, err) : status;
}

static enum anb_status start_server(struct up *up, struct anb_error *err)
{
    struct words more = {.count = 0};
    struct doc *ready = NULL;
    char limit[16];
    const char *any = port_is_free(DEFAULT_PORT) ? "127.0.0.1:8500" : "127.0.0.1:0";
    const char *before = strstr(up->state.server, "://"); /* it is started again: where it was */
    snprintf(limit, sizeof limit, "%d", count_role(&up->state, "broker") > 0 ? EMBEDDED_MODEL_MIB : 0);
    add_word(&more, "--listen", before ? before + 3 : up->settings->listen ? up->settings->listen : any);
    add_word(&more, "--max-model-mib", limit);
    enum anb_status status = start_member(up, "server", "server", &more, err);
    if (status == ANB_OK) status = await_or_show(up, "server", &ready, err);
    if (status != ANB_OK) return status;
    snprintf(up->state.server, sizeof up->state.server, "https://%s", doc_text(doc_get(ready, "listen"), ""));
    doc_free(ready);
    return log_in(up, err);
}

static enum anb_status start_many(struct up *up, const char *role, int64_t count, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (int64_t i = 1; status == ANB_OK && i <= count; i++) {
        char name[NAME_MAX_BYTES];
        struct words more = {.count = 0};
        snprintf(name, sizeof name, "%s-%lld", role, (long long)i);
        status = start_member(up, role, name, &more, err);
    }
    return status;
}

/* All code of all users of the project; what somebody has changed there stays. */
static enum anb_status write_policy(const char *path, struct anb_error *err)
{
    static const char text[] = "# The policy of all sites here (see docs/policy.md); changes hold for the next job.\n"
                               "submitters: {roles: [admin, lead, member]}\n"
                               "jobs: {smallest_cohort: 1}\n"
                               "code: {allow: any}\n";
    return access(path, F_OK) == 0 ? ANB_OK : file_write(path, slice_of_text(text), err);
}

static enum anb_status start_sites(struct up *up, struct anb_error *err)
{
    char policy[DEV_PATH_BYTES];
    enum anb_status status = dev_path(&up->state, "data", "policy", ".yaml", policy, err);
    if (status == ANB_OK) status = write_policy(policy, err);
    return status == ANB_OK ? start_many(up, "site", up->settings->sites, err) : status;
}

static enum anb_status start_all(struct up *up, struct anb_error *err)
{
    enum anb_status status = start_broker(up, err);
    if (status == ANB_OK) status = dev_project_make(&up->state, up->settings->sites, up->settings->aggregators, err);
    if (status == ANB_OK) status = start_server(up, err);
    if (status == ANB_OK) status = start_many(up, "aggregator", up->settings->aggregators, err);
    if (status == ANB_OK) status = start_sites(up, err);
    for (size_t i = 0; status == ANB_OK && i < up->state.n_nodes; i++) {
        struct doc *ready = NULL;
        status = await_or_show(up, up->state.nodes[i].name, &ready, err);
        doc_free(ready);
    }
    return status == ANB_OK ? dev_state_save(&up->state, err) : status;
}

/* -- the folder ------------------------------------------------------------------------------------------------------
 */

static enum anb_status make_folders(const struct dev_state *state, struct anb_error *err)
{
    static const char *const parts[] = {"logs", "run", "data"};
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < sizeof parts / sizeof *parts; i++) {
        char path[DEV_PATH_BYTES + 16];
        snprintf(path, sizeof path, "%s/%s", state->folder, parts[i]);
        status = file_make_folders(path, err);
    }
    return status;
}

/* -- what is gone is started again -----------------------------------------------------------------------------------
 */

static enum anb_status start_again(struct up *up, const char *name, const char *role, struct anb_error *err)
{
    struct words more = {.count = 0};
    struct doc *ready = NULL;
    if (strcmp(role, "broker") == 0)
        return anb_fail(err, ANB_FATAL,
                        "the embedded broker is gone, and all that was in it: anabranch dev down, then "
                        "anabranch dev up");
    if (strcmp(role, "server") == 0) return start_server(up, err);
    enum anb_status status = start_member(up, role, name, &more, err);
    if (status == ANB_OK) status = await_or_show(up, name, &ready, err);
    doc_free(ready);
    return status;
}

/* EXISTS when nothing is gone. */
static enum anb_status revive(struct up *up, struct anb_error *err)
{
    struct dev_state *state = &up->state;
    enum anb_status status = ANB_OK;
    if (!*state->server || dev_count_alive(state) == state->n_nodes)
        return anb_fail(err, ANB_EXISTS,
                        "a federation is already running here, server %s: see anabranch dev status, or end it with "
                        "anabranch dev down",
                        *state->server ? state->server : "not ready yet");
    for (size_t i = 0; status == ANB_OK && i < state->n_nodes; i++) {
        const struct dev_node was = state->nodes[i];
        if (dev_process_is_alive(&was.process)) continue;
        status = start_again(up, was.name, was.role, err);
        if (status == ANB_OK) fprintf(stderr, "%s was gone and runs again\n", was.name);
    }
    return status;
}

static enum anb_status print_result(const struct up *up, struct anb_error *err)
{
    if (up->settings->common.json) {
        struct doc *root = doc_new_map();
        doc_set_text(root, "server", up->state.server);
        doc_set_text(root, "bootstrap_servers", up->state.bootstrap_servers);
        doc_set_text(root, "project", up->state.project);
        doc_set_text(root, "folder", up->state.folder);
        enum anb_status status = cli_print_json(root, err);
        doc_free(root);
        return status;
    }
    long long n_aggregators = count_role(&up->state, "aggregator"), n_sites = count_role(&up->state, "site");
    printf("project %s runs: server %s, broker %s%s, %lld aggregator%s, %lld site%s\n", up->state.project,
           up->state.server, up->state.bootstrap_servers, count_role(&up->state, "broker") > 0 ? " (embedded)" : "",
           n_aggregators, n_aggregators == 1 ? "" : "s", n_sites, n_sites == 1 ? "" : "s");
    fflush(stdout);
    fprintf(stderr, "next: anabranch job submit DIR --wait; anabranch dev status; anabranch dev down\n");
    return ANB_OK;
}

static enum anb_status await_seen(const struct up *up, struct anb_error *err)
{
    return dev_await_seen(count_role(&up->state, "site"), count_role(&up->state, "aggregator"), up->settings->timeout_s,
                          err);
}

static enum anb_status bring_up(struct up *up, struct anb_error *err)
{
    struct dev_state *old = calloc(1, sizeof *old);
    if (!old) return anb_fail(err, ANB_NO_MEMORY, "no memory");
    enum anb_status status = dev_state_load(up->state.folder, old, err);
    bool runs = status == ANB_OK && dev_count_alive(old) > 0; /* else a machine that went down left it there */
    if (runs) up->state = *old;
    free(old);
    if (status != ANB_OK && status != ANB_NOT_FOUND) return status;
    if (runs) {
        status = revive(up, err);
        if (status == ANB_OK) status = await_seen(up, err);
        return status == ANB_OK ? print_result(up, err) : status;
    }
    status = make_folders(&up->state, err);
    if (status == ANB_OK) status = start_all(up, err);
    if (status == ANB_OK) status = await_seen(up, err);
    if (status == ANB_OK) return print_result(up, err);
    dev_nodes_end(&up->state, GRACE_MS);
    dev_state_remove(up->state.folder, true, NULL); /* the logs stay, to be read */
    return status;
}

static enum anb_status absolute_folder(char folder[DEV_PATH_BYTES], struct anb_error *err)
{
    enum anb_status status = file_make_folders(folder, err);
    if (status != ANB_OK) return status;
    char *whole = realpath(folder, NULL);
    if (!whole) return anb_fail(err, ANB_IO, "cannot find the folder %s", folder);
    if (snprintf(folder, DEV_PATH_BYTES, "%s", whole) >= DEV_PATH_BYTES - 128)
        status = anb_fail(err, ANB_INVALID, "path of the folder too long");
    free(whole);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct up *up = calloc(1, sizeof *up);
    int lock_fd = -1;
    (void)operands;
    if (!up) return anb_fail(err, ANB_NO_MEMORY, "no memory");
    up->settings = context;
    enum anb_status status = name_check("project", up->settings->project, err);
    if (status == ANB_OK) status = dev_folder(up->settings->folder, up->state.folder, err);
    if (status == ANB_OK) status = absolute_folder(up->state.folder, err);
    if (status == ANB_OK) status = dev_lock(up->state.folder, &lock_fd, err);
    if (status == ANB_OK) {
        snprintf(up->state.project, sizeof up->state.project, "%s", up->settings->project);
        status = bring_up(up, err);
    }
    if (lock_fd >= 0) close(lock_fd);
    free(up);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("dev up", "", "start a whole federation on this machine, in the background", entries);
const struct cli_verb verb_dev_up = {&options, sizeof(struct settings), 0, run};
