/* `roster publish`. */
#include "trust/roster.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/rest.h"

#include <stdio.h>

struct settings {
    struct cli_common common;
};

static const struct option_entry entries[] = {CLI_COMMON_ENTRIES(struct settings)};

static enum anb_status write_body(const char *path, struct buf *out, struct anb_error *err)
{
    struct buf text;
    struct doc *body = doc_new_map();
    buf_init(&text, ROSTER_MAX_BYTES);
    enum anb_status status = file_read(path, &text, err);
    doc_set_text(body, "roster", buf_text(&text));
    if (status == ANB_OK) status = doc_write_json(body, false, out, err);
    doc_free(body);
    buf_fini(&text);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct rest *rest = NULL;
    struct doc *body = NULL;
    struct buf json;
    buf_init(&json, 2 * ROSTER_MAX_BYTES);
    enum anb_status status = write_body(operands[0], &json, err);
    if (status == ANB_OK) status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = rest_post(rest, "/v1/roster", buf_text(&json), &body, err);
    if (status == ANB_OK && settings->common.json)
        status = cli_print_json(body, err);
    else if (status == ANB_OK)
        printf("roster version %lld is in force\n", (long long)doc_int(doc_get(doc_get(body, "roster"), "version"), 0));
    doc_free(body);
    buf_fini(&json);
    rest_close(rest);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("roster publish", "ROSTER",
                "bring a new version of the roster to all nodes, while they run: for an admin", entries);
const struct cli_verb verb_roster_publish = {&options, sizeof(struct settings), 1, run};
