/* `health`: is the server there, and who leads. `version`: of this program; it asks nobody. */
#include "cli/cli.h"
#include "cli/rest.h"

struct settings {
    struct cli_common common;
};

static const struct option_entry entries[] = {CLI_COMMON_ENTRIES(struct settings)};
static const struct option_entry version_entries[] = {CLI_JSON_ENTRY(struct settings)};

static void print_health(const struct doc *body)
{
    const char *leader = doc_text(doc_get(body, "leader"), NULL);
    printf("%s: server %s (%s) of project %s, control offset %lld, ", doc_text(doc_get(body, "status"), "-"),
           doc_text(doc_get(body, "node"), "-"), doc_text(doc_get(body, "version"), "-"),
           doc_text(doc_get(body, "project"), "-"), (long long)doc_int(doc_get(body, "control_offset"), -1));
    if (doc_bool(doc_get(body, "leading"), false))
        printf("leads\n");
    else
        printf("follows %s\n", leader ? leader : "nobody yet");
}

static enum anb_status run_health(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct rest *rest = NULL;
    struct doc *body = NULL;
    (void)operands;
    enum anb_status status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = rest_call(rest, "GET", "/health", 0, &body, err);
    if (status == ANB_OK && settings->common.json)
        status = cli_print_json(body, err);
    else if (status == ANB_OK)
        print_health(body);
    doc_free(body);
    rest_close(rest);
    return status;
}

static enum anb_status run_version(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    (void)operands, (void)err;
    printf(settings->common.json ? "{\"version\": \"%s\"}\n" : "anabranch %s\n", ANB_VERSION);
    return ANB_OK;
}

static const struct option_table health_options =
    CLI_OPTIONS("health", "", "whether the server answers, and who leads", entries);
const struct cli_verb verb_health = {&health_options, sizeof(struct settings), 0, run_health};

static const struct option_table version_options =
    CLI_OPTIONS("version", "", "the version of this program", version_entries);
const struct cli_verb verb_version = {&version_options, sizeof(struct settings), 0, run_version};
