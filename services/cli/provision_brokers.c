#include "base/file.h"
#include "cli/cli.h"
#include "cli/provision.h"

#include <errno.h>
#include <stdio.h>

struct settings {
    char *folder, *passphrase_file;
};

static const struct option_entry entries[] = {PROVISION_ENTRIES(struct settings)};

/* FOLDER/`part` makes room and keeps its files under another name; what stands in `beside` takes its place. */
static enum anb_status swap(const struct provision *provision, const char *beside, const char *part,
                            struct anb_error *err)
{
    char old[PROVISION_PATH_BYTES], kept[PROVISION_PATH_BYTES], made[PROVISION_PATH_BYTES], name[64];
    snprintf(name, sizeof name, "%s.until-%lld", part, (long long)provision->now_s);
    enum anb_status status = provision_path(provision->folder, part, old, err);
    if (status == ANB_OK) status = provision_path(provision->folder, name, kept, err);
    if (status == ANB_OK) status = provision_path(beside, part, made, err);
    if (status != ANB_OK) return status;
    if (rename(old, kept) != 0 && errno != ENOENT) return anb_fail_errno(err, errno, "cannot rename %s", old);
    return rename(made, old) == 0 ? ANB_OK : anb_fail_errno(err, errno, "cannot make %s", old);
}

/* All is made in a folder beside, for the places where it will be. */
static enum anb_status make(struct provision *provision, const char *beside, struct anb_error *err)
{
    struct provision aside = *provision;
    snprintf(aside.folder, sizeof aside.folder, "%s", beside);
    enum anb_status status = provision_brokers_write(&aside, err);
    if (status == ANB_OK) status = provision_acls_write(&aside, err);
    if (status == ANB_OK) status = swap(provision, beside, "brokers", err);
    return status == ANB_OK ? swap(provision, beside, "operator", err) : status;
}

static enum anb_status renew(struct provision *provision, const struct settings *settings, struct anb_error *err)
{
    char beside[PROVISION_PATH_BYTES], path[PROVISION_PATH_BYTES];
    if (!provision->project.broker_tls)
        return anb_fail(err, ANB_INVALID, "the brokers of project %s are without TLS (broker_protocol in project.yaml)",
                        provision->project.name);
    enum anb_status status = provision_unlock(provision, settings->passphrase_file, err);
    if (status == ANB_OK) status = provision_path(provision->folder, "new-brokers", path, err);
    if (status == ANB_OK) status = provision_folder_begin(path, beside, err);
    if (status != ANB_OK) return status;
    status = make(provision, beside, err);
    file_remove_folder(beside, NULL);
    if (status == ANB_OK)
        printf("%zu broker%s and the operator have new keys and certificates in %s\n", provision->project.n_brokers,
               provision->project.n_brokers == 1 ? "" : "s", provision->folder);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct provision provision;
    (void)operands;
    enum anb_status status = provision_open(settings->folder, &provision, err);
    if (status == ANB_OK) status = renew(&provision, settings, err);
    provision_close(&provision);
    return status;
}

static const struct option_table options = CLI_OPTIONS(
    "provision brokers", "", "new keys and certificates for the brokers that project.yaml names now", entries);
const struct cli_verb verb_provision_brokers = {&options, sizeof(struct settings), 0, run};
