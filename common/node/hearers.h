/* Who may hear a node: the servers and aggregators of the roster, and the node itself; and who of them has a wrap of
 * its present voice.
 *
 * Kept by the thread that writes NodeUp and VoiceShared. */
#ifndef ANB_NODE_HEARERS_H
#define ANB_NODE_HEARERS_H

#include "node/trust.h"
#include "node/voice.h"

struct hearers;

struct hearers *hearers_new(void); /* NULL: no memory */
void hearers_free(struct hearers *hearers);

/* See who may hear by the roster in force, and with which keys. Who has no good certificate may not. */
enum anb_status hearers_look(struct hearers *hearers, struct node_trust *trust, int64_t now_s, struct anb_error *err);
/* Somebody with a wrap may hear no longer: a new voice is needed, for which nobody has a wrap yet. So it stays until
 * hearers_have_wraps. */
bool hearers_need_voice(const struct hearers *hearers);

typedef bool hearers_test(const char *name, void *context);

/* A wrap of `voice` for each who may hear and, by `has_wrap`, has none; NULL: has none of the present voice. They live
 * in `arena`. */
enum anb_status hearers_wrap(struct hearers *hearers, const struct voice *voice, const struct voice_place *place,
                             hearers_test *has_wrap, void *context, struct arena *arena, struct receiver **receivers,
                             size_t *n, struct anb_error *err);
/* The log has a wrap of the present voice for all who may hear. */
void hearers_have_wraps(struct hearers *hearers);

#endif
