/* The body of a roster's text, before its signature. Only this folder, its tests and its fuzz target include it. Any
 * thread. */
#ifndef ANB_TRUST_ROSTER_TEXT_H
#define ANB_TRUST_ROSTER_TEXT_H

#include "trust/roster.h"

enum anb_status roster_write_body(const struct roster *roster, struct buf *out, struct anb_error *err);
/* CORRUPT unless roster_write_body writes just these bytes for what they say. */
enum anb_status roster_read_body(struct slice body, struct roster **out, struct anb_error *err);

#endif
