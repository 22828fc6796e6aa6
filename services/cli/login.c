/* `login`, `logout`, `whoami`: who the user is to which server. A login is written down only when the server has
 * accepted it. */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/contexts.h"
#include "cli/rest.h"
#include "cli/server.h"
#include "crypto/key.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DATE_BYTES = 24 };

struct settings {
    char *token_file, *kit, *kit_passphrase_file, *ca;
    struct {
        bool json;
    } common;
};

static const struct option_entry entries[] = {
    OPTION_OPTIONAL_ENTRY(struct settings, kit, "kit",
                          "folder with the certificate and the key that anabranch provision made for you"),
    OPTION_OPTIONAL_ENTRY(struct settings, kit_passphrase_file, "kit-passphrase-file",
                          "the first line of this file decrypts the key in the kit, at each call"),
    OPTION_OPTIONAL_ENTRY(struct settings, token_file, "token-file",
                          "the first line of this file is your token, in place of a kit"),
    OPTION_OPTIONAL_ENTRY(
        struct settings, ca, "ca",
        "PEM file of who vouches for the server; else the kit's root.pem, else those of this machine"),
    CLI_JSON_ENTRY(struct settings),
};

struct session_settings {
    struct cli_common common;
};

static const struct option_entry session_entries[] = {CLI_COMMON_ENTRIES(struct session_settings)};

/* -- who the server says we are */

static void print_user(const struct doc *user, const char *server)
{
    char until[DATE_BYTES] = "";
    struct tm parts;
    time_t when = (time_t)(doc_int(doc_get(user, "expires_ms"), 0) / 1000);
    if (gmtime_r(&when, &parts)) strftime(until, sizeof until, "%Y-%m-%d %H:%M", &parts);
    printf("%s, %s, by %s until %s UTC at %s\n", doc_text(doc_get(user, "name"), "-"),
           doc_text(doc_get(user, "role"), "-"), doc_text(doc_get(user, "by"), "-"), until, server);
}

static enum anb_status ask_who(struct rest *rest, const char *server, bool json, struct anb_error *err)
{
    struct doc *body = NULL;
    enum anb_status status = rest_call(rest, "GET", "/v1/me", 0, &body, err);
    if (status == ANB_OK && json)
        status = cli_print_json(body, err);
    else if (status == ANB_OK)
        print_user(doc_get(body, "user"), server);
    doc_free(body);
    return status;
}

/* -- login */

/* Paths are remembered whole: later calls come from other folders. */
static enum anb_status keep_path(const char *path, char kept[CONTEXT_TEXT_BYTES], struct anb_error *err)
{
    char *whole = realpath(path, NULL);
    if (!whole) return anb_fail(err, ANB_NOT_FOUND, "there is no %s", path);
    bool fits = snprintf(kept, CONTEXT_TEXT_BYTES, "%s", whole) < CONTEXT_TEXT_BYTES;
    free(whole);
    return fits ? ANB_OK : anb_fail(err, ANB_INVALID, "path too long: %.200s", path);
}

static enum anb_status read_token(const char *file, char token[CONTEXT_TEXT_BYTES], struct anb_error *err)
{
    struct buf text;
    buf_init(&text, CONTEXT_TEXT_BYTES);
    enum anb_status status = buf_reserve(&text, CONTEXT_TEXT_BYTES, err);
    if (status == ANB_OK) status = file_read(file, &text, err);
    if (status == ANB_OK) {
        size_t length = strcspn(buf_text(&text), "\r\n");
        snprintf(token, CONTEXT_TEXT_BYTES, "%.*s", (int)length, buf_text(&text));
        if (!*token)
            status = anb_fail(err, ANB_INVALID, "%s: its first line is the token, and must not be empty", file);
    }
    key_fini_buf(&text);
    return status;
}

static enum anb_status read_kit(const struct settings *settings, struct context *context, struct anb_error *err)
{
    char root[CONTEXT_TEXT_BYTES + 16];
    enum anb_status status = keep_path(settings->kit, context->kit, err);
    if (status == ANB_OK && settings->kit_passphrase_file)
        status = keep_path(settings->kit_passphrase_file, context->passphrase_file, err);
    if (status != ANB_OK || settings->ca) return status;
    snprintf(root, sizeof root, "%s/root.pem", context->kit);
    return keep_path(root, context->root, err);
}

static enum anb_status read_context(const struct settings *settings, const char *server, struct context *context,
                                    struct anb_error *err)
{
    if (!settings->kit == !settings->token_file)
        return anb_fail(err, ANB_INVALID, "give --kit FOLDER (of anabranch provision) or --token-file FILE");
    enum anb_status status = server_address(server, context->server, sizeof context->server, err);
    if (status == ANB_OK && settings->kit) status = read_kit(settings, context, err);
    if (status == ANB_OK && settings->token_file) status = read_token(settings->token_file, context->token, err);
    if (status == ANB_OK && settings->ca) status = keep_path(settings->ca, context->root, err);
    return status;
}

static enum anb_status run_login(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct context made = {.server = ""};
    struct rest *rest = NULL;
    enum anb_status status = read_context(settings, operands[0], &made, err);
    if (status == ANB_OK) status = rest_open_as(&made, &rest, err);
    if (status == ANB_OK) status = ask_who(rest, made.server, settings->common.json, err);
    if (status == ANB_OK) status = context_put(&made, true, err);
    rest_close(rest);
    key_wipe(&made, sizeof made);
    return status;
}

/* -- the others */

static enum anb_status choose(const char *given, char server[CONTEXT_TEXT_BYTES], struct anb_error *err)
{
    struct context current;
    if (given) return server_address(given, server, CONTEXT_TEXT_BYTES, err);
    enum anb_status status = context_find(NULL, &current, err);
    if (status != ANB_OK) return status;
    memcpy(server, current.server, CONTEXT_TEXT_BYTES);
    key_wipe(&current, sizeof current);
    return ANB_OK;
}

static enum anb_status run_logout(void *context, char **operands, struct anb_error *err)
{
    const struct cli_common *common = context;
    char server[CONTEXT_TEXT_BYTES];
    bool found = false;
    (void)operands;
    enum anb_status status = choose(common->server, server, err);
    if (status == ANB_OK) status = context_remove(server, &found, err);
    if (status != ANB_OK) return status;
    if (!found) return anb_fail(err, ANB_NOT_FOUND, "not logged in to %s", server);
    printf(common->json ? "{\"server\": \"%s\"}\n" : "logged out of %s; a token stays good until it is revoked\n",
           server);
    return ANB_OK;
}

static enum anb_status run_whoami(void *context, char **operands, struct anb_error *err)
{
    const struct cli_common *common = context;
    char server[CONTEXT_TEXT_BYTES];
    struct rest *rest = NULL;
    (void)operands;
    enum anb_status status = choose(common->server, server, err);
    if (status == ANB_OK) status = rest_open(server, &rest, err);
    if (status == ANB_OK) status = ask_who(rest, server, common->json, err);
    rest_close(rest);
    return status;
}

static const struct option_table login_options =
    CLI_OPTIONS("login", "URL", "show a server who you are, and remember it for the other verbs", entries);
const struct cli_verb verb_login = {&login_options, sizeof(struct settings), 1, run_login};

static const struct option_table logout_options = CLI_OPTIONS("logout", "", "forget a login", session_entries);
const struct cli_verb verb_logout = {&logout_options, sizeof(struct cli_common), 0, run_logout};

static const struct option_table whoami_options =
    CLI_OPTIONS("whoami", "", "who you are to the server, and how it knows", session_entries);
const struct cli_verb verb_whoami = {&whoami_options, sizeof(struct cli_common), 0, run_whoami};
