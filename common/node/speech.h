/* What a node says in confidence and what it hears, between its log and its voice (voice.h, voices.h, hearers.h). */
#ifndef ANB_NODE_SPEECH_H
#define ANB_NODE_SPEECH_H

#include "node/node_private.h"
#include "wire/wire.h"

/* Before the log is read: be ready to hear. */
enum anb_status speech_open(struct node *node, struct anb_error *err);
void speech_close(struct node *node);

/* Once the incarnation is known: a new voice. */
enum anb_status speech_begin(struct node *node, struct anb_error *err);
/* Fill in who may hear it; the wraps live in `arena`. */
enum anb_status speech_announce(struct node *node, struct arena *arena, struct node_up *up, struct anb_error *err);
/* Append VoiceShared when the roster has changed who may hear. Owner thread. */
void speech_share(struct node *node);

/* For what the log holds, before it is applied: fill in what may be heard. Owner thread. */
void speech_hear(struct node *node, struct slice bytes, struct record *record);
/* After it was applied, under the node's lock: who lets this node hear? */
enum anb_status speech_note(struct node *node, const struct record *record, struct anb_error *err);

#endif
