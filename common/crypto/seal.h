/* A few bytes sealed for one receiver, by its public key alone: HPKE of RFC 9180 in base mode, one message, with
 * DHKEM(P-256, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM.
 *
 * It says nothing about who sealed: that is for a signature over the sealed bytes. `info` binds them to their place;
 * who opens must give the same. A `struct sealer` is what both need, set up once; one thread at a time. */
#ifndef ANB_CRYPTO_SEAL_H
#define ANB_CRYPTO_SEAL_H

#include "crypto/key.h"

enum { SEAL_OVERHEAD_BYTES = KEY_POINT_BYTES + 16, SEAL_MAX_BYTES = 65536 };

struct sealer;
struct sealer *sealer_new(void); /* NULL: no memory */
void sealer_free(struct sealer *sealer);

/* Writes plain.size + SEAL_OVERHEAD_BYTES bytes: the ephemeral public key, the ciphertext, the tag. */
enum anb_status seal_bytes(struct sealer *sealer, const struct key *receiver, struct slice info, struct slice plain,
                           unsigned char *out, struct anb_error *err);
/* Writes sealed.size - SEAL_OVERHEAD_BYTES bytes. DENIED, in the same words, whatever does not fit. */
enum anb_status seal_open(struct sealer *sealer, const struct key *receiver, struct slice info, struct slice sealed,
                          unsigned char *out, struct anb_error *err);

#endif
