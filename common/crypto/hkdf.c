#include "crypto/hkdf.h"

#include "crypto/openssl.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct hkdf {
    EVP_MAC *hmac;
    EVP_MAC_CTX *keyed; /* HMAC with SHA-256; each use sets its key */
};

struct hkdf *hkdf_new(void)
{
    struct hkdf *hkdf = calloc(1, sizeof *hkdf);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
                           OSSL_PARAM_construct_end()};
    if (!hkdf) return NULL;
    hkdf->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    hkdf->keyed = hkdf->hmac ? EVP_MAC_CTX_new(hkdf->hmac) : NULL;
    if (hkdf->keyed && EVP_MAC_CTX_set_params(hkdf->keyed, params) == 1) return hkdf;
    hkdf_free(hkdf);
    return NULL;
}

void hkdf_free(struct hkdf *hkdf)
{
    if (!hkdf) return;
    EVP_MAC_CTX_free(hkdf->keyed);
    EVP_MAC_free(hkdf->hmac);
    free(hkdf);
}

static enum anb_status failed(struct anb_error *err)
{
    return crypto_fail(err, ANB_FATAL, "cannot derive a key");
}

enum anb_status hkdf_extract(struct hkdf *hkdf, struct slice salt, struct slice secret, unsigned char out[HKDF_BYTES],
                             struct anb_error *err)
{
    static const unsigned char no_salt[HKDF_BYTES];
    size_t size;
    if (salt.size == 0) salt = slice_of(no_salt, sizeof no_salt); /* the same to HMAC; it takes no empty key */
    if (EVP_MAC_init(hkdf->keyed, salt.data, salt.size, NULL) == 1 &&
        EVP_MAC_update(hkdf->keyed, secret.data, secret.size) == 1 &&
        EVP_MAC_final(hkdf->keyed, out, &size, HKDF_BYTES) == 1)
        return ANB_OK;
    return failed(err);
}

/* T(n) = HMAC(extracted, T(n-1) | info | n); T(0) is empty. */
static bool next_block(struct hkdf *hkdf, const unsigned char *extracted, struct slice info, unsigned char n,
                       unsigned char block[HKDF_BYTES])
{
    size_t size;
    return EVP_MAC_init(hkdf->keyed, extracted, HKDF_BYTES, NULL) == 1 &&
           EVP_MAC_update(hkdf->keyed, block, n > 1 ? HKDF_BYTES : 0) == 1 &&
           EVP_MAC_update(hkdf->keyed, info.data, info.size) == 1 && EVP_MAC_update(hkdf->keyed, &n, 1) == 1 &&
           EVP_MAC_final(hkdf->keyed, block, &size, HKDF_BYTES) == 1;
}

enum anb_status hkdf_expand(struct hkdf *hkdf, const unsigned char extracted[HKDF_BYTES], struct slice info, void *out,
                            size_t size, struct anb_error *err)
{
    unsigned char block[HKDF_BYTES], n = 0;
    bool fine = true;
    if (size < 1 || size > HKDF_MAX_BYTES)
        return anb_fail(err, ANB_INVALID, "a derived key has 1..%d bytes, not %zu", HKDF_MAX_BYTES, size);
    for (size_t done = 0; fine && done < size; done += HKDF_BYTES) {
        fine = next_block(hkdf, extracted, info, ++n, block);
        memcpy((unsigned char *)out + done, block, size - done < HKDF_BYTES ? size - done : HKDF_BYTES);
    }
    OPENSSL_cleanse(block, sizeof block);
    if (fine) return ANB_OK;
    OPENSSL_cleanse(out, size);
    return failed(err);
}
