/* Random bytes that can be asked for by their place: AES-256 in counter mode under a key of one use (OpenSSL).
 *
 * The same key and place give the same bytes, so work can go piece by piece in any order. Who knows not the key cannot
 * tell them from random ones. One thread at a time. */
#ifndef ANB_CRYPTO_KEYSTREAM_H
#define ANB_CRYPTO_KEYSTREAM_H

#include "base/buf.h"

enum { KEYSTREAM_KEY_BYTES = 32, KEYSTREAM_MAX_BYTES = 1 << 30 };

struct keystream;

enum anb_status keystream_new(const unsigned char key[KEYSTREAM_KEY_BYTES], struct keystream **keystream,
                              struct anb_error *err);
void keystream_free(struct keystream *keystream); /* wipes the key; NULL is fine */
/* The bytes [at, at + size) of the stream; at most KEYSTREAM_MAX_BYTES at once. */
enum anb_status keystream_read(struct keystream *keystream, uint64_t at, void *out, size_t size, struct anb_error *err);

/* Keys and seeds, from OpenSSL's generator. */
enum anb_status random_bytes(void *out, size_t size, struct anb_error *err);

#endif
