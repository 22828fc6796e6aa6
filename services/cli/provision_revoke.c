#include "cli/cli.h"
#include "cli/provision.h"

#include <stdio.h>

struct settings {
    char *folder, *passphrase_file;
};

static const struct option_entry entries[] = {PROVISION_ENTRIES(struct settings)};

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct provision provision;
    enum anb_status status = provision_open(settings->folder, &provision, err);
    if (status == ANB_OK) status = provision_unlock(&provision, settings->passphrase_file, err);
    if (status == ANB_OK) status = roster_revoke(provision.roster, operands[0], err);
    if (status == ANB_OK) status = provision_publish(&provision, err);
    if (status == ANB_OK) {
        printf("roster version %lld: %s is revoked, for ever\n", (long long)provision.roster->version, operands[0]);
        fflush(stdout);
        fprintf(stderr, "next: sh %s/operator/acls.sh, so that the broker denies it, too\n", provision.folder);
    }
    provision_close(&provision);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("provision revoke", "NAME", "take a node or a user out, for ever: a new roster version", entries);
const struct cli_verb verb_provision_revoke = {&options, sizeof(struct settings), 1, run};
