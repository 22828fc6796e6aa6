/* Passphrases of private keys, from files that only their owner can read. Any thread. */
#ifndef ANB_CRYPTO_PASSPHRASE_H
#define ANB_CRYPTO_PASSPHRASE_H

#include "crypto/key.h"

/* The first line of a file; INVALID when it is empty. NULL gives a NULL passphrase. Free with passphrase_free. */
enum anb_status passphrase_read(const char *file, char **passphrase, struct anb_error *err);
void passphrase_free(char *passphrase); /* wipes it; NULL is fine */

#endif
