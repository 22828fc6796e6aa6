/* What stands around and inside every record: Avro's single-object header (C3 01, then the fingerprint, low byte first)
 * and its variable-length integers. By hand, because foreign bytes are looked at here before Avro C sees them, and
 * because a chunk's payload must not be copied. Nothing is allocated; any thread. Only wire/ and its tests look here.
 */
#ifndef ANB_WIRE_FRAME_H
#define ANB_WIRE_FRAME_H

#include "wire/schema.h"

enum { FRAME_BYTES = 10, VARINT_MAX_BYTES = 10 };

void frame_write(enum record_kind kind, unsigned char out[FRAME_BYTES]);
/* Which record it is, and its datum behind the header. CORRUPT when no schema here has the fingerprint. */
enum anb_status frame_open(struct slice bytes, enum record_kind *kind, struct slice *datum, struct anb_error *err);

/* Returns the bytes written. */
size_t varint_write(int64_t value, unsigned char out[VARINT_MAX_BYTES]);
/* Read one from the front of `rest` and move it on. False, and `rest` untouched, when it is cut off or longer than 64
 * bits. */
bool varint_read(struct slice *rest, int64_t *value);

/* Move `rest` on by `size` bytes, which must be there. */
void slice_skip(struct slice *rest, size_t size);

#endif
