/* Records as they stand in topics: Avro bytes, and behind them the sender's signature over these bytes, head included.
 *
 * What a record says counts when the roster in force has its sender, the sender's key made the signature, its
 * certificate was good at the record's time, and its roles may say this kind of record: one table here. Nothing in a
 * record names a key. A chunk is not signed: its stream's opening and closing are. Any thread. */
#ifndef ANB_NODE_SIGNED_H
#define ANB_NODE_SIGNED_H

#include "node/trust.h"
#include "wire/wire.h"

unsigned roster_bit(enum role role); /* 1 << the role in the roster of who runs as `role` */

/* Sign the record's bytes with this node's key, and append the signature. */
enum anb_status signed_seal(struct node_trust *trust, struct buf *bytes, struct anb_error *err);
/* The record in `message`, and its signature; believed by nobody yet. CORRUPT or TOO_LARGE as wire_decode. */
enum anb_status signed_read(struct slice message, struct arena *arena, struct record *record,
                            struct signature *signature, struct anb_error *err);
struct slice signed_bytes(struct slice message); /* without the signature; the message was read */
/* DENIED, and *refusal why, unless what signed_read gave is to be believed. `now_s`: when its sender's certificate must
 * be good. */
enum anb_status signed_check(struct node_trust *trust, const struct record *record, struct slice message,
                             const struct signature *signature, int64_t now_s, enum trust_refusal *refusal,
                             struct anb_error *err);

#endif
