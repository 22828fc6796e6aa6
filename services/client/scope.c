#include "scope.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

static const struct policy_scope *find(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->n_scopes; i++)
        if (strcmp(policy->scopes[i].name, name) == 0) return &policy->scopes[i];
    return NULL;
}

static enum anb_status choose(const struct policy *policy, const struct job_spec *spec, const char *data_folder,
                              struct scope *scope, struct anb_error *err)
{
    const char *name = spec->privacy_scope ? spec->privacy_scope : policy->default_scope;
    const struct policy_scope *found = name ? find(policy, name) : NULL;
    if (!found && (name || policy->n_scopes > 0))
        return anb_fail(err, ANB_DENIED, "the site's policy has no privacy scope \"%.64s\"", name ? name : "");
    if (!found) return ANB_OK;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/privacy", data_folder);
    if (snprintf(scope->ledger, sizeof scope->ledger, "%s/%s.ledger", folder, name) >= (int)sizeof scope->ledger)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", folder);
    snprintf(scope->name, sizeof scope->name, "%s", name);
    scope->chain = found->chain;
    return filter_chain_spends(scope->chain) ? file_make_folders(folder, err) : ANB_OK;
}

enum anb_status scope_open(const char *policy_file, const struct job_spec *spec, const char *data_folder,
                           struct scope *scope, struct anb_error *err)
{
    *scope = (struct scope){.policy = NULL};
    if (!policy_file) return ANB_OK;
    enum anb_status status = policy_read(policy_file, &scope->policy, err);
    if (status == ANB_OK) status = choose(scope->policy, spec, data_folder, scope, err);
    if (status != ANB_OK) scope_close(scope);
    return status;
}

void scope_close(struct scope *scope)
{
    policy_free(scope->policy);
    *scope = (struct scope){.policy = NULL};
}

enum anb_status scope_can_afford(const struct scope *scope, struct anb_error *err)
{
    struct ledger_entry last = {.round = -1};
    if (!filter_chain_spends(scope->chain)) return ANB_OK;
    enum anb_status status = ledger_last(scope->ledger, &last, err);
    if (status != ANB_OK && status != ANB_NOT_FOUND) return status;
    struct privacy_loss loss = filter_chain_loss(scope->chain, 0);
    return ledger_check(scope->ledger, &scope->chain->budget, &last.total, &loss, err);
}
