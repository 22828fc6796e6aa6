#include "server/outboxes.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 500, WAIT_MS = 200, GATHER_MS = 5 };

struct outboxes {
    struct node *node;
    char **names; /* of the nodes whose topic is known to be there */
    size_t n_names, room;
    atomic_bool stop;
    pthread_t thread;
};

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

static void ensure_all(struct outboxes *outboxes)
{
    char name[NAME_MAX_BYTES + 1];
    struct anb_error err;
    while (!atomic_load(&outboxes->stop) && next_missing(outboxes, outboxes->node, name)) {
        if (node_create_outbox(outboxes->node, name, &err) == ANB_OK) {
            log_event(LOG_INFO, "outbox-ready", "of=%s", name);
            note_known(outboxes, name);
        } else {
            log_event(LOG_WARN, "outbox-missing", "of=%s reason=%s", name, err.text);
            clock_sleep_ms(RETRY_MS);
        }
    }
}

static void *run(void *context)
{
    struct outboxes *outboxes = context;
    int64_t seen = 0;
    while (!atomic_load(&outboxes->stop)) {
        ensure_all(outboxes);
        seen = node_wait(outboxes->node, seen, WAIT_MS);
        clock_sleep_ms(GATHER_MS); /* in a burst of records, look once */
    }
    return NULL;
}

enum anb_status outboxes_start(struct node *node, struct outboxes **outboxes, struct anb_error *err)
{
    struct outboxes *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for outboxes");
    made->node = node;
    if (pthread_create(&made->thread, NULL, run, made) != 0) {
        free(made);
        return anb_fail(err, ANB_IO, "cannot start the thread for outboxes");
    }
    *outboxes = made;
    return ANB_OK;
}

void outboxes_stop(struct outboxes *outboxes)
{
    if (!outboxes) return;
    atomic_store(&outboxes->stop, true);
    pthread_join(outboxes->thread, NULL);
    for (size_t i = 0; i < outboxes->n_names; i++) free(outboxes->names[i]);
    free(outboxes->names);
    free(outboxes);
}
