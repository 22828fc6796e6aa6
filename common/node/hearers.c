#include "node/hearers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hearer {
    char name[NAME_MAX_BYTES + 1];
    struct key_point point;
    bool may_hear; /* by the roster, when that was looked at last */
    bool has_wrap; /* of the present voice, for just this key */
};

struct hearers {
    struct hearer *list;
    size_t n, capacity;
    bool out_of_memory;
    bool need_voice;
};

struct hearers *hearers_new(void)
{
    return calloc(1, sizeof(struct hearers));
}

void hearers_free(struct hearers *hearers)
{
    if (!hearers) return;
    free(hearers->list);
    free(hearers);
}

static struct hearer *find_or_add(struct hearers *hearers, const char *name)
{
    for (size_t i = 0; i < hearers->n; i++)
        if (strcmp(hearers->list[i].name, name) == 0) return &hearers->list[i];
    if (hearers->n == hearers->capacity) {
        size_t capacity = hearers->capacity ? 2 * hearers->capacity : 8;
        struct hearer *list = realloc(hearers->list, capacity * sizeof *list);
        if (!list) return NULL;
        hearers->list = list;
        hearers->capacity = capacity;
    }
    struct hearer *hearer = &hearers->list[hearers->n++];
    *hearer = (struct hearer){.may_hear = false};
    snprintf(hearer->name, sizeof hearer->name, "%s", name);
    return hearer;
}

/* node_trust_visit */
static void let_hear(const struct roster_member *member, void *context)
{
    struct hearers *hearers = context;
    struct hearer *hearer = find_or_add(hearers, member->name);
    if (hearer)
        hearer->may_hear = true;
    else
        hearers->out_of_memory = true;
}

/* A key that has changed was changed for a reason: who had the old one must not hear on. */
static void look_at(struct hearers *hearers, struct hearer *hearer, struct node_trust *trust, int64_t now_s)
{
    struct key_point point;
    hearer->may_hear &= node_trust_seal_key(trust, hearer->name, now_s, &point, NULL) == ANB_OK;
    bool same = hearer->may_hear && memcmp(&point, &hearer->point, sizeof point) == 0;
    if (hearer->has_wrap && !same) hearers->need_voice = true;
    if (hearer->may_hear) hearer->point = point;
}

enum anb_status hearers_look(struct hearers *hearers, struct node_trust *trust, int64_t now_s, struct anb_error *err)
{
    hearers->out_of_memory = false;
    for (size_t i = 0; i < hearers->n; i++) hearers->list[i].may_hear = false;
    node_trust_each(trust, ROSTER_SERVER, let_hear, hearers);
    node_trust_each(trust, ROSTER_AGGREGATOR, let_hear, hearers);
    struct hearer *self = find_or_add(hearers, node_trust_name(trust));
    if (!self || hearers->out_of_memory) return anb_fail(err, ANB_NO_MEMORY, "no memory for those who hear");
    self->may_hear = true;
    for (size_t i = 0; i < hearers->n; i++) look_at(hearers, &hearers->list[i], trust, now_s);
    for (size_t i = 0; hearers->need_voice && i < hearers->n; i++) hearers->list[i].has_wrap = false;
    return ANB_OK;
}

bool hearers_need_voice(const struct hearers *hearers)
{
    return hearers->need_voice;
}

static enum anb_status wrap_for(const struct hearer *hearer, const struct voice *voice, const struct voice_place *place,
                                struct arena *arena, struct receiver *receiver, struct anb_error *err)
{
    struct key *key = NULL;
    receiver->node = arena_text(arena, slice_of_text(hearer->name));
    if (!receiver->node) return anb_fail(err, ANB_NO_MEMORY, "no memory for those who hear");
    enum anb_status status = key_of_point(&hearer->point, &key, err);
    if (status == ANB_OK) status = voice_wrap(voice, place, key, &receiver->wrap, err);
    key_free(key);
    return status;
}

enum anb_status hearers_wrap(struct hearers *hearers, const struct voice *voice, const struct voice_place *place,
                             hearers_test *has_wrap, void *context, struct arena *arena, struct receiver **receivers,
                             size_t *n, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    *n = 0;
    *receivers = arena_alloc_array(arena, hearers->n, sizeof **receivers);
    if (!*receivers) return anb_fail(err, ANB_NO_MEMORY, "no memory for those who hear");
    for (size_t i = 0; status == ANB_OK && i < hearers->n; i++) {
        const struct hearer *hearer = &hearers->list[i];
        bool has = has_wrap ? has_wrap(hearer->name, context) : hearer->has_wrap;
        if (hearer->may_hear && !has) status = wrap_for(hearer, voice, place, arena, &(*receivers)[(*n)++], err);
    }
    return status;
}

void hearers_have_wraps(struct hearers *hearers)
{
    hearers->need_voice = false;
    for (size_t i = 0; i < hearers->n; i++) hearers->list[i].has_wrap = hearers->list[i].may_hear;
}
