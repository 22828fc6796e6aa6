#include "cli/cli.h"
#include "cli/provision.h"

#include <stdio.h>

struct settings {
    char *folder, *passphrase_file, *roles, *kit_passphrase_file, *addresses;
};

static const struct option_entry entries[] = {
    PROVISION_ENTRIES(struct settings),
    OPTION_TEXT_ENTRY(
        struct settings, roles, "roles", NULL,
        "for a node server, aggregator, site (more than one: with commas); for a user admin, lead or member"),
    PROVISION_KIT_ENTRY(struct settings),
    PROVISION_ADDRESSES_ENTRY(struct settings),
};

static enum anb_status check_new(const struct roster *roster, const char *name, struct anb_error *err)
{
    if (!roster_find_any(roster, name)) return ANB_OK;
    return anb_fail(err, ANB_EXISTS, "%s is in the roster already: anabranch provision renew gives it new keys", name);
}

static enum anb_status add(struct provision *provision, const struct provision_member *member,
                           const struct settings *settings, struct anb_error *err)
{
    char *passphrase = NULL;
    struct provision_keys keys = {NULL, NULL};
    enum anb_status status = check_new(provision->roster, member->name, err);
    if (status == ANB_OK) status = provision_unlock(provision, settings->passphrase_file, err);
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
    struct provision_member member = {.roles = 0};
    enum anb_status status = name_check("name", operands[0], err);
    if (status == ANB_OK) status = provision_roles_parse(settings->roles, &member.kind, &member.roles, err);
    if (status == ANB_OK) status = provision_addresses_check(settings->addresses, err);
    if (status != ANB_OK) return status;
    snprintf(member.name, sizeof member.name, "%s", operands[0]);
    status = provision_open(settings->folder, &provision, err);
    provision.addresses = settings->addresses;
    if (status == ANB_OK) status = add(&provision, &member, settings, err);
    provision_close(&provision);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("provision add", "NAME", "add a node or a user: a new roster version and a kit", entries);
const struct cli_verb verb_provision_add = {&options, sizeof(struct settings), 1, run};
