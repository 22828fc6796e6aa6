/* Keys on the curve P-256: of identities (they sign), of encryption (others seal to them), of the offline root.
 *
 * A `struct key` is a pair, or its public half alone; where a private one is needed and missing, that is an error. It
 * is freed with key_free, which wipes it. Private keys are PKCS#8 in PEM, encrypted when there is a passphrase
 * (AES-256-CBC, PBKDF2 with HMAC-SHA-256 and 600,000 rounds). A key may be used by several threads at a time. */
#ifndef ANB_CRYPTO_KEY_H
#define ANB_CRYPTO_KEY_H

#include "base/buf.h"

enum {
    KEY_POINT_BYTES = 65,       /* a public key: 04, X, Y */
    KEY_FILE_MAX_BYTES = 16384, /* no PEM of ours is larger */
    PASSPHRASE_MAX_BYTES = 1024,
};

struct key;

struct key_point {
    unsigned char bytes[KEY_POINT_BYTES];
};

enum anb_status key_make(struct key **key, struct anb_error *err);
void key_free(struct key *key); /* NULL is fine */

/* The private key of a PEM text. DENIED when it needs another passphrase, or one at all; `passphrase` may be NULL.
 * `name` stands in error sentences. */
enum anb_status key_read_pem(struct slice pem, const char *name, const char *passphrase, struct key **key,
                             struct anb_error *err);
/* Append the private key as PEM; encrypted when `passphrase` is not NULL. End `out` with key_fini_buf. INVALID when
 * only the public half is there. */
enum anb_status key_write_pem(const struct key *key, const char *passphrase, struct buf *out, struct anb_error *err);

enum anb_status key_point(const struct key *key, struct key_point *point, struct anb_error *err);
/* The public key of a point; INVALID when it is not on the curve. */
enum anb_status key_of_point(const struct key_point *point, struct key **key, struct anb_error *err);

/* Overwrite secret bytes so that no optimiser leaves them out. */
void key_wipe(void *bytes, size_t size);
void key_fini_buf(struct buf *secret); /* wipe all its memory, then buf_fini */

#endif
