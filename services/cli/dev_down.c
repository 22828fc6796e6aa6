#include "cli/cli.h"
#include "cli/contexts.h"
#include "cli/dev.h"

#include <unistd.h>

struct settings {
    struct cli_common common;
    char *folder;
    bool keep_data;
    int64_t grace_s;
};

static const struct option_entry entries[] = {
    CLI_JSON_ENTRY(struct settings),
    OPTION_OPTIONAL_ENTRY(struct settings, folder, "folder",
                          "where dev up put everything; else ~/.local/state/anabranch/dev"),
    OPTION_BOOL_ENTRY(struct settings, keep_data, "keep-data", "leave models, work folders and logs"),
    OPTION_INT_ENTRY(struct settings, grace_s, "grace", "10", 0, 3600, "s",
                     "how long a process may take to end by itself"),
};

static enum anb_status stop_all(const struct settings *settings, const char *folder, struct anb_error *err)
{
    struct dev_state state;
    enum anb_status status = dev_state_load(folder, &state, err);
    if (status == ANB_NOT_FOUND) {
        printf(settings->common.json ? "{\"stopped\": 0, \"killed\": 0}\n" : "no federation is running here\n");
        return ANB_OK;
    }
    if (status != ANB_OK) return status;
    size_t alive = dev_count_alive(&state), killed = dev_nodes_end(&state, settings->grace_s * 1000);
    bool was_logged_in;
    if (*state.server) context_remove(state.server, &was_logged_in, NULL);
    status = dev_state_remove(folder, settings->keep_data, err);
    if (status != ANB_OK) return status;
    if (settings->common.json)
        printf("{\"stopped\": %zu, \"killed\": %zu}\n", alive, killed);
    else
        printf("%zu processes ended%s%s\n", alive, killed > 0 ? ", some by force" : "",
               settings->keep_data ? "; data and logs stay" : "");
    return ANB_OK;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    char folder[DEV_PATH_BYTES];
    int lock_fd = -1;
    (void)operands;
    enum anb_status status = dev_folder(settings->folder, folder, err);
    if (status != ANB_OK) return status;
    /* Where there is no folder, nothing was started. */
    if (access(folder, F_OK) == 0) status = dev_lock(folder, &lock_fd, err);
    if (status == ANB_OK) status = stop_all(settings, folder, err);
    if (lock_fd >= 0) close(lock_fd);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("dev down", "", "stop the federation that dev up started, and remove its files", entries);
const struct cli_verb verb_dev_down = {&options, sizeof(struct settings), 0, run};
