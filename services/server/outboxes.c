#include "server/outboxes.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 1000 };

void outboxes_fini(struct outboxes *outboxes)
{
    for (size_t i = 0; i < outboxes->n_names; i++) free(outboxes->names[i]);
    free(outboxes->names);
}

static bool is_known(const struct outboxes *outboxes, const char *name)
{
    for (size_t i = 0; i < outboxes->n_names; i++)
        if (strcmp(outboxes->names[i], name) == 0) return true;
    return false;
}

static void note_known(struct outboxes *outboxes, const char *name)
{
    if (outboxes->n_names == outboxes->room) {
        size_t room = outboxes->room ? 2 * outboxes->room : 16;
        char **names = realloc(outboxes->names, room * sizeof *names);
        if (!names) return; /* asked again, which is harmless */
        outboxes->names = names;
        outboxes->room = room;
    }
    char *copy = strdup(name);
    if (copy) outboxes->names[outboxes->n_names++] = copy;
}

static bool next_missing(const struct outboxes *outboxes, struct node *node, char name[NAME_MAX_BYTES + 1])
{
    bool found = false;
    const struct federation *federation = node_lock(node);
    for (const struct node_state *other = federation_nodes(federation); other && !found; other = other->next)
        if (other->up && !is_known(outboxes, other->name)) {
            snprintf(name, NAME_MAX_BYTES + 1, "%s", other->name);
            found = true;
        }
    node_unlock(node);
    return found;
}

void outboxes_ensure(struct outboxes *outboxes, struct node *node)
{
    char name[NAME_MAX_BYTES + 1];
    struct anb_error err;
    int64_t offset = node_control_offset(node);
    if (offset == outboxes->seen_offset || clock_monotonic_ms() < outboxes->retry_ms) return;
    while (next_missing(outboxes, node, name)) {
        if (node_create_outbox(node, name, &err) != ANB_OK) {
            log_event(LOG_WARN, "outbox-missing", "of=%s reason=%s", name, err.text);
            outboxes->retry_ms = clock_monotonic_ms() + RETRY_MS;
            return;
        }
        log_event(LOG_INFO, "outbox-ready", "of=%s", name);
        note_known(outboxes, name);
    }
    outboxes->seen_offset = offset;
}
