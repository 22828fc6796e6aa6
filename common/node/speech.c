#include "node/speech.h"

#include "base/log.h"
#include "node/hearers.h"
#include "node/voices.h"

enum { SHARE_ARENA_BYTES = 1 << 20, UNHEARD_LOGGED = 100 };

enum anb_status speech_open(struct node *node, struct anb_error *err)
{
    node->hearers = hearers_new();
    if (!node->hearers) return anb_fail(err, ANB_NO_MEMORY, "no memory for voices");
    return voices_new(node->project, node->name, node_trust_own_encryption(node->trust), node->role != ROLE_CLIENT,
                      &node->voices, err);
}

void speech_close(struct node *node)
{
    voice_free(node->voice);
    voices_free(node->voices);
    hearers_free(node->hearers);
}

static struct voice_place place_of(const struct node *node)
{
    return (struct voice_place){node->project, node->name, node->incarnation};
}

enum anb_status speech_begin(struct node *node, struct anb_error *err)
{
    const struct voice_place place = place_of(node);
    return voice_make(&place, &node->voice, err);
}

static int64_t now_s(const struct node *node)
{
    return bus_now_ms(node->bus) / 1000;
}

static enum anb_status look(struct node *node, struct anb_error *err)
{
    node->heard_under = node_trust_version(node->trust);
    return hearers_look(node->hearers, node->trust, now_s(node), err);
}

enum anb_status speech_announce(struct node *node, struct arena *arena, struct node_up *up, struct anb_error *err)
{
    const struct voice_place place = place_of(node);
    up->voice_commitment = *voice_commitment(node->voice);
    enum anb_status status = look(node, err);
    if (status == ANB_OK)
        status =
            hearers_wrap(node->hearers, node->voice, &place, NULL, NULL, arena, &up->receivers, &up->n_receivers, err);
    if (status == ANB_OK) hearers_have_wraps(node->hearers);
    node->heard_under = 0; /* earlier incarnations are looked at by the first speech_share */
    return status;
}

/* -- a new roster */

static enum anb_status share_voice(struct node *node, const struct voice *voice, int64_t incarnation,
                                   hearers_test *has_wrap, void *context, struct anb_error *err)
{
    struct arena arena;
    const struct voice_place place = {node->project, node->name, incarnation};
    struct record record = {.kind = RECORD_VOICE_SHARED, .is.voice_shared = {.incarnation = incarnation}};
    struct voice_shared *shared = &record.is.voice_shared;
    shared->voice_commitment = *voice_commitment(voice);
    arena_init(&arena, SHARE_ARENA_BYTES);
    enum anb_status status = hearers_wrap(node->hearers, voice, &place, has_wrap, context, &arena, &shared->receivers,
                                          &shared->n_receivers, err);
    if (status == ANB_OK && shared->n_receivers > 0) status = node_append(node, &record, false, err);
    arena_fini(&arena);
    return status;
}

/* The new voice is used only when the log has it, so that whoever hears the one knows the other. */
static enum anb_status share_present(struct node *node, struct anb_error *err)
{
    struct voice *next = NULL;
    const struct voice_place place = place_of(node);
    enum anb_status status = hearers_need_voice(node->hearers) ? voice_make(&place, &next, err) : ANB_OK;
    if (status == ANB_OK) status = share_voice(node, next ? next : node->voice, node->incarnation, NULL, NULL, err);
    if (status != ANB_OK) {
        voice_free(next);
        return status;
    }
    hearers_have_wraps(node->hearers);
    if (next) voice_replace(node->voice, next);
    return ANB_OK;
}

struct former { /* a voice of an earlier incarnation */
    const struct voices *voices;
    size_t i;
};

/* hearers_test */
static bool has_former(const char *name, void *context)
{
    const struct former *former = context;
    return voices_own_has_wrap(former->voices, former->i, name);
}

static bool is_needed(struct node *node, int64_t incarnation)
{
    pthread_mutex_lock(&node->lock);
    bool needed = federation_needs_incarnation(node->federation, node->name, incarnation);
    pthread_mutex_unlock(&node->lock);
    return needed;
}

/* Streams that an earlier incarnation closed may still be read: by an aggregator that has joined since. */
static enum anb_status share_former(struct node *node, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < voices_n_own(node->voices); i++) {
        struct own_voice own;
        struct former former = {node->voices, i};
        if (voices_own(node->voices, i, &own, NULL) != ANB_OK || own.incarnation >= node->incarnation) continue;
        if (is_needed(node, own.incarnation))
            status = share_voice(node, own.voice, own.incarnation, has_former, &former, err);
    }
    return status;
}

void speech_share(struct node *node)
{
    struct anb_error err;
    if (node->heard_under == node_trust_version(node->trust)) return;
    enum anb_status status = look(node, &err);
    if (status == ANB_OK) status = share_present(node, &err);
    if (status == ANB_OK) status = share_former(node, &err);
    if (status == ANB_OK) return;
    node->heard_under = 0; /* again at the next look */
    log_event(LOG_WARN, "voice-not-shared", "reason=%s", err.text);
}

/* -- hearing */

/* Who was not let in is silent about it; all else is somebody's mistake or ill will, and said. */
void speech_hear(struct node *node, struct slice bytes, struct record *record)
{
    struct anb_error err;
    enum anb_status status = voices_hear(node->voices, bytes, &node->arena, record, &err);
    if (status == ANB_OK || status == ANB_NOT_FOUND) return;
    int64_t n = ++node->n_unheard;
    if (n <= UNHEARD_LOGGED || n % UNHEARD_LOGGED == 0)
        log_event(LOG_WARN, "said-unreadable", "record=%s count=%lld reason=%s", record_name(record->kind),
                  (long long)n, err.text);
}

enum anb_status speech_note(struct node *node, const struct record *record, struct anb_error *err)
{
    struct record late;
    bool is_new = record->kind == RECORD_VOICE_SHARED;
    enum anb_status status = voices_note(node->voices, record, err);
    while (status == ANB_OK && is_new &&
           voices_take_late(node->voices, record->is.voice_shared.head.node, &node->arena, &late))
        federation_hear(node->federation, &late);
    return status;
}

enum anb_status node_hear(struct node *node, struct slice bytes, struct arena *arena, struct record *record,
                          struct anb_error *err)
{
    return voices_hear(node->voices, bytes, arena, record, err);
}

int64_t node_n_unheard(struct node *node)
{
    return atomic_load(&node->n_unheard);
}
