/* Records as plain structs <-> Avro single-object encoding (C3 01, fingerprint, datum).
 *
 * The contract is schemas/; structs and tables are generated from it. Foreign bytes are walked once before Avro C sees
 * them: lengths against what is left, enum symbols, UTF-8 without NUL, trailing bytes. So decoding takes no more memory
 * than the arena's ceiling and never reads past the end. Any thread; Avro C's process-wide state stays behind a lock
 * here. */
#ifndef ANB_WIRE_WIRE_H
#define ANB_WIRE_WIRE_H

#include "base/arena.h"
#include "wire/records.h"

enum {
    CONTROL_RECORD_MAX_BYTES = 65536,
    OPENING_RECORD_MAX_BYTES = 262144, /* StreamOpened: 2,000 receivers */
    ROSTER_RECORD_MAX_BYTES = 987136,  /* RosterPublished: what Kafka's own limits leave of a record */
};
size_t record_max_bytes(enum record_kind kind); /* but for Chunk, which has no limit here */

/* Append the record's bytes to `out`, which stays as it was on failure. TOO_LARGE beyond the buf's ceiling or, but for
 * Chunk, record_max_bytes; INVALID for what no reader would accept: NULL, text that is not UTF-8, an enum
 * without symbol, too many array items. */
enum anb_status wire_encode(const struct record *record, struct buf *out, struct anb_error *err);

/* The record in `bytes`, all of it; what it says in confidence is not heard yet (said_decode). Texts, slices and arrays
 * are copied into `arena`. CORRUPT when the bytes are not a
 * record of a known schema; TOO_LARGE when they need more than the arena has: 1 MiB is enough for any but a Chunk, so
 * that all nodes accept the same records. */
enum anb_status wire_decode(struct slice bytes, struct arena *arena, struct record *record, struct anb_error *err);

const char *record_name(enum record_kind kind);
/* The head of a record; NULL for Chunk and Said, which have none. */
struct head *record_head(struct record *record);
const struct head *record_head_const(const struct record *record);

/* Some fields of some records stand in the struct, but on the wire only in a Said record, in the bytes of the last
 * field, `said`. Who writes puts them there, sealed; who may read fills them in; to others they are empty. */

/* The field `said`; NULL for a kind that says nothing. */
struct slice *record_said(struct record *record);
/* Append the Said record with what `record` says. As wire_encode. */
enum anb_status said_encode(const struct record *record, struct buf *out, struct anb_error *err);
/* Fill in what a Said record has for `record`. As wire_decode. */
enum anb_status said_decode(struct slice bytes, struct arena *arena, struct record *record, struct anb_error *err);
/* What it says is empty, and `unheard` tells so: how wire_decode leaves a record. */
void said_forget(struct record *record);

/* What a StreamOpened promises, as one digest: SHA-256 of the record as wire_encode writes it, without who gets the key
 * (receivers, key_commitment), what is said in confidence and when it was said (the head but project and node). */
enum anb_status stream_core(const struct stream_opened *opened, struct digest *core, struct anb_error *err);

/* Chunk records by hand, since their payload must not be copied: the header ends where the payload begins. */
enum { CHUNK_HEADER_MAX_BYTES = 64 };

/* Write the header of a chunk with `data_bytes` of payload so that it ends at `end` (exclusive): the payload stands at
 * `end`. Needs CHUNK_HEADER_MAX_BYTES before `end`. Returns the header's size. */
size_t chunk_header_write(const struct chunk *chunk, size_t data_bytes, unsigned char *end);

/* Split `bytes` into its fields; chunk->data points into `bytes`. CORRUPT when it is not exactly one chunk record. */
enum anb_status chunk_parse(struct slice bytes, struct chunk *chunk, struct anb_error *err);

#endif
