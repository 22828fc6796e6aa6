/* `token create`, `token list`, `token revoke`. */
#include "cli/cli.h"
#include "cli/rest.h"
#include "cli/table.h"

#include <string.h>
#include <time.h>

enum { DATE_BYTES = 24, PATH_BYTES = 64, ID_DIGITS = 16 };

struct create_settings {
    struct cli_common common;
    char *name, *role;
    int64_t days;
};

static const struct option_entry create_entries[] = {
    CLI_COMMON_ENTRIES(struct create_settings),
    OPTION_OPTIONAL_ENTRY(struct create_settings, name, "name",
                          "who the token stands for; else you. An admin gives a name that is not in the roster"),
    OPTION_OPTIONAL_ENTRY(struct create_settings, role, "role",
                          "monitor (reads metrics, no more), member, lead or admin; else your own"),
    OPTION_INT_ENTRY(struct create_settings, days, "days", "30", 1, 365, "", "how long it is good"),
};

struct settings {
    struct cli_common common;
};

static const struct option_entry entries[] = {CLI_COMMON_ENTRIES(struct settings)};

/* -- create */

static enum anb_status write_wish(const struct create_settings *settings, struct buf *out, struct anb_error *err)
{
    struct doc *wish = doc_new_map();
    if (settings->name) doc_set_text(wish, "name", settings->name);
    if (settings->role) doc_set_text(wish, "role", settings->role);
    doc_set_int(wish, "days", settings->days);
    enum anb_status status = doc_write_json(wish, false, out, err);
    doc_free(wish);
    return status;
}

/* Only the token on standard output, so that it can go into a file. */
static void print_secret(const struct doc *body)
{
    const struct doc *token = doc_get(body, "token");
    printf("%s\n", doc_text(doc_get(body, "secret"), ""));
    fflush(stdout);
    fprintf(stderr,
            "token %s for %s, %s: it is shown this once. next: anabranch login URL --token-file FILE; "
            "anabranch token revoke %s\n",
            doc_text(doc_get(token, "id"), "-"), doc_text(doc_get(token, "name"), "-"),
            doc_text(doc_get(token, "role"), "-"), doc_text(doc_get(token, "id"), "-"));
}

static enum anb_status run_create(void *context, char **operands, struct anb_error *err)
{
    const struct create_settings *settings = context;
    struct rest *rest = NULL;
    struct doc *body = NULL;
    struct buf wish;
    (void)operands;
    buf_init(&wish, 4096);
    enum anb_status status = write_wish(settings, &wish, err);
    if (status == ANB_OK) status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = rest_post(rest, "/v1/tokens", buf_text(&wish), &body, err);
    if (status == ANB_OK && settings->common.json)
        status = cli_print_json(body, err);
    else if (status == ANB_OK)
        print_secret(body);
    doc_free(body);
    buf_fini(&wish);
    rest_close(rest);
    return status;
}

/* -- list */

static void add_row(struct table *table, const struct doc *token)
{
    char until[DATE_BYTES] = "";
    struct tm parts;
    int64_t expires_ms = doc_int(doc_get(token, "expires_ms"), 0);
    time_t when = (time_t)(expires_ms / 1000);
    if (gmtime_r(&when, &parts)) strftime(until, sizeof until, "%Y-%m-%d %H:%M", &parts);
    table_cell(table, "%s", doc_text(doc_get(token, "id"), "-"));
    table_cell(table, "%s", doc_text(doc_get(token, "name"), "-"));
    table_cell(table, "%s", doc_text(doc_get(token, "role"), "-"));
    table_cell(table, "%s", doc_text(doc_get(token, "creator"), "-"));
    if (when > time(NULL))
        table_cell(table, "%s", until);
    else
        table_cell_coloured(table, TABLE_RED, "expired");
}

static enum anb_status print_tokens(const struct doc *tokens, struct anb_error *err)
{
    static const char *const headings[] = {"id", "name", "role", "made by", "until (UTC)"};
    struct table table;
    if (doc_size(tokens) == 0) {
        printf("no tokens: anabranch token create makes one\n");
        return ANB_OK;
    }
    table_init(&table);
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++) table_column(&table, TABLE_LEFT, headings[i]);
    for (size_t i = 0; i < doc_size(tokens); i++) add_row(&table, doc_at(tokens, i));
    enum anb_status status = table_print(&table, err);
    table_fini(&table);
    return status;
}

static enum anb_status run_list(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct rest *rest = NULL;
    struct doc *body = NULL;
    (void)operands;
    enum anb_status status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = rest_call(rest, "GET", "/v1/tokens", 0, &body, err);
    if (status == ANB_OK)
        status = settings->common.json ? cli_print_json(body, err) : print_tokens(doc_get(body, "tokens"), err);
    doc_free(body);
    rest_close(rest);
    return status;
}

/* -- revoke */

static enum anb_status run_revoke(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    char path[PATH_BYTES];
    const char *id = operands[0];
    struct rest *rest = NULL;
    if (strlen(id) != ID_DIGITS || strspn(id, "0123456789abcdef") != ID_DIGITS)
        return anb_fail(err, ANB_INVALID, "\"%.32s\" is no token's id: 16 digits, as in anabranch token list", id);
    snprintf(path, sizeof path, "/v1/tokens/%s", id);
    enum anb_status status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = rest_call(rest, "DELETE", path, 0, NULL, err);
    if (status == ANB_OK) printf(settings->common.json ? "{\"revoked\": \"%s\"}\n" : "token %s is revoked\n", id);
    rest_close(rest);
    return status;
}

static const struct option_table create_options =
    CLI_OPTIONS("token create", "", "make a token: what stands in for a certificate", create_entries);
const struct cli_verb verb_token_create = {&create_options, sizeof(struct create_settings), 0, run_create};

static const struct option_table list_options =
    CLI_OPTIONS("token list", "", "list your tokens; an admin sees all", entries);
const struct cli_verb verb_token_list = {&list_options, sizeof(struct settings), 0, run_list};

static const struct option_table revoke_options = CLI_OPTIONS("token revoke", "ID", "make a token worthless", entries);
const struct cli_verb verb_token_revoke = {&revoke_options, sizeof(struct settings), 1, run_revoke};
