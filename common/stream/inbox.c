/* Prompt cursors stay open after use, until a large object is read: they follow the outbox, so the next small stream
 * needs no seek and no new fetch. The others are closed: an open one would prefetch what nobody may want. */
#include "stream/inbox.h"

#include <stdlib.h>
#include <string.h>

enum { FOLLOW_RECORDS = 256 }; /* nearer than this, reading on is quicker than seeking */

struct entry {
    struct entry *next;
    struct bus_cursor *cursor;
    enum bus_profile profile;
    bool taken;
    int32_t partition;
    char topic[160];
};

struct stream_inbox {
    struct bus *bus;
    enum bus_profile large;
    struct stream_refusals *refusals;
    struct bus_reader *readers[BUS_PROFILES]; /* opened when first needed */
    struct entry *entries;
};

enum anb_status stream_inbox_new(struct bus *bus, enum bus_profile large, struct stream_refusals *refusals,
                                 struct stream_inbox **out, struct anb_error *err)
{
    struct stream_inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox) return anb_fail(err, ANB_NO_MEMORY, "no memory for an inbox");
    inbox->bus = bus;
    inbox->large = large;
    inbox->refusals = refusals;
    *out = inbox;
    return ANB_OK;
}

struct stream_refusals *inbox_refusals(struct stream_inbox *inbox)
{
    return inbox->refusals;
}

void stream_inbox_free(struct stream_inbox *inbox)
{
    if (!inbox) return;
    for (struct entry *entry = inbox->entries, *next; entry; entry = next) {
        next = entry->next;
        bus_cursor_close(entry->cursor);
        free(entry);
    }
    for (int profile = 0; profile < BUS_PROFILES; profile++)
        if (inbox->readers[profile]) bus_reader_close(inbox->readers[profile]);
    free(inbox);
}

enum bus_profile inbox_profile(const struct stream_inbox *inbox, int64_t object_bytes)
{
    return object_bytes <= SMALL_OBJECT_BYTES ? BUS_PROMPT : inbox->large;
}

static struct entry *find_idle(struct stream_inbox *inbox, enum bus_profile profile, const char *topic,
                               int32_t partition)
{
    for (struct entry *entry = inbox->entries; entry; entry = entry->next)
        if (!entry->taken && entry->profile == profile && entry->partition == partition &&
            strcmp(entry->topic, topic) == 0)
            return entry;
    return NULL;
}

static enum anb_status move_to(struct bus_cursor *cursor, int64_t offset, struct anb_error *err)
{
    int64_t ahead = offset - bus_cursor_position(cursor);
    if (ahead >= 0 && ahead <= FOLLOW_RECORDS) return ANB_OK;
    return bus_cursor_seek(cursor, offset, err);
}

static enum anb_status open_entry(struct stream_inbox *inbox, enum bus_profile profile, const char *topic,
                                  int32_t partition, int64_t offset, struct entry **out, struct anb_error *err)
{
    if (!inbox->readers[profile]) {
        enum anb_status status = bus_reader_open(inbox->bus, profile, &inbox->readers[profile], err);
        if (status != ANB_OK) return status;
    }
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) return anb_fail(err, ANB_NO_MEMORY, "no memory for a cursor");
    enum anb_status status = bus_cursor_open(inbox->readers[profile], topic, partition, offset, &entry->cursor, err);
    if (status != ANB_OK) {
        free(entry);
        return status;
    }
    entry->profile = profile;
    entry->partition = partition;
    strncpy(entry->topic, topic, sizeof entry->topic - 1);
    entry->next = inbox->entries;
    *out = inbox->entries = entry;
    return ANB_OK;
}

/* Whoever goes over to large objects is no longer followed: a prompt cursor would fetch megabytes of what comes now. */
static void drop_followers(struct stream_inbox *inbox)
{
    for (struct entry **link = &inbox->entries; *link;) {
        struct entry *entry = *link;
        if (entry->taken || entry->profile != BUS_PROMPT) {
            link = &entry->next;
            continue;
        }
        *link = entry->next;
        bus_cursor_close(entry->cursor);
        free(entry);
    }
}

enum anb_status inbox_take(struct stream_inbox *inbox, enum bus_profile profile, const char *topic, int32_t partition,
                           int64_t offset, struct bus_cursor **cursor, struct anb_error *err)
{
    if (profile != BUS_PROMPT) drop_followers(inbox);
    struct entry *entry = find_idle(inbox, profile, topic, partition);
    enum anb_status status =
        entry ? move_to(entry->cursor, offset, err) : open_entry(inbox, profile, topic, partition, offset, &entry, err);
    if (status != ANB_OK) return status;
    entry->taken = true;
    *cursor = entry->cursor;
    return ANB_OK;
}

void inbox_return(struct stream_inbox *inbox, struct bus_cursor *cursor)
{
    for (struct entry **link = &inbox->entries; *link; link = &(*link)->next) {
        struct entry *entry = *link;
        if (entry->cursor != cursor) continue;
        entry->taken = false;
        if (entry->profile == BUS_PROMPT) return;
        *link = entry->next;
        bus_cursor_close(cursor);
        free(entry);
        return;
    }
}
