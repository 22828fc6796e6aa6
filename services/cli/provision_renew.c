#include "cli/cli.h"
#include "cli/provision.h"

#include <stdio.h>

struct settings {
    char *folder, *passphrase_file, *kit_passphrase_file, *addresses;
};

static const struct option_entry entries[] = {
    PROVISION_ENTRIES(struct settings),
    PROVISION_KIT_ENTRY(struct settings),
    PROVISION_ADDRESSES_ENTRY(struct settings),
};

static enum anb_status renew(struct provision *provision, const struct provision_member *member,
                             const struct settings *settings, struct anb_error *err)
{
    char *passphrase = NULL;
    struct provision_keys keys = {NULL, NULL};
    enum anb_status status = provision_unlock(provision, settings->passphrase_file, err);
    if (status == ANB_OK) status = passphrase_read(settings->kit_passphrase_file, &passphrase, err);
    if (status == ANB_OK) status = provision_keys_make(member->kind, &keys, err);
    if (status == ANB_OK) status = provision_enrol(provision, member, &keys, err);
    if (status == ANB_OK) status = provision_hand_out(provision, member->name, &keys, passphrase, err);
    provision_keys_fini(&keys);
    passphrase_free(passphrase);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct provision provision;
    enum anb_status status = provision_open(settings->folder, &provision, err);
    provision.addresses = settings->addresses;
    if (status == ANB_OK) status = provision_addresses_check(settings->addresses, err);
    const struct roster_member *found = status == ANB_OK ? roster_find_any(provision.roster, operands[0]) : NULL;
    if (status == ANB_OK && !found)
        status = anb_fail(err, ANB_NOT_FOUND, "no node or user of project %s is called \"%.64s\"",
                          provision.project.name, operands[0]);
    if (status == ANB_OK) {
        struct provision_member member = {.kind = found->kind, .roles = found->roles};
        snprintf(member.name, sizeof member.name, "%s", found->name);
        status = renew(&provision, &member, settings, err);
    }
    provision_close(&provision);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("provision renew", "NAME",
                "give a node or a user new keys and a new certificate: a new roster version and a kit", entries);
const struct cli_verb verb_provision_renew = {&options, sizeof(struct settings), 1, run};
