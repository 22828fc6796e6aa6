#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/provision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOT_YEARS = 10, YEAR_S = 365 * 86400, HOUR_S = 3600, FILE_CEILING_BYTES = 1 << 20 };

struct settings {
    char *folder, *passphrase_file, *kit_passphrase_file;
};

static const struct option_entry entries[] = {
    OPTION_OPTIONAL_ENTRY(struct settings, folder, "folder",
                          "the project's folder, made anew; else named as the project"),
    OPTION_OPTIONAL_ENTRY(struct settings, passphrase_file, "passphrase-file",
                          "encrypt the root's key with the first line of this file"),
    OPTION_OPTIONAL_ENTRY(struct settings, kit_passphrase_file, "kit-passphrase-file",
                          "encrypt the keys in all kits with the first line of this file"),
};

static enum anb_status make_root(struct provision *provision, const char *passphrase_file, struct anb_error *err)
{
    char folder[PROVISION_PATH_BYTES], *passphrase = NULL;
    const struct certificate_times times = {provision->now_s - HOUR_S, provision->now_s + (int64_t)ROOT_YEARS * YEAR_S};
    enum anb_status status = passphrase_read(passphrase_file, &passphrase, err);
    if (status == ANB_OK) status = provision_path(provision->folder, "root", folder, err);
    if (status == ANB_OK) status = file_make_folders(folder, err);
    if (status == ANB_OK) status = key_make(&provision->root_key, err);
    if (status == ANB_OK)
        status = certificate_make_root(provision->root_key, provision->project.name, &times, &provision->root, err);
    if (status == ANB_OK) status = provision_write_key(folder, "root-key.pem", provision->root_key, passphrase, err);
    if (status == ANB_OK) status = provision_write_certificate(folder, "root.pem", provision->root, err);
    passphrase_free(passphrase);
    return status;
}

static enum anb_status write_kit(const struct provision *provision, const struct provision_member *member,
                                 const struct provision_keys *keys, const char *passphrase, struct anb_error *err)
{
    char part[NAME_MAX_BYTES + 16], path[PROVISION_PATH_BYTES];
    snprintf(part, sizeof part, "kits/%s", member->name);
    enum anb_status status = provision_path(provision->folder, part, path, err);
    if (status == ANB_OK) status = provision_kit_write(provision, member->name, keys, passphrase, path, err);
    return status;
}

/* All are enrolled before the first kit is written: each kit holds the whole roster. */
static enum anb_status make_members(struct provision *provision, struct provision_keys *keys, const char *passphrase,
                                    struct anb_error *err)
{
    const struct provision_project *project = &provision->project;
    enum anb_status status = roster_new(project->name, &provision->roster, err);
    for (size_t i = 0; i < project->n_members && status == ANB_OK; i++) {
        status = provision_keys_make(project->members[i].kind, &keys[i], err);
        if (status == ANB_OK) status = provision_enrol(provision, &project->members[i], &keys[i], err);
    }
    if (status == ANB_OK) status = provision_brokers_write(provision, err);
    if (status == ANB_OK) status = provision_publish(provision, err);
    for (size_t i = 0; i < project->n_members && status == ANB_OK; i++)
        status = write_kit(provision, &project->members[i], &keys[i], passphrase, err);
    return status;
}

static enum anb_status fill(struct provision *provision, const struct provision_wish *wish, struct slice text,
                            struct anb_error *err)
{
    char *passphrase = NULL;
    struct provision_keys *keys = calloc(provision->project.n_members + 1, sizeof *keys);
    if (!keys) return anb_fail(err, ANB_NO_MEMORY, "no memory");
    enum anb_status status = passphrase_read(wish->kit_passphrase_file, &passphrase, err);
    if (status == ANB_OK) status = provision_write(provision->folder, "project.yaml", text, err);
    if (status == ANB_OK) status = make_root(provision, wish->passphrase_file, err);
    if (status == ANB_OK) status = make_members(provision, keys, passphrase, err);
    for (size_t i = 0; i < provision->project.n_members; i++) provision_keys_fini(&keys[i]);
    free(keys);
    passphrase_free(passphrase);
    return status;
}

/* The path stands in properties files, where a backslash and a line end mean something. */
static bool is_plain(const char *path)
{
    for (; *path; path++)
        if ((unsigned char)*path < ' ' || *path == '\\' || *path == 0x7f) return false;
    return true;
}

static enum anb_status absolute(const char *folder, char place[PROVISION_PATH_BYTES], struct anb_error *err)
{
    char *here = *folder == '/' ? strdup("") : realpath(".", NULL);
    if (!here) return anb_fail(err, ANB_IO, "cannot find the working folder");
    int length = snprintf(place, PROVISION_PATH_BYTES, "%s%s%s", here, *here ? "/" : "", folder);
    free(here);
    if (!is_plain(place)) return anb_fail(err, ANB_INVALID, "the folder's path has a character that Kafka cannot read");
    /* room for the names below it */
    return length < PROVISION_PATH_BYTES - 160 ? ANB_OK : anb_fail(err, ANB_INVALID, "path of the folder too long");
}

static enum anb_status make(struct provision *provision, const struct provision_wish *wish, struct slice text,
                            struct anb_error *err)
{
    const char *folder = wish->folder ? wish->folder : provision->project.name;
    enum anb_status status = absolute(folder, provision->place, err);
    if (status == ANB_OK) status = provision_folder_begin(provision->place, provision->folder, err);
    if (status != ANB_OK) return status;
    status = fill(provision, wish, text, err);
    return provision_folder_finish(provision->folder, provision->place, status, err);
}

enum anb_status provision_create(struct slice text, const char *file, const struct provision_wish *wish,
                                 struct provision *provision, struct anb_error *err)
{
    *provision = (struct provision){.lock_fd = -1, .now_s = clock_wall_ms() / 1000};
    enum anb_status status = provision_project_parse(text, file, &provision->project, err);
    return status == ANB_OK ? make(provision, wish, text, err) : status;
}

/* -- the verb */

static void print_result(const struct provision *provision, const struct settings *settings)
{
    const struct provision_project *project = &provision->project;
    printf("project %s: %zu nodes and users, %zu broker%s%s in %s\n", project->name, project->n_members,
           project->n_brokers, project->n_brokers == 1 ? "" : "s", project->broker_tls ? "" : " without TLS",
           provision->place);
    fflush(stdout);
    fprintf(stderr,
            "next: give each its folder of kits/%s over a safe way, then take %s off line: root/root-key.pem is the "
            "project%s\n",
            project->broker_tls ? " and brokers/" : "", provision->place,
            settings->passphrase_file ? "" : ", and it is not encrypted");
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    const struct provision_wish wish = {settings->folder, settings->passphrase_file, settings->kit_passphrase_file};
    struct provision provision = {.lock_fd = -1};
    struct buf text;
    buf_init(&text, FILE_CEILING_BYTES);
    enum anb_status status = file_read(operands[0], &text, err);
    if (status == ANB_OK) status = provision_create(buf_slice(&text), operands[0], &wish, &provision, err);
    if (status == ANB_OK) print_result(&provision, settings);
    provision_close(&provision);
    buf_fini(&text);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("provision create", "PROJECT.yaml",
                "make a project: root, roster, a kit for each node, identities of brokers", entries);
const struct cli_verb verb_provision_create = {&options, sizeof(struct settings), 1, run};
