/* A new version of the roster, brought by an admin. The root's signature is what counts: the admin only carries it. */
#include "base/clock.h"
#include "base/log.h"
#include "server/routes.h"
#include "server/server.h"

#include <stdlib.h>

enum { IN_FORCE_WAIT_MS = 15000 };

static enum anb_status read_text(struct slice body, struct doc **doc, struct slice *text, struct anb_error *err)
{
    enum anb_status status = doc_parse_json(body, "body", doc, err);
    if (status != ANB_OK) return status;
    const struct doc *roster = doc_get(*doc, "roster");
    if (doc_kind(*doc) != DOC_MAP || doc_size(*doc) != 1 || doc_kind(roster) != DOC_TEXT)
        return anb_fail(err, ANB_INVALID, "the body must be {\"roster\": TEXT}");
    *text = slice_of_text(doc_text(roster, ""));
    return ANB_OK;
}

/* What the root did not sign is the sender's mistake, not a matter of rights. */
static enum anb_status publish(struct server *server, struct request *request, int64_t *version, struct anb_error *err)
{
    struct doc *doc = NULL;
    struct slice text;
    enum anb_status status = read_text(buf_slice(&request->body), &doc, &text, err);
    if (status == ANB_OK) {
        status = node_publish_roster(server->node, text, version, err);
        if (status == ANB_DENIED || status == ANB_CORRUPT) status = err->status = ANB_INVALID;
    }
    doc_free(doc);
    return status;
}

enum verdict handle_roster_publish(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct anb_error err;
    int64_t *version = request->work;
    if (!version) {
        version = request->work = calloc(1, sizeof *version);
        request->work_free = free;
        request->wait_until_ms = clock_monotonic_ms() + IN_FORCE_WAIT_MS;
        enum anb_status status =
            version ? publish(server, request, version, &err) : anb_fail(&err, ANB_NO_MEMORY, "no memory for a roster");
        if (status != ANB_OK) return answer_error(answer, &err);
        log_event(LOG_INFO, "roster-brought", "version=%lld by=%s", (long long)*version, request->user.name);
    }
    if (node_trust_version(node_trust(server->node)) < *version) {
        if (!request->late) return WAIT;
        anb_fail(&err, ANB_UNAVAILABLE, "roster version %lld is on its way, and not in force yet", (long long)*version);
        return answer_error(answer, &err);
    }
    struct doc *doc = doc_new_map();
    doc_set_int(doc_set_map(doc, "roster"), "version", *version);
    return answer_doc(answer, 200, doc);
}
