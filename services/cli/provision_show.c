#include "cli/cli.h"
#include "cli/provision.h"
#include "cli/table.h"
#include "crypto/digest.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DATE_BYTES = 24, ROLES_BYTES = 64, SOON_DAYS = 30, DAY_S = 86400 };

struct settings {
    char *folder;
    struct {
        bool json;
    } common;
};

static const struct option_entry entries[] = {
    OPTION_TEXT_ENTRY(struct settings, folder, "folder", ".", "the project's folder"),
    CLI_JSON_ENTRY(struct settings),
};

struct row {
    const struct roster_member *member;
    char roles[ROLES_BYTES], until[DATE_BYTES], fingerprint[DIGEST_TEXT_BYTES];
    const char *state; /* "ok", "expires soon", or what is wrong with it */
    enum table_colour colour;
    struct anb_error why;
};

static void write_date(int64_t seconds, char text[DATE_BYTES])
{
    struct tm parts;
    time_t when = (time_t)seconds;
    if (!gmtime_r(&when, &parts) || strftime(text, DATE_BYTES, "%Y-%m-%d", &parts) == 0)
        snprintf(text, DATE_BYTES, "-");
}

static void write_roles(const struct roster_member *member, char text[ROLES_BYTES])
{
    size_t used = 0;
    *text = 0;
    for (int i = 0; i < ROSTER_N_ROLES && used < ROLES_BYTES; i++)
        if (roster_has_role(member, (enum roster_role)i))
            used += (size_t)snprintf(text + used, ROLES_BYTES - used, "%s%s", used ? "," : "",
                                     roster_role_word((enum roster_role)i));
}

static enum anb_status read_times(const struct roster_member *member, struct row *row, int64_t *until_s,
                                  struct anb_error *err)
{
    struct digest digest;
    struct certificate *certificate = NULL;
    struct certificate_times times = {0, 0};
    const struct slice der = slice_of(member->certificate, member->certificate_bytes);
    enum anb_status status = certificate_read_der(der, member->name, &certificate, err);
    if (status == ANB_OK) status = certificate_times(certificate, &times, err);
    if (status == ANB_OK) status = digest_of(der, &digest, err);
    certificate_free(certificate);
    if (status != ANB_OK) return status;
    digest_text(&digest, row->fingerprint);
    write_date(times.until_s, row->until);
    *until_s = times.until_s;
    return ANB_OK;
}

static void describe(const struct provision *provision, const struct roster_member *member, struct row *row)
{
    int64_t until_s = 0;
    struct certificate *certificate = NULL;
    *row = (struct row){.member = member, .until = "-", .fingerprint = "-", .state = "ok", .colour = TABLE_GREEN};
    write_roles(member, row->roles);
    enum anb_status status = read_times(member, row, &until_s, &row->why);
    if (status == ANB_OK)
        status =
            roster_certificate(provision->roster, member, provision->root, provision->now_s, &certificate, &row->why);
    certificate_free(certificate);
    if (status != ANB_OK) {
        row->state = row->why.text;
        row->colour = TABLE_RED;
    } else if (until_s < provision->now_s + SOON_DAYS * DAY_S) {
        row->state = "expires soon";
        row->colour = TABLE_YELLOW;
    }
}

static enum anb_status print_table(const struct provision *provision, struct anb_error *err)
{
    static const char *const headings[] = {"name", "kind", "roles", "certificate until", "fingerprint", "state"};
    struct table table;
    const struct roster *roster = provision->roster;
    printf("project %s, roster version %lld\n", roster->project, (long long)roster->version);
    table_init(&table);
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++) table_column(&table, TABLE_LEFT, headings[i]);
    for (size_t i = 0; i < roster->n_members; i++) {
        struct row row;
        describe(provision, roster->members[i], &row);
        table_cell(&table, "%s", row.member->name);
        table_cell(&table, "%s", row.member->kind == CERTIFICATE_NODE ? "node" : "user");
        table_cell(&table, "%s", row.roles);
        table_cell(&table, "%s", row.until);
        table_cell(&table, "%.16s", row.fingerprint);
        table_cell_coloured(&table, row.colour, row.state);
    }
    for (size_t i = 0; i < roster->n_revoked; i++) {
        table_cell(&table, "%s", roster->revoked[i].name);
        for (int column = 1; column < 5; column++) table_cell(&table, "-");
        table_cell(&table, "revoked by version %lld", (long long)roster->revoked[i].version);
    }
    enum anb_status status = table_print(&table, err);
    table_fini(&table);
    return status;
}

static enum anb_status print_json(const struct provision *provision, struct anb_error *err)
{
    struct doc *root = doc_new_map();
    doc_set_text(root, "project", provision->roster->project);
    doc_set_int(root, "version", provision->roster->version);
    struct doc *members = doc_set_list(root, "members"), *revoked = doc_set_list(root, "revoked");
    for (size_t i = 0; i < provision->roster->n_members; i++) {
        struct row row;
        struct doc *map = doc_add_map(members);
        describe(provision, provision->roster->members[i], &row);
        doc_set_text(map, "name", row.member->name);
        doc_set_text(map, "kind", row.member->kind == CERTIFICATE_NODE ? "node" : "user");
        doc_set_text(map, "roles", row.roles);
        doc_set_text(map, "certificate_until", row.until);
        doc_set_text(map, "fingerprint", row.fingerprint);
        doc_set_text(map, "state", row.state);
    }
    for (size_t i = 0; i < provision->roster->n_revoked; i++) {
        struct doc *map = doc_add_map(revoked);
        doc_set_text(map, "name", provision->roster->revoked[i].name);
        doc_set_int(map, "version", provision->roster->revoked[i].version);
    }
    enum anb_status status = cli_print_json(root, err);
    doc_free(root);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct provision provision;
    (void)operands;
    enum anb_status status = provision_open(settings->folder, &provision, err);
    if (status == ANB_OK) status = settings->common.json ? print_json(&provision, err) : print_table(&provision, err);
    provision_close(&provision);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("provision show", "", "who is in the project's roster, and until when", entries);
const struct cli_verb verb_provision_show = {&options, sizeof(struct settings), 0, run};
