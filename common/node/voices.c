#include "node/voices.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_MAX_BYTES = 16 << 20 };

struct heard { /* a voice */
    int64_t incarnation;
    struct digest commitment;
    bool has_wrap;
    struct wrap wrap;
    struct voice *voice; /* NULL: not unwrapped yet */
    /* of this node's own: for whom the log has wraps */
    char (*hearers)[NAME_MAX_BYTES + 1];
    size_t n_hearers;
};

struct speaker {
    char name[NAME_MAX_BYTES + 1];
    struct heard last[VOICES_KEPT]; /* incarnations rise */
    size_t n;
};

struct late { /* a record that could not be heard; no bytes: none */
    char node[NAME_MAX_BYTES + 1];
    struct buf bytes;
};

struct voices {
    char project[NAME_MAX_BYTES + 1], name[NAME_MAX_BYTES + 1];
    const struct key *own;
    pthread_mutex_t lock;      /* guards what follows */
    struct speaker **speakers; /* sorted by name */
    size_t n, capacity;
    struct late *late; /* a ring; NULL: nothing is kept */
    size_t n_late, late_bytes;
};

enum anb_status voices_new(const char *project, const char *name, const struct key *own, bool keeps_late,
                           struct voices **out, struct anb_error *err)
{
    struct voices *voices = calloc(1, sizeof *voices);
    if (!voices) return anb_fail(err, ANB_NO_MEMORY, "no memory for voices");
    pthread_mutex_init(&voices->lock, NULL);
    snprintf(voices->project, sizeof voices->project, "%s", project);
    snprintf(voices->name, sizeof voices->name, "%s", name);
    voices->own = own;
    if (keeps_late) voices->late = calloc(VOICES_LATE, sizeof *voices->late);
    if (keeps_late && !voices->late) {
        voices_free(voices);
        return anb_fail(err, ANB_NO_MEMORY, "no memory for voices");
    }
    *out = voices;
    return ANB_OK;
}

static void drop(struct heard *heard)
{
    voice_free(heard->voice);
    free(heard->hearers);
}

void voices_free(struct voices *voices)
{
    if (!voices) return;
    for (size_t i = 0; i < voices->n; i++) {
        for (size_t k = 0; k < voices->speakers[i]->n; k++) drop(&voices->speakers[i]->last[k]);
        free(voices->speakers[i]);
    }
    free(voices->speakers);
    for (size_t i = 0; voices->late && i < VOICES_LATE; i++) buf_fini(&voices->late[i].bytes);
    free(voices->late);
    pthread_mutex_destroy(&voices->lock);
    free(voices);
}

/* -- who speaks; under the lock */

/* Where the name is, or would be. */
static size_t place_of(const struct voices *voices, const char *name)
{
    size_t low = 0, high = voices->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(voices->speakers[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct speaker *find(const struct voices *voices, const char *name)
{
    size_t at = place_of(voices, name);
    return at < voices->n && strcmp(voices->speakers[at]->name, name) == 0 ? voices->speakers[at] : NULL;
}

static bool make_room(struct voices *voices)
{
    if (voices->n < voices->capacity) return true;
    size_t capacity = voices->capacity ? 2 * voices->capacity : 16;
    struct speaker **speakers = realloc(voices->speakers, capacity * sizeof(struct speaker *));
    if (!speakers) return false;
    voices->speakers = speakers;
    voices->capacity = capacity;
    return true;
}

static struct speaker *find_or_add(struct voices *voices, const char *name)
{
    struct speaker *speaker = find(voices, name);
    if (speaker) return speaker;
    speaker = calloc(1, sizeof *speaker);
    if (!speaker || !make_room(voices)) {
        free(speaker);
        return NULL;
    }
    snprintf(speaker->name, sizeof speaker->name, "%s", name);
    size_t at = place_of(voices, name);
    memmove(voices->speakers + at + 1, voices->speakers + at, (voices->n - at) * sizeof(struct speaker *));
    voices->speakers[at] = speaker;
    voices->n++;
    return speaker;
}

static struct heard *add_voice(struct speaker *speaker, int64_t incarnation, const struct digest *commitment)
{
    if (speaker->n == VOICES_KEPT) {
        drop(&speaker->last[0]);
        memmove(speaker->last, speaker->last + 1, (VOICES_KEPT - 1) * sizeof *speaker->last);
        speaker->n--;
    }
    struct heard *heard = &speaker->last[speaker->n++];
    *heard = (struct heard){.incarnation = incarnation, .commitment = *commitment};
    return heard;
}

/* -- noting */

static enum anb_status add_hearers(struct heard *heard, const struct receiver *receivers, size_t n,
                                   struct anb_error *err)
{
    void *hearers = realloc(heard->hearers, (heard->n_hearers + n + 1) * sizeof *heard->hearers);
    if (!hearers) return anb_fail(err, ANB_NO_MEMORY, "no memory for voices");
    heard->hearers = hearers;
    for (size_t i = 0; i < n; i++)
        snprintf(heard->hearers[heard->n_hearers++], sizeof *heard->hearers, "%.48s", receivers[i].node);
    return ANB_OK;
}

static enum anb_status take_wrap(const struct voices *voices, const struct speaker *speaker, struct heard *heard,
                                 const struct receiver *receivers, size_t n, struct anb_error *err)
{
    for (size_t i = 0; i < n && !heard->has_wrap; i++) {
        if (strcmp(receivers[i].node, voices->name) != 0) continue;
        heard->wrap = receivers[i].wrap;
        heard->has_wrap = true;
    }
    bool is_own = strcmp(speaker->name, voices->name) == 0;
    return is_own ? add_hearers(heard, receivers, n, err) : ANB_OK;
}

static enum anb_status note_up(struct voices *voices, const struct node_up *up, struct anb_error *err)
{
    struct speaker *speaker = find_or_add(voices, up->head.node);
    if (!speaker) return anb_fail(err, ANB_NO_MEMORY, "no memory for voices");
    if (speaker->n > 0 && speaker->last[speaker->n - 1].incarnation >= up->head.incarnation) return ANB_OK;
    struct heard *heard = add_voice(speaker, up->head.incarnation, &up->voice_commitment);
    return take_wrap(voices, speaker, heard, up->receivers, up->n_receivers, err);
}

/* One that was announced before, or a new one of the node's present incarnation. */
static struct heard *voice_that_is_shared(struct speaker *speaker, const struct voice_shared *shared)
{
    for (size_t k = speaker->n; k > 0; k--) {
        struct heard *heard = &speaker->last[k - 1];
        if (heard->incarnation == shared->incarnation && digest_equal(&heard->commitment, &shared->voice_commitment))
            return heard;
    }
    bool is_present = speaker->n > 0 && speaker->last[speaker->n - 1].incarnation == shared->head.incarnation;
    if (!is_present || shared->incarnation != shared->head.incarnation) return NULL;
    return add_voice(speaker, shared->incarnation, &shared->voice_commitment);
}

static enum anb_status note_shared(struct voices *voices, const struct voice_shared *shared, struct anb_error *err)
{
    struct speaker *speaker = find(voices, shared->head.node);
    struct heard *heard = speaker ? voice_that_is_shared(speaker, shared) : NULL;
    if (!heard) return ANB_OK;
    return take_wrap(voices, speaker, heard, shared->receivers, shared->n_receivers, err);
}

enum anb_status voices_note(struct voices *voices, const struct record *record, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    pthread_mutex_lock(&voices->lock);
    if (record->kind == RECORD_NODE_UP) status = note_up(voices, &record->is.node_up, err);
    if (record->kind == RECORD_VOICE_SHARED) status = note_shared(voices, &record->is.voice_shared, err);
    pthread_mutex_unlock(&voices->lock);
    return status;
}

/* -- hearing one; under the lock */

static enum anb_status unwrap(const struct voices *voices, const char *node, struct heard *heard, struct anb_error *err)
{
    const struct voice_place place = {voices->project, node, heard->incarnation};
    if (heard->voice) return ANB_OK;
    enum anb_status status = voice_unwrap(&place, &heard->commitment, voices->own, &heard->wrap, &heard->voice, err);
    if (status == ANB_DENIED) heard->has_wrap = false; /* another one may come */
    return status;
}

/* The voices of the record's incarnation, the last one first. */
static enum anb_status hear(const struct voices *voices, struct slice bytes, struct arena *arena, struct record *record,
                            struct anb_error *err)
{
    const struct head *head = record_head(record);
    struct speaker *speaker = find(voices, head->node);
    enum anb_status status = anb_fail(err, ANB_NOT_FOUND, "%.64s does not let %s hear it", head->node, voices->name);
    for (size_t k = speaker ? speaker->n : 0; k > 0 && status != ANB_OK; k--) {
        struct heard *heard = &speaker->last[k - 1];
        if (heard->incarnation != head->incarnation || !heard->has_wrap) continue;
        status = unwrap(voices, head->node, heard, err);
        if (status == ANB_OK) status = voice_hear(heard->voice, bytes, arena, record, err);
    }
    return status;
}

/* -- this node's own */

size_t voices_n_own(const struct voices *voices)
{
    const struct speaker *own = find(voices, voices->name);
    return own ? own->n : 0;
}

enum anb_status voices_own(struct voices *voices, size_t i, struct own_voice *own, struct anb_error *err)
{
    struct heard *heard = &find(voices, voices->name)->last[i];
    if (!heard->has_wrap) return anb_fail(err, ANB_NOT_FOUND, "the voice is not kept");
    pthread_mutex_lock(&voices->lock);
    enum anb_status status = unwrap(voices, voices->name, heard, err);
    pthread_mutex_unlock(&voices->lock);
    if (status != ANB_OK) return anb_fail(err, ANB_NOT_FOUND, "the voice does not open");
    *own = (struct own_voice){heard->incarnation, heard->voice};
    return ANB_OK;
}

bool voices_own_has_wrap(const struct voices *voices, size_t i, const char *name)
{
    const struct heard *heard = &find(voices, voices->name)->last[i];
    for (size_t k = 0; k < heard->n_hearers; k++)
        if (strcmp(heard->hearers[k], name) == 0) return true;
    return false;
}

/* -- what could not be heard yet; under the lock */

static bool is_worth_keeping(const struct voices *voices, const struct record *record)
{
    bool is_update = record->kind == RECORD_STREAM_OPENED && record->is.stream_opened.purpose == PURPOSE_UPDATE;
    return voices->late && (is_update || record->kind == RECORD_STREAM_CLOSED);
}

static void forget_late(struct voices *voices, struct late *late)
{
    voices->late_bytes -= late->bytes.size;
    buf_fini(&late->bytes);
    buf_init(&late->bytes, LATE_MAX_BYTES);
}

/* In the place of the oldest; more of them go when there are too many bytes. Without memory it is not kept: nothing
 * moves by it. */
static void keep(struct voices *voices, struct slice bytes, const struct head *head)
{
    size_t place = voices->n_late++ % VOICES_LATE;
    struct late *late = &voices->late[place];
    if (bytes.size > LATE_MAX_BYTES) return;
    forget_late(voices, late);
    for (size_t i = 1; i < VOICES_LATE && voices->late_bytes + bytes.size > LATE_MAX_BYTES; i++)
        forget_late(voices, &voices->late[(place + i) % VOICES_LATE]);
    snprintf(late->node, sizeof late->node, "%.48s", head->node);
    if (buf_append(&late->bytes, bytes, NULL) == ANB_OK) voices->late_bytes += bytes.size;
}

static bool take(struct voices *voices, struct late *late, struct arena *arena, struct record *record)
{
    if (late->bytes.size == 0) return false;
    const struct slice bytes = buf_slice(&late->bytes);
    enum anb_status status = wire_decode(bytes, arena, record, NULL);
    if (status == ANB_OK) status = hear(voices, bytes, arena, record, NULL);
    if (status != ANB_NOT_FOUND) forget_late(voices, late);
    return status == ANB_OK;
}

bool voices_take_late(struct voices *voices, const char *node, struct arena *arena, struct record *record)
{
    bool found = false;
    pthread_mutex_lock(&voices->lock);
    for (size_t i = 0; voices->late && !found && i < VOICES_LATE; i++) {
        struct late *late = &voices->late[(voices->n_late + i) % VOICES_LATE];
        found = strcmp(late->node, node) == 0 && take(voices, late, arena, record);
    }
    pthread_mutex_unlock(&voices->lock);
    return found;
}

/* -- hearing */

enum anb_status voices_hear(struct voices *voices, struct slice bytes, struct arena *arena, struct record *record,
                            struct anb_error *err)
{
    if (!record_said(record)) return ANB_OK;
    pthread_mutex_lock(&voices->lock);
    enum anb_status status = hear(voices, bytes, arena, record, err);
    if (status == ANB_NOT_FOUND && is_worth_keeping(voices, record)) keep(voices, bytes, record_head(record));
    pthread_mutex_unlock(&voices->lock);
    return status;
}
