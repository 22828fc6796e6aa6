/* The envelope of a stream: one random key for each stream, with which its chunks are encrypted in place.
 *
 * What is said in a StreamOpened is bound to the key twice: by the *core*, a digest of the record (stream_core), which
 * stands in every chunk's associated data, so that no chunk fits another stream, job, round, sender, size or place; and
 * by the *commitment*, so that no second key opens the same ciphertext. docs/protocol.md has all of it byte by byte.
 *
 * A cipher belongs to one stream, one direction and one thread at a time. Keys are wiped by their owner; a cipher wipes
 * its own. */
#ifndef ANB_STREAM_CIPHER_H
#define ANB_STREAM_CIPHER_H

#include "base/id.h"
#include "crypto/aead.h"
#include "crypto/digest.h"
#include "wire/records.h"

enum {
    STREAM_KEY_BYTES = 32,
    STREAM_CODEC_SEALED = 1, /* of a chunk record: the only one */
    CHUNK_ASSOCIATED_BYTES = DIGEST_BYTES + 4 + 8 + 1 + 4
};

struct stream_key { /* secret: who has one wipes it */
    unsigned char bytes[STREAM_KEY_BYTES];
};

/* What all may know about the envelope of a stream. */
struct stream_envelope {
    struct id stream;
    struct digest core, commitment;
    int64_t chunk_count; /* of the whole object, other shares counted */
    bool binds_content;  /* the closing digest covers the plain bytes, too */
    bool tells_content;  /* the close tells the digest of the plain bytes: a round's model */
};

struct stream_envelope stream_envelope_make(const struct id *stream, enum purpose purpose, int32_t round,
                                            int64_t chunk_count, const struct digest *core,
                                            const struct digest *commitment);
/* Read off a StreamOpened. */
enum anb_status stream_envelope_of(const struct stream_opened *opened, struct stream_envelope *envelope,
                                   struct anb_error *err);
/* The commitment to `key`, for envelope->commitment and the record. */
enum anb_status stream_commit(const struct stream_key *key, struct stream_envelope *envelope, struct anb_error *err);

struct stream_cipher;

/* DENIED when the key is not the one that the envelope is committed to. */
enum anb_status stream_cipher_new(const struct stream_envelope *envelope, const struct stream_key *key,
                                  enum aead_direction direction, struct stream_cipher **cipher, struct anb_error *err);
void stream_cipher_free(struct stream_cipher *cipher); /* wipes; NULL is fine */

/* What the closing digest covers of one chunk. */
struct chunk_proof {
    unsigned char associated[CHUNK_ASSOCIATED_BYTES];
    struct tag tag;
    struct digest content; /* of the plain bytes; zero unless the envelope binds them */
};

/* Encrypt the `size` bytes of chunk `index` where they stand. Never twice: the nonce is the index. */
enum anb_status stream_cipher_seal(struct stream_cipher *cipher, int64_t index, void *bytes, size_t size,
                                   struct chunk_proof *proof, struct anb_error *err);
/* Decrypt them where they stand. CORRUPT, and the bytes are wiped, unless they are chunk `index` as it was sealed. */
enum anb_status stream_cipher_open(struct stream_cipher *cipher, int64_t index, void *bytes, size_t size,
                                   const struct tag *tag, struct chunk_proof *proof, struct anb_error *err);

/* What a StreamClosed says of the chunks of one partition, in their order. */
struct stream_closing;
enum anb_status stream_closing_new(const struct stream_cipher *cipher, struct stream_closing **closing,
                                   struct anb_error *err);
void stream_closing_add(struct stream_closing *closing, const struct chunk_proof *proof);
/* `digest` covers all that was sealed; `content` the plain bytes alone, and is zero unless the envelope tells it. */
enum anb_status stream_closing_finish(struct stream_closing *closing, struct digest *digest, struct digest *content,
                                      struct anb_error *err);
void stream_closing_free(struct stream_closing *closing); /* NULL is fine */

#endif
