#include "crypto/sign.h"

#include "crypto/openssl.h"

#include <openssl/ec.h>
#include <string.h>

enum { HALF = SIGNATURE_BYTES / 2, DER_MAX_BYTES = 80 };

/* -- OpenSSL's DER <-> r | s */

static bool signature_of_der(const unsigned char *der, size_t size, struct signature *out)
{
    ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &der, (long)size);
    bool fits = parts && BN_bn2binpad(ECDSA_SIG_get0_r(parts), out->bytes, HALF) == HALF &&
                BN_bn2binpad(ECDSA_SIG_get0_s(parts), out->bytes + HALF, HALF) == HALF;
    ECDSA_SIG_free(parts);
    return fits;
}

/* Bytes written, 0 when there is no memory. */
static size_t der_of_signature(const struct signature *signature, unsigned char der[DER_MAX_BYTES])
{
    int size = 0;
    ECDSA_SIG *parts = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature->bytes, HALF, NULL);
    BIGNUM *s = BN_bin2bn(signature->bytes + HALF, HALF, NULL);
    if (parts && r && s && ECDSA_SIG_set0(parts, r, s) == 1) {
        r = s = NULL; /* they belong to `parts` now */
        size = i2d_ECDSA_SIG(parts, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(parts);
    return size > 0 ? (size_t)size : 0;
}

/* -- sign, verify */

static bool feed(EVP_MD_CTX *context, const char *purpose, struct slice bytes)
{
    return EVP_DigestUpdate(context, purpose, strlen(purpose) + 1) == 1 &&
           EVP_DigestUpdate(context, bytes.data, bytes.size) == 1;
}

enum anb_status sign_bytes(const struct key *key, const char *purpose, struct slice bytes, struct signature *out,
                           struct anb_error *err)
{
    unsigned char der[DER_MAX_BYTES];
    size_t size = sizeof der;
    struct signature made;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->evp) == 1 &&
                feed(context, purpose, bytes) && EVP_DigestSignFinal(context, der, &size) == 1 &&
                signature_of_der(der, size, &made);
    EVP_MD_CTX_free(context);
    if (!done) return crypto_fail(err, ANB_FATAL, "cannot sign: is this a private key?");
    *out = made;
    return ANB_OK;
}

enum anb_status sign_verify(const struct key *key, const char *purpose, struct slice bytes,
                            const struct signature *signature, struct anb_error *err)
{
    unsigned char der[DER_MAX_BYTES];
    size_t size = der_of_signature(signature, der);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ready = size > 0 && context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->evp) == 1 &&
                 feed(context, purpose, bytes);
    bool fits = ready && EVP_DigestVerifyFinal(context, der, size) == 1; /* negative is an error, not a yes */
    EVP_MD_CTX_free(context);
    if (fits) return ANB_OK;
    if (!ready) return crypto_fail(err, ANB_NO_MEMORY, "no memory to verify a signature");
    return crypto_fail(err, ANB_DENIED, "the signature does not fit");
}
