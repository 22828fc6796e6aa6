/* What a policy says of one job. Every rule is asked and gives its finding, so that the owner of a job sees all that
 * stands against it at once; the first finding that denies is the one that counts. */
#include "policy/policy.h"

#include "base/utf8.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *policy_rule_word(enum policy_rule rule)
{
    static const char *const words[] = {
#define X(rule, word) word,
        POLICY_RULE_LIST(X)
#undef X
    };
    return words[rule];
}

void policy_find(struct policy_decision *decision, enum policy_rule rule, bool allowed, const char *format, ...)
{
    if (decision->n_findings >= POLICY_N_RULES) return; /* each rule finds once */
    struct policy_finding *finding = &decision->findings[decision->n_findings++];
    va_list values;
    finding->rule = rule;
    finding->allowed = allowed;
    va_start(values, format);
    vsnprintf(finding->text, sizeof finding->text, format, values);
    va_end(values);
    utf8_repair(finding->text); /* cut in the middle of a character, perhaps */
    for (char *c = finding->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
}

const struct policy_finding *policy_denial(const struct policy_decision *decision)
{
    static const struct policy_finding nothing = {POLICY_RULE_FILE, false, "no rule was asked"};
    for (size_t i = 0; i < decision->n_findings; i++)
        if (!decision->findings[i].allowed) return &decision->findings[i];
    return decision->n_findings > 0 ? NULL : &nothing;
}

static bool contains(const char *const *words, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0) return true;
    return false;
}

static void ask_submitters(const struct policy *policy, const struct policy_request *request,
                           struct policy_decision *decision)
{
    const char *role = roster_role_word(request->role);
    if (contains(policy->users, policy->n_users, request->user))
        policy_find(decision, POLICY_RULE_SUBMITTERS, true, "%s is one of its users", request->user);
    else if (policy->roles >> request->role & 1)
        policy_find(decision, POLICY_RULE_SUBMITTERS, true, "%s has the role %s", request->user, role);
    else
        policy_find(decision, POLICY_RULE_SUBMITTERS, false,
                    "%s (role %s) is not one of its users and has none of its roles", request->user, role);
}

static void ask_cohort(const struct policy *policy, const struct policy_request *request,
                       struct policy_decision *decision)
{
    int32_t quorum = request->spec->quorum;
    policy_find(decision, POLICY_RULE_COHORT, quorum >= policy->smallest_cohort,
                "the job makes a model of %d updates, this site joins at least %lld (round.quorum)", quorum,
                (long long)policy->smallest_cohort);
}

static void ask_folder(const struct policy *policy, const struct policy_request *request,
                       struct policy_decision *decision)
{
    const struct manifest *manifest = request->manifest;
    int64_t bytes = 0, most = policy->folder_mib << 20;
    for (size_t i = 0; i < manifest->n_files && bytes <= most; i++)
        bytes = manifest->files[i].bytes > most ? most + 1 : bytes + manifest->files[i].bytes;
    if ((int64_t)manifest->n_files > policy->folder_files)
        policy_find(decision, POLICY_RULE_FOLDER, false, "the job folder has %zu files, at most %lld are taken",
                    manifest->n_files, (long long)policy->folder_files);
    else
        policy_find(decision, POLICY_RULE_FOLDER, bytes <= most, "the job folder has %s %lld MiB",
                    bytes <= most ? "at most" : "more than", (long long)policy->folder_mib);
}

/* -- code */

static bool matches(const struct policy_command *command, const struct job_spec *spec)
{
    if (command->n_words != spec->n_command) return false;
    for (size_t i = 0; i < command->n_words; i++)
        if (fnmatch(command->words[i], spec->command[i], 0) != 0) return false;
    return true;
}

static bool command_is_listed(const struct policy *policy, const struct job_spec *spec)
{
    for (size_t i = 0; i < policy->n_commands; i++)
        if (matches(&policy->commands[i], spec)) return true;
    return false;
}

static bool is_job_file(const char *path)
{
    return strcmp(path, "job.yaml") == 0 || strcmp(path, "job.json") == 0;
}

static bool digest_is_listed(const struct policy *policy, const struct digest *digest)
{
    for (size_t i = 0; i < policy->n_digests; i++)
        if (digest_equal(&policy->digests[i], digest)) return true;
    return false;
}

/* The first file that is not listed; NULL: all are. */
static const struct manifest_file *unlisted_file(const struct policy *policy, const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->n_files; i++) {
        const struct manifest_file *file = &manifest->files[i];
        if (!is_job_file(file->path) && !digest_is_listed(policy, &file->digest)) return file;
    }
    return NULL;
}

static const char *unlisted_variable(const struct policy *policy, const struct job_spec *spec)
{
    for (size_t i = 0; i < spec->n_environment; i++)
        if (!contains(policy->environment, policy->n_environment, spec->environment[i].name))
            return spec->environment[i].name;
    return NULL;
}

static void ask_listed(const struct policy *policy, const struct policy_request *request,
                       struct policy_decision *decision)
{
    const struct manifest_file *file = unlisted_file(policy, request->manifest);
    const char *variable = unlisted_variable(policy, request->spec);
    char digest[DIGEST_TEXT_BYTES];
    if (!command_is_listed(policy, request->spec))
        policy_find(decision, POLICY_RULE_CODE, false,
                    "the command (\"%.100s\", %zu words) is not one of code.commands", request->spec->command[0],
                    request->spec->n_command);
    else if (file)
        policy_find(decision, POLICY_RULE_CODE, false, "the file %.120s is not in code.digests: %s", file->path,
                    digest_text(&file->digest, digest));
    else if (variable)
        policy_find(decision, POLICY_RULE_CODE, false, "the variable %.100s is not in code.environment", variable);
    else
        policy_find(decision, POLICY_RULE_CODE, true, "the command, its variables and all files are listed");
}

static void ask_code(const struct policy *policy, const struct policy_request *request,
                     struct policy_decision *decision)
{
    switch (policy->code) {
    case POLICY_CODE_NONE:
        policy_find(decision, POLICY_RULE_CODE, false, "no program or code of a job may run here (code.allow)");
        break;
    case POLICY_CODE_LISTED: ask_listed(policy, request, decision); break;
    case POLICY_CODE_ANY: policy_find(decision, POLICY_RULE_CODE, true, "any program and code may run"); break;
    }
}

/* -- privacy */

static void ask_privacy(const struct policy *policy, const struct policy_request *request,
                        struct policy_decision *decision)
{
    const char *named = request->spec->privacy_scope, *name = named ? named : policy->default_scope;
    for (size_t i = 0; name && i < policy->n_scopes; i++)
        if (strcmp(policy->scopes[i].name, name) == 0) decision->scope = &policy->scopes[i];
    if (decision->scope)
        policy_find(decision, POLICY_RULE_PRIVACY, true, "scope %s", name);
    else if (name)
        policy_find(decision, POLICY_RULE_PRIVACY, false, "there is no scope \"%.64s\"", name);
    else if (policy->n_scopes > 0)
        policy_find(decision, POLICY_RULE_PRIVACY, false,
                    "the job names no scope (privacy.scope), and there is no default");
    else
        policy_find(decision, POLICY_RULE_PRIVACY, true, "there are no scopes");
}

void policy_decide(const struct policy *policy, const struct policy_request *request, struct policy_decision *decision)
{
    ask_submitters(policy, request, decision);
    ask_cohort(policy, request, decision);
    ask_folder(policy, request, decision);
    ask_code(policy, request, decision);
    ask_privacy(policy, request, decision);
}
