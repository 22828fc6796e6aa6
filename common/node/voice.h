/* The voice of one incarnation of a node: what it says in confidence (schemas/said.avsc), sealed in the records that it
 * writes, for those who have the voice's key: the servers, the aggregators and the node itself.
 *
 * The key is 32 random bytes, made at each start and when somebody may hear no longer, so nothing that is derived from
 * it was ever used before. From it come, by HKDF and bound to project, node and incarnation, one key for control
 * records and one for telemetry, and a commitment that all receivers compare: nobody can be given another voice than
 * the others. The nonce is the record's sequence number; voice_write refuses one that does not rise. Associated data
 * are all bytes of the record before what is said, so that it opens in no other record and not in an altered one. Only
 * wraps cost a public-key operation.
 *
 * A voice may be used by several threads at a time. Keys are wiped when it is freed. */
#ifndef ANB_NODE_VOICE_H
#define ANB_NODE_VOICE_H

#include "crypto/seal.h"
#include "wire/wire.h"

enum { VOICE_KEY_BYTES = 32, VOICE_OVERHEAD_BYTES = 16 };

struct voice_place {
    const char *project, *node;
    int64_t incarnation;
};

struct voice;

enum anb_status voice_new(const struct voice_place *place, const unsigned char key[VOICE_KEY_BYTES],
                          struct voice **voice, struct anb_error *err);
/* With a key from the kernel's generator. */
enum anb_status voice_make(const struct voice_place *place, struct voice **voice, struct anb_error *err);
void voice_free(struct voice *voice); /* NULL is fine */
const struct digest *voice_commitment(const struct voice *voice);

/* Speak with `next` from now on; takes it. What is said meanwhile by other threads is said with one of the two. */
void voice_replace(struct voice *voice, struct voice *next);

/* The voice's key sealed for one receiver, and back. DENIED when it is not for this receiver, of another place, or the
 * key of another commitment. */
enum anb_status voice_wrap(const struct voice *voice, const struct voice_place *place, const struct key *receiver,
                           struct wrap *wrap, struct anb_error *err);
enum anb_status voice_unwrap(const struct voice_place *place, const struct digest *commitment,
                             const struct key *receiver, const struct wrap *wrap, struct voice **voice,
                             struct anb_error *err);

/* Append the record's bytes to `out`, what it says sealed at their end. Its head must be stamped; telemetry gets its
 * sequence number here, by a count of its own. FATAL when the sequence number does not rise. `out` stays as it was on
 * failure. */
enum anb_status voice_write(struct voice *voice, struct record *record, struct buf *out, struct anb_error *err);
/* Fill in what `record` says, which was decoded from just `bytes`. CORRUPT when it was altered, was said in another
 * record, or by another voice; the record stays unheard. Nothing is done for records that say nothing. */
enum anb_status voice_hear(struct voice *voice, struct slice bytes, struct arena *arena, struct record *record,
                           struct anb_error *err);

#endif
