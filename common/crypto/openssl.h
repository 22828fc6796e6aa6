/* What the files of this folder share: keys behind their struct, and one sentence for OpenSSL's failures. Only this
 * folder includes it. Any thread. */
#ifndef ANB_CRYPTO_OPENSSL_H
#define ANB_CRYPTO_OPENSSL_H

#include "base/status.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

struct key {
    EVP_PKEY *evp;
};

struct certificate {
    X509 *x509;
};

struct key *key_wrap(EVP_PKEY *evp); /* takes it; NULL: no memory, or NULL given */
bool key_is_p256(const struct key *key);

/* Takes the certificate, also on failure. */
enum anb_status certificate_wrap(X509 *x509, struct certificate **out, struct anb_error *err);

/* The sentence and OpenSSL's own last words; its queue of errors is empty after. NO_MEMORY when that was the cause. */
enum anb_status crypto_fail(struct anb_error *err, enum anb_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
