/* Rosters in the control log: which one is in force, and what follows when another one comes. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "node/node.h"
#include "node/node_private.h"
#include "node/signed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 100, NUMBER_BYTES = 32 };

static int64_t now_s(struct node *node)
{
    return bus_now_ms(node->bus) / 1000;
}

/* -- what was seen before */

enum anb_status node_recall_roster(struct node *node, const char *data_folder, struct anb_error *err)
{
    struct buf text;
    if (!data_folder) return ANB_OK;
    if (asprintf(&node->roster_file, "%s/roster-version", data_folder) < 0) {
        node->roster_file = NULL;
        return anb_fail(err, ANB_NO_MEMORY, "no memory");
    }
    buf_init(&text, NUMBER_BYTES);
    enum anb_status status = file_read(node->roster_file, &text, err);
    if (status == ANB_OK) {
        node->roster_saved = strtoll(buf_text(&text), NULL, 10);
        node_trust_expect(node->trust, node->roster_saved);
    }
    buf_fini(&text);
    return status == ANB_NOT_FOUND ? file_make_folders(data_folder, err) : status;
}

/* Else a log that was cut back could bring back whom a later version revoked. */
static enum anb_status save_version(struct node *node, struct anb_error *err)
{
    char text[NUMBER_BYTES];
    int64_t version = node_trust_version(node->trust);
    node_trust_expect(node->trust, version);
    if (!node->roster_file || version <= node->roster_saved) return ANB_OK;
    snprintf(text, sizeof text, "%lld\n", (long long)version);
    enum anb_status status = file_write(node->roster_file, slice_of_text(text), err);
    if (status == ANB_OK) node->roster_saved = version;
    return status;
}

/* -- a new one */

void node_check_own(struct node *node)
{
    struct anb_error err;
    if (node->not_wanted.status != ANB_OK ||
        node_trust_check_own(node->trust, roster_bit(node->role), now_s(node), &err) == ANB_OK)
        return;
    node->not_wanted = err;
}

/* Under the lock. Who is not in it any more, or not in the role that it runs in, says nothing more. */
static void dismiss_others(struct node *node, int64_t offset)
{
    char reason[64];
    snprintf(reason, sizeof reason, "roster version %lld has no place for it",
             (long long)node_trust_version(node->trust));
    for (const struct node_state *other = federation_nodes(node->federation); other; other = other->next)
        if (other->up && !(node_trust_roles(node->trust, other->name) & roster_bit(other->role)))
            federation_dismiss(node->federation, other->name, reason, offset, bus_now_ms(node->bus));
}

static void enforce(struct node *node, int64_t offset)
{
    struct anb_error err;
    pthread_mutex_lock(&node->lock);
    dismiss_others(node, offset);
    pthread_mutex_unlock(&node->lock);
    log_event(LOG_INFO, "roster", "version=%lld offset=%lld", (long long)node_trust_version(node->trust),
              (long long)offset);
    if (!node->incarnation) return; /* the log is being read: what holds at its end counts */
    if (save_version(node, &err) != ANB_OK) log_event(LOG_ERROR, "roster-unsaved", "reason=%s", err.text);
    node_check_own(node);
}

enum anb_status node_take_roster(struct node *node, const struct roster_published *record, int64_t offset,
                                 struct anb_error *err)
{
    bool is_old = record->version < node_trust_version(node->trust);
    enum anb_status status = node_trust_replace(node->trust, record->roster, now_s(node), err);
    if (status == ANB_OK) enforce(node, offset);
    if (status == ANB_OK || status == ANB_EXISTS) return status;
    pthread_mutex_lock(&node->lock);
    federation_count_refusal(node->federation, is_old ? "stale-roster" : "bad-roster");
    pthread_mutex_unlock(&node->lock);
    return status;
}

int64_t node_new_roster(struct node *node)
{
    int64_t version = node_trust_version(node->trust);
    if (version == node->roster_told) return 0;
    node->roster_told = version;
    return version;
}

/* -- publishing */

enum anb_status node_publish_roster(struct node *node, struct slice text, int64_t *version, struct anb_error *err)
{
    struct record record = {.kind = RECORD_ROSTER_PUBLISHED};
    enum anb_status status = node_trust_preview(node->trust, text, now_s(node), version, err);
    if (status != ANB_OK) return status;
    record.is.roster_published.version = *version;
    record.is.roster_published.roster = text;
    return node_append_roster(node, &record, err);
}

/* -- at start */

static enum anb_status publish_kit(struct node *node, struct anb_error *err)
{
    int64_t version;
    if (node->role != ROLE_SERVER || node_trust_kit_version(node->trust) <= node_trust_version(node->trust))
        return ANB_OK;
    return node_publish_roster(node, node_trust_kit_roster(node->trust), &version, err);
}

static enum anb_status await_version(struct node *node, int64_t deadline_ms, struct anb_error *err)
{
    bool said = false;
    for (;;) {
        int64_t version = node_trust_version(node->trust), expected = node_trust_expected(node->trust);
        if (version >= expected) return ANB_OK;
        if (!said)
            log_event(LOG_INFO, "roster-awaited", "version=%lld log=%lld", (long long)expected, (long long)version);
        said = true;
        enum anb_status status = node_fold_next(node, WAIT_MS, err);
        if (status != ANB_OK && anb_status_class(status) != ANB_CLASS_RETRY) return status;
        if (clock_monotonic_ms() > deadline_ms)
            return anb_fail(err, ANB_TIMEOUT,
                            "the control log has roster version %lld, this node knows version %lld already: an admin "
                            "publishes it with `anabranch roster publish FILE`, or starts a server with it",
                            (long long)version, (long long)expected);
    }
}

enum anb_status node_agree_on_roster(struct node *node, int64_t deadline_ms, struct anb_error *err)
{
    enum anb_status status = publish_kit(node, err);
    if (status == ANB_OK) status = await_version(node, deadline_ms, err);
    if (status == ANB_OK) status = node_trust_check_own(node->trust, roster_bit(node->role), now_s(node), err);
    return status == ANB_OK ? save_version(node, err) : status;
}
