/* `site list` and `aggregator list`: the same table from two lists. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/format.h"
#include "cli/rest.h"
#include "cli/table.h"

#include <string.h>

struct settings {
    struct cli_common common;
};

static const struct option_entry entries[] = {CLI_COMMON_ENTRIES(struct settings)};

static void add_row(struct table *table, const struct doc *node)
{
    char seen[FORMAT_BYTES];
    int64_t seen_ms = doc_int(doc_get(node, "last_seen_ms"), 0);
    bool up = doc_bool(doc_get(node, "up"), false), alive = doc_bool(doc_get(node, "alive"), false);
    table_cell(table, "%s", doc_text(doc_get(node, "name"), "-"));
    table_cell_coloured(table, alive ? TABLE_GREEN : TABLE_RED, alive ? "alive" : up ? "silent" : "down");
    table_cell(table, "%s", doc_text(doc_get(node, "activity"), "-"));
    table_cell(table, "%s", seen_ms > 0 ? format_duration(clock_wall_ms() - seen_ms, seen) : "never");
    table_cell(table, "%s", doc_text(doc_get(node, "version"), "-"));
}

static enum anb_status print_nodes(const struct doc *nodes, const char *none, struct anb_error *err)
{
    struct table table;
    if (doc_size(nodes) == 0) {
        printf("%s\n", none);
        return ANB_OK;
    }
    table_init(&table);
    table_column(&table, TABLE_LEFT, "name");
    table_column(&table, TABLE_LEFT, "state");
    table_column(&table, TABLE_LEFT, "activity");
    table_column(&table, TABLE_RIGHT, "last seen");
    table_column(&table, TABLE_LEFT, "version");
    for (size_t i = 0; i < doc_size(nodes); i++) add_row(&table, doc_at(nodes, i));
    enum anb_status status = table_print(&table, err);
    table_fini(&table);
    return status;
}

static enum anb_status list(const struct settings *settings, const char *word, const char *none, struct anb_error *err)
{
    char path[32];
    struct rest *rest = NULL;
    struct doc *body = NULL;
    snprintf(path, sizeof path, "/v1/%s", word);
    enum anb_status status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = rest_call(rest, "GET", path, 0, &body, err);
    if (status == ANB_OK)
        status = settings->common.json ? cli_print_json(body, err) : print_nodes(doc_get(body, word), none, err);
    doc_free(body);
    rest_close(rest);
    return status;
}

static enum anb_status run_sites(void *settings, char **operands, struct anb_error *err)
{
    (void)operands;
    return list(settings, "sites", "no site has come up yet: anabranch-client joins one", err);
}

static enum anb_status run_aggregators(void *settings, char **operands, struct anb_error *err)
{
    (void)operands;
    return list(settings, "aggregators", "no aggregator has come up yet: anabranch-aggregator joins one", err);
}

static const struct option_table site_options = CLI_OPTIONS("site list", "", "list the sites", entries);
const struct cli_verb verb_site_list = {&site_options, sizeof(struct settings), 0, run_sites};

static const struct option_table aggregator_options =
    CLI_OPTIONS("aggregator list", "", "list the aggregators", entries);
const struct cli_verb verb_aggregator_list = {&aggregator_options, sizeof(struct settings), 0, run_aggregators};
