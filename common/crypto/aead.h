/* AES-256-GCM, in place: bytes become ciphertext of the same size and a tag, and back.
 *
 * A `struct aead` holds one key for one direction; it belongs to one thread at a time. A nonce must never be used twice
 * with a key: who gives out keys and nonces sees to that. aead_open lets plaintext leave only after the tag was found
 * right; else the bytes are wiped. */
#ifndef ANB_CRYPTO_AEAD_H
#define ANB_CRYPTO_AEAD_H

#include "base/buf.h"

enum { AEAD_KEY_BYTES = 32, AEAD_NONCE_BYTES = 12, AEAD_TAG_BYTES = 16, AEAD_MAX_BYTES = 1 << 30 };

enum aead_direction { AEAD_SEAL, AEAD_OPEN };

struct aead;

enum anb_status aead_new(const unsigned char key[AEAD_KEY_BYTES], enum aead_direction direction, struct aead **aead,
                         struct anb_error *err);
void aead_free(struct aead *aead); /* wipes the key; NULL is fine */

enum anb_status aead_seal(struct aead *aead, const unsigned char nonce[AEAD_NONCE_BYTES], struct slice associated,
                          void *bytes, size_t size, unsigned char tag[AEAD_TAG_BYTES], struct anb_error *err);
/* CORRUPT when anything differs from what was sealed. */
enum anb_status aead_open(struct aead *aead, const unsigned char nonce[AEAD_NONCE_BYTES], struct slice associated,
                          void *bytes, size_t size, const unsigned char tag[AEAD_TAG_BYTES], struct anb_error *err);

#endif
