/* What a node says in confidence (schemas/said.avsc), written into its records and read out of them. */
#ifndef ANB_NODE_VOICE_H
#define ANB_NODE_VOICE_H

#include "wire/wire.h"

/* Append the record's bytes, with what it says in its field `said`. */
enum anb_status voice_write(struct record *record, struct buf *out, struct anb_error *err);
/* Fill in what a decoded record says. */
enum anb_status voice_hear(struct arena *arena, struct record *record, struct anb_error *err);

#endif
