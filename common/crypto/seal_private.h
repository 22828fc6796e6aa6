/* HPKE with all that test vectors choose: the ephemeral key and associated data. Only this folder and its tests include
 * it; a sender's ephemeral key is always a new one. One thread at a time. */
#ifndef ANB_CRYPTO_SEAL_PRIVATE_H
#define ANB_CRYPTO_SEAL_PRIVATE_H

#include "crypto/seal.h"

enum { SEAL_INFO_MAX_BYTES = 128 };

enum anb_status seal_with(struct sealer *sealer, const struct key *ephemeral, const struct key *receiver,
                          struct slice info, struct slice associated, struct slice plain, unsigned char *out,
                          struct anb_error *err);
enum anb_status seal_open_with(struct sealer *sealer, const struct key *receiver, struct slice info,
                               struct slice associated, struct slice sealed, unsigned char *out, struct anb_error *err);

#endif
