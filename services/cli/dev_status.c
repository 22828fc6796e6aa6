#include "cli/cli.h"
#include "cli/dev.h"
#include "cli/table.h"

struct settings {
    struct cli_common common;
    char *folder;
};

static const struct option_entry entries[] = {
    CLI_JSON_ENTRY(struct settings),
    OPTION_OPTIONAL_ENTRY(struct settings, folder, "folder",
                          "where dev up put everything; else ~/.local/state/anabranch/dev"),
};

static void add_row(struct table *table, const struct dev_state *state, const struct dev_node *node)
{
    char log[DEV_PATH_BYTES] = "";
    bool up = dev_process_is_alive(&node->process);
    dev_path(state, "logs", node->name, ".log", log, NULL);
    table_cell(table, "%s", node->name);
    table_cell(table, "%s", node->role);
    table_cell(table, "%d", (int)node->process.pid);
    table_cell_coloured(table, up ? TABLE_GREEN : TABLE_RED, up ? "up" : "gone");
    table_cell(table, "%s", log);
}

static enum anb_status print_table(const struct dev_state *state, struct anb_error *err)
{
    struct table table;
    table_init(&table);
    table_column(&table, TABLE_LEFT, "name");
    table_column(&table, TABLE_LEFT, "role");
    table_column(&table, TABLE_RIGHT, "pid");
    table_column(&table, TABLE_LEFT, "state");
    table_column(&table, TABLE_LEFT, "log");
    for (size_t i = 0; i < state->n_nodes; i++) add_row(&table, state, &state->nodes[i]);
    printf("project %s, server %s, broker %s\n\n", state->project, *state->server ? state->server : "not ready",
           *state->bootstrap_servers ? state->bootstrap_servers : "not ready");
    enum anb_status status = table_print(&table, err);
    table_fini(&table);
    return status;
}

static enum anb_status print_json(const struct dev_state *state, struct anb_error *err)
{
    struct doc *root = doc_new_map();
    doc_set_bool(root, "running", dev_count_alive(state) > 0);
    doc_set_text(root, "project", state->project);
    doc_set_text(root, "server", state->server);
    doc_set_text(root, "bootstrap_servers", state->bootstrap_servers);
    doc_set_text(root, "folder", state->folder);
    struct doc *nodes = doc_set_list(root, "nodes");
    for (size_t i = 0; i < state->n_nodes; i++) {
        char log[DEV_PATH_BYTES] = "";
        const struct dev_node *node = &state->nodes[i];
        struct doc *map = doc_add_map(nodes);
        dev_path(state, "logs", node->name, ".log", log, NULL);
        doc_set_text(map, "name", node->name);
        doc_set_text(map, "role", node->role);
        doc_set_int(map, "pid", node->process.pid);
        doc_set_bool(map, "up", dev_process_is_alive(&node->process));
        doc_set_text(map, "log", log);
    }
    enum anb_status status = cli_print_json(root, err);
    doc_free(root);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct dev_state state = {.n_nodes = 0};
    char folder[DEV_PATH_BYTES];
    (void)operands;
    enum anb_status status = dev_folder(settings->folder, folder, err);
    if (status == ANB_OK) status = dev_state_load(folder, &state, err);
    if (status == ANB_NOT_FOUND) {
        snprintf(state.folder, sizeof state.folder, "%s", folder);
        if (settings->common.json) return print_json(&state, err);
        printf("no federation is running here: anabranch dev up starts one\n");
        return ANB_OK;
    }
    if (status != ANB_OK) return status;
    return settings->common.json ? print_json(&state, err) : print_table(&state, err);
}

static const struct option_table options =
    CLI_OPTIONS("dev status", "", "the processes of the federation that dev up started", entries);
const struct cli_verb verb_dev_status = {&options, sizeof(struct settings), 0, run};
