#include "crypto/aead.h"

#include "crypto/openssl.h"

#include <openssl/crypto.h>
#include <stdlib.h>

struct aead {
    EVP_CIPHER_CTX *cipher;
};

enum anb_status aead_new(const unsigned char key[AEAD_KEY_BYTES], enum aead_direction direction, struct aead **aead,
                         struct anb_error *err)
{
    struct aead *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for a cipher");
    made->cipher = EVP_CIPHER_CTX_new();
    if (!made->cipher ||
        EVP_CipherInit_ex(made->cipher, EVP_aes_256_gcm(), NULL, key, NULL, direction == AEAD_SEAL) != 1) {
        aead_free(made);
        return crypto_fail(err, ANB_FATAL, "cannot set up a cipher");
    }
    *aead = made;
    return ANB_OK;
}

void aead_free(struct aead *aead)
{
    if (!aead) return;
    EVP_CIPHER_CTX_free(aead->cipher); /* overwrites the key */
    free(aead);
}

/* All but the tag: the key stays, the nonce begins a new message. */
static bool run(EVP_CIPHER_CTX *cipher, const unsigned char *nonce, struct slice associated, void *bytes, size_t size)
{
    int done;
    return size <= AEAD_MAX_BYTES && associated.size <= AEAD_MAX_BYTES &&
           EVP_CipherInit_ex(cipher, NULL, NULL, NULL, nonce, -1) == 1 &&
           (associated.size == 0 ||
            EVP_CipherUpdate(cipher, NULL, &done, associated.data, (int)associated.size) == 1) &&
           (size == 0 || (EVP_CipherUpdate(cipher, bytes, &done, bytes, (int)size) == 1 && done == (int)size));
}

enum anb_status aead_seal(struct aead *aead, const unsigned char nonce[AEAD_NONCE_BYTES], struct slice associated,
                          void *bytes, size_t size, unsigned char tag[AEAD_TAG_BYTES], struct anb_error *err)
{
    int done;
    unsigned char rest[AEAD_TAG_BYTES];
    if (run(aead->cipher, nonce, associated, bytes, size) && EVP_CipherFinal_ex(aead->cipher, rest, &done) == 1 &&
        EVP_CIPHER_CTX_ctrl(aead->cipher, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES, tag) == 1)
        return ANB_OK;
    OPENSSL_cleanse(bytes, size); /* part of it may be sealed, part not: neither must be sent */
    return crypto_fail(err, ANB_FATAL, "cannot encrypt");
}

enum anb_status aead_open(struct aead *aead, const unsigned char nonce[AEAD_NONCE_BYTES], struct slice associated,
                          void *bytes, size_t size, const unsigned char tag[AEAD_TAG_BYTES], struct anb_error *err)
{
    int done;
    unsigned char rest[AEAD_TAG_BYTES];
    if (run(aead->cipher, nonce, associated, bytes, size) &&
        EVP_CIPHER_CTX_ctrl(aead->cipher, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES, (void *)tag) == 1 &&
        EVP_CipherFinal_ex(aead->cipher, rest, &done) == 1)
        return ANB_OK;
    OPENSSL_cleanse(bytes, size);
    return crypto_fail(err, ANB_CORRUPT, "it was altered, or encrypted with another key");
}
