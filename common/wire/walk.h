/* The guard before Avro C, which trusts lengths and counts (it would take 8 GiB for a text of 40 bytes).
 *
 * A datum is walked once against the tables: every length against the bytes that are left, varints of at most 64 bits,
 * ints in range, booleans 0 or 1, enum symbols that exist, texts in UTF-8 without NUL, array blocks that hold what they
 * say, at most WIRE_MAX_ITEMS array items in all, no byte left over. Recursion follows the tables, never the input.
 * Nothing is allocated; any thread. Only wire/ and its tests look here. */
#ifndef ANB_WIRE_WALK_H
#define ANB_WIRE_WALK_H

#include "wire/schema.h"

enum { WIRE_MAX_ITEMS = 16384 };

/* OK when `datum` is exactly one record of this kind, else CORRUPT with the field and the byte where it goes wrong. */
enum anb_status walk_datum(enum record_kind kind, struct slice datum, struct anb_error *err);

#endif
