/* The voices of other nodes (voice.h), as far as this node may hear them: from the wraps of NodeUp and VoiceShared.
 *
 * A wrap is opened when its voice is first heard. An incarnation may have several voices, one after another; of each
 * node the last VOICES_KEPT are kept, since telemetry may come after its sender has taken a new one. Who is no server
 * and no aggregator hears itself only. What comes of a sender that does not let this node hear it is kept, the last
 * VOICES_LATE records of streams: a node that has just been added to the roster hears them once their senders know of
 * it. Any thread, at any time. */
#ifndef ANB_NODE_VOICES_H
#define ANB_NODE_VOICES_H

#include "node/voice.h"

enum { VOICES_KEPT = 16, VOICES_LATE = 4096 };

struct voices;

/* Of the node `name`, whose private encryption key is `own`: it must outlive the voices. `keeps_late`: others may let
 * it hear them later. */
enum anb_status voices_new(const char *project, const char *name, const struct key *own, bool keeps_late,
                           struct voices **voices, struct anb_error *err);
void voices_free(struct voices *voices); /* NULL is fine */

/* Note what a NodeUp or a VoiceShared gives this node; its sender must have been believed. Other records are passed
 * over. NO_MEMORY. */
enum anb_status voices_note(struct voices *voices, const struct record *record, struct anb_error *err);
/* Fill in what `record` says, which was decoded from just `bytes`. NOT_FOUND: its sender does not let this node hear
 * it, or not yet; DENIED: the wrap is none; CORRUPT as voice_hear. */
enum anb_status voices_hear(struct voices *voices, struct slice bytes, struct arena *arena, struct record *record,
                            struct anb_error *err);
/* -- of this node, by the thread that notes: its voices in the log, to share those of earlier incarnations */

struct own_voice {
    int64_t incarnation;
    const struct voice *voice;
};

size_t voices_n_own(const struct voices *voices);
/* NOT_FOUND: it cannot be opened any more. */
enum anb_status voices_own(struct voices *voices, size_t i, struct own_voice *own, struct anb_error *err);
/* Does the log have a wrap of it for that node? */
bool voices_own_has_wrap(const struct voices *voices, size_t i, const char *name);

/* -- later */

/* The next of the kept records of a node that can be heard by now, decoded and heard; false: none. */
bool voices_take_late(struct voices *voices, const char *node, struct arena *arena, struct record *record);

#endif
