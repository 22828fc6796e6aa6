#include "base/file.h"
#include "cli/cli.h"
#include "cli/provision.h"
#include "crypto/digest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { REQUEST_CEILING_BYTES = 65536 };

struct settings {
    char *folder, *passphrase_file, *fingerprint;
    bool replace;
};

static const struct option_entry entries[] = {
    PROVISION_ENTRIES(struct settings),
    OPTION_TEXT_ENTRY(struct settings, fingerprint, "fingerprint", NULL,
                      "what the sender read out to you: the request is theirs when this fits"),
    OPTION_BOOL_ENTRY(struct settings, replace, "replace",
                      "the name is in the roster already, and gets these keys now"),
};

/* A request proves that its sender has the keys, not who that is: the fingerprint does, told over another way. */
static enum anb_status check_fingerprint(struct slice text, const char *told, struct anb_error *err)
{
    struct digest digest;
    char found[DIGEST_TEXT_BYTES];
    enum anb_status status = digest_of(text, &digest, err);
    if (status != ANB_OK || strcasecmp(digest_text(&digest, found), told) == 0) return status;
    return anb_fail(err, ANB_DENIED,
                    "the request has the fingerprint %s, not the one you were told: it was changed on its way, or is "
                    "somebody else's",
                    found);
}

static enum anb_status check_place(const struct provision *provision, const struct provision_request *request,
                                   bool replace, struct anb_error *err)
{
    const char *name = request->member.name;
    const struct roster_member *old = roster_find_any(provision->roster, name);
    if (strcmp(request->project, provision->project.name) != 0)
        return anb_fail(err, ANB_INVALID, "the request is for project %s, this is %s", request->project,
                        provision->project.name);
    if (old && !replace)
        return anb_fail(err, ANB_EXISTS, "%s is in the roster already: --replace gives it the keys of this request",
                        name);
    if (!old && replace) return anb_fail(err, ANB_NOT_FOUND, "%s is not in the roster: leave out --replace", name);
    if (old && (old->kind != request->member.kind || old->roles != request->member.roles))
        return anb_fail(err, ANB_INVALID, "%s has other roles in the roster than in the request", name);
    return ANB_OK;
}

static enum anb_status approve(struct provision *provision, const struct provision_request *request,
                               const struct settings *settings, struct anb_error *err)
{
    enum anb_status status = provision_open(settings->folder, provision, err);
    if (status == ANB_OK) status = check_place(provision, request, settings->replace, err);
    if (status == ANB_OK) status = provision_unlock(provision, settings->passphrase_file, err);
    if (status == ANB_OK) status = provision_enrol(provision, &request->member, &request->keys, err);
    return status == ANB_OK ? provision_hand_out(provision, request->member.name, NULL, NULL, err) : status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct provision provision;
    struct provision_request request;
    struct buf text;
    buf_init(&text, REQUEST_CEILING_BYTES);
    enum anb_status status = file_read(operands[0], &text, err);
    if (status == ANB_OK) status = check_fingerprint(buf_slice(&text), settings->fingerprint, err);
    if (status == ANB_OK) status = provision_request_parse(buf_slice(&text), &request, err);
    buf_fini(&text);
    if (status != ANB_OK) return status;
    status = approve(&provision, &request, settings, err);
    provision_close(&provision);
    provision_keys_fini(&request.keys);
    return status;
}

static const struct option_table options = CLI_OPTIONS(
    "provision approve", "REQUEST", "let the sender of a request in: a new roster version and a kit", entries);
const struct cli_verb verb_provision_approve = {&options, sizeof(struct settings), 1, run};
