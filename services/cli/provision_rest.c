/* What a server shows to its users over TLS: a key for this alone, and a certificate for the names by which they reach
 * it. This machine's own names are always among them. */
#include "cli/provision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400, HOUR_S = 3600, ADDRESSES_BYTES = CERTIFICATE_MAX_HOSTS * (HOST_MAX_BYTES + 1) };

static const char *const local_names[] = {"localhost", "127.0.0.1", "::1"};
enum { N_LOCAL_NAMES = sizeof local_names / sizeof *local_names };

struct hosts {
    char text[ADDRESSES_BYTES];
    const char *names[CERTIFICATE_MAX_HOSTS];
    size_t count;
};

static bool is_host(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:";
    size_t length = strlen(word);
    return length > 0 && length <= HOST_MAX_BYTES && strspn(word, plain) == length;
}

static enum anb_status split(const char *addresses, struct hosts *hosts, struct anb_error *err)
{
    char *rest = hosts->text;
    hosts->count = 0;
    for (size_t i = 0; i < N_LOCAL_NAMES; i++) hosts->names[hosts->count++] = local_names[i];
    if (!addresses) return ANB_OK;
    if (snprintf(hosts->text, sizeof hosts->text, "%s", addresses) >= (int)sizeof hosts->text)
        return anb_fail(err, ANB_INVALID, "too many addresses");
    while (rest) {
        const char *word = strsep(&rest, ",");
        if (!is_host(word))
            return anb_fail(err, ANB_INVALID, "address \"%.64s\" is no host name or IP address (without a port)", word);
        if (hosts->count == CERTIFICATE_MAX_HOSTS)
            return anb_fail(err, ANB_INVALID, "a server has at most %d addresses",
                            CERTIFICATE_MAX_HOSTS - N_LOCAL_NAMES);
        hosts->names[hosts->count++] = word;
    }
    return ANB_OK;
}

enum anb_status provision_addresses_check(const char *addresses, struct anb_error *err)
{
    struct hosts hosts;
    return split(addresses, &hosts, err);
}

/* Those of the command line, else those of the project file. */
static const char *addresses_of(const struct provision *provision, const char *name)
{
    const struct provision_project *project = &provision->project;
    if (provision->addresses) return provision->addresses;
    for (size_t i = 0; i < project->n_members; i++)
        if (strcmp(project->members[i].name, name) == 0) return project->members[i].addresses;
    return NULL;
}

static enum anb_status issue(const struct provision *provision, const char *name, const struct key *key,
                             struct certificate **certificate, struct anb_error *err)
{
    struct hosts hosts;
    enum anb_status status = split(addresses_of(provision, name), &hosts, err);
    if (status != ANB_OK) return status;
    const struct certificate_subject subject = {CERTIFICATE_REST, provision->project.name, name, hosts.names,
                                                hosts.count};
    const struct certificate_times times = {provision->now_s - HOUR_S,
                                            provision->now_s + provision->project.valid_days * DAY_S};
    return certificate_issue(provision->root, provision->root_key, &subject, key, &times, certificate, err);
}

enum anb_status provision_rest_write(const struct provision *provision, const char *name, const char *passphrase,
                                     const char *folder, struct anb_error *err)
{
    struct key *key = NULL;
    struct certificate *certificate = NULL;
    enum anb_status status = key_make(&key, err);
    if (status == ANB_OK) status = issue(provision, name, key, &certificate, err);
    if (status == ANB_OK) status = provision_write_key(folder, "rest-key.pem", key, passphrase, err);
    if (status == ANB_OK) status = provision_write_certificate(folder, "rest-certificate.pem", certificate, err);
    certificate_free(certificate);
    key_free(key);
    return status;
}
