/* `policy check`: what a site's policy says of a job folder, rule by rule, before anybody submits it. The same code
 * decides in the site's agent. */
#include "cli/cli.h"
#include "cli/job_folder.h"
#include "cli/table.h"
#include "policy/authorize.h"

struct settings {
    struct {
        bool json;
    } common;
    char *policy, *user, *role, *site;
};

static const struct option_entry entries[] = {
    OPTION_TEXT_ENTRY(struct settings, policy, "policy", NULL, "the site's policy file"),
    OPTION_TEXT_ENTRY(struct settings, user, "user", "somebody", "name of the user who would submit it"),
    OPTION_TEXT_ENTRY(struct settings, role, "role", "lead", "role of that user: admin, lead or member"),
    OPTION_TEXT_ENTRY(struct settings, site, "site", "site", "name of the site, for its authorization program"),
    CLI_JSON_ENTRY(struct settings),
};

/* All that a decision needs. */
struct question {
    struct policy *policy;
    struct job_folder folder;
    struct job_spec *spec;
    struct manifest *manifest;
    enum roster_role role;
};

static enum anb_status read_role(const char *word, enum roster_role *role, struct anb_error *err)
{
    if (roster_role_parse(word, role) && roster_role_kind(*role) == CERTIFICATE_USER) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "--role must be admin, lead or member, got \"%.40s\"", word);
}

static enum anb_status prepare(const struct settings *settings, const char *path, struct question *question,
                               struct anb_error *err)
{
    struct job_folder *folder = &question->folder;
    enum anb_status status = policy_read(settings->policy, &question->policy, err);
    if (status == ANB_OK) status = read_role(settings->role, &question->role, err);
    if (status == ANB_OK) status = job_folder_open(path, NULL, false, folder, err);
    if (status == ANB_OK)
        status = job_spec_parse(buf_slice(&folder->job_text), folder->job_file_name, &question->spec, err);
    if (status == ANB_OK) status = manifest_new("project", settings->user, "check", &question->manifest, err);
    if (status == ANB_OK)
        status = manifest_take_archive(question->manifest, folder->archive_fd, folder->archive_bytes, err);
    return status;
}

static enum anb_status print_findings(const struct policy_decision *decision, struct anb_error *err)
{
    struct table table;
    table_init(&table);
    table_column(&table, TABLE_LEFT, "RULE");
    table_column(&table, TABLE_LEFT, "SAYS");
    table_column(&table, TABLE_LEFT, "WHY");
    for (size_t i = 0; i < decision->n_findings; i++) {
        const struct policy_finding *finding = &decision->findings[i];
        table_cell(&table, "%s", policy_rule_word(finding->rule));
        table_cell_coloured(&table, finding->allowed ? TABLE_GREEN : TABLE_RED, finding->allowed ? "allow" : "deny");
        table_cell(&table, "%s", finding->text);
    }
    enum anb_status status = table_print(&table, err);
    table_fini(&table);
    return status;
}

static enum anb_status print_json(const struct policy_decision *decision, struct anb_error *err)
{
    const struct policy_finding *denial = policy_denial(decision);
    struct doc *root = doc_new_map();
    doc_set_text(root, "decision", denial ? "deny" : "allow");
    if (denial) doc_set_text(root, "rule", policy_rule_word(denial->rule));
    if (denial) doc_set_text(root, "reason", denial->text);
    struct doc *list = doc_set_list(root, "findings");
    for (size_t i = 0; i < decision->n_findings; i++) {
        const struct policy_finding *finding = &decision->findings[i];
        struct doc *map = doc_add_map(list);
        doc_set_text(map, "rule", policy_rule_word(finding->rule));
        doc_set_bool(map, "allowed", finding->allowed);
        doc_set_text(map, "text", finding->text);
    }
    enum anb_status status = cli_print_json(root, err);
    doc_free(root);
    return status;
}

static enum anb_status decide(const struct settings *settings, const struct question *question, struct anb_error *err)
{
    const struct policy_request request = {settings->user, question->role, question->spec, question->manifest};
    struct policy_decision decision = {.n_findings = 0};
    policy_decide(question->policy, &request, &decision);
    if (!policy_denial(&decision)) policy_authorize(question->policy, &request, settings->site, NULL, &decision);
    enum anb_status status = settings->common.json ? print_json(&decision, err) : print_findings(&decision, err);
    const struct policy_finding *denial = policy_denial(&decision);
    if (status != ANB_OK || !denial) return status;
    return anb_fail(err, ANB_DENIED, "%s denies: rule %s: %s", settings->policy, policy_rule_word(denial->rule),
                    denial->text);
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct question question = {.folder = {.archive_fd = -1, .model_fd = -1}};
    enum anb_status status = prepare(settings, operands[0], &question, err);
    if (status == ANB_OK) status = decide(settings, &question, err);
    manifest_free(question.manifest);
    job_spec_free(question.spec);
    job_folder_close(&question.folder);
    policy_free(question.policy);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("policy check", "DIR", "what a site's policy says of a job folder, rule by rule", entries);
const struct cli_verb verb_policy_check = {&options, sizeof(struct settings), 1, run};
