#include "crypto/keystream.h"

#include "crypto/openssl.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 };

struct keystream {
    EVP_CIPHER_CTX *context;
};

enum anb_status keystream_new(const unsigned char key[KEYSTREAM_KEY_BYTES], struct keystream **out,
                              struct anb_error *err)
{
    struct keystream *keystream = calloc(1, sizeof *keystream);
    if (!keystream) return anb_fail(err, ANB_NO_MEMORY, "no memory for a key stream");
    keystream->context = EVP_CIPHER_CTX_new();
    if (keystream->context && EVP_EncryptInit_ex(keystream->context, EVP_aes_256_ctr(), NULL, key, NULL) == 1) {
        *out = keystream;
        return ANB_OK;
    }
    keystream_free(keystream);
    return crypto_fail(err, ANB_FATAL, "no key stream");
}

void keystream_free(struct keystream *keystream)
{
    if (!keystream) return;
    EVP_CIPHER_CTX_free(keystream->context); /* wipes */
    free(keystream);
}

/* The counter block of byte `at`: its number, big-endian. */
static bool move_to(struct keystream *keystream, uint64_t at)
{
    unsigned char counter[BLOCK_BYTES] = {0}, skipped[BLOCK_BYTES] = {0};
    uint64_t block = at / BLOCK_BYTES;
    int n, skip = (int)(at % BLOCK_BYTES);
    for (int i = 0; i < 8; i++) counter[BLOCK_BYTES - 1 - i] = (unsigned char)(block >> (8 * i));
    return EVP_EncryptInit_ex(keystream->context, NULL, NULL, NULL, counter) == 1 &&
           (skip == 0 || EVP_EncryptUpdate(keystream->context, skipped, &n, skipped, skip) == 1);
}

enum anb_status keystream_read(struct keystream *keystream, uint64_t at, void *out, size_t size, struct anb_error *err)
{
    int n = 0;
    if (size > KEYSTREAM_MAX_BYTES)
        return anb_fail(err, ANB_TOO_LARGE, "%zu bytes of a key stream at once, at most %d", size, KEYSTREAM_MAX_BYTES);
    if (size == 0) return ANB_OK;
    memset(out, 0, size);
    if (move_to(keystream, at) && EVP_EncryptUpdate(keystream->context, out, &n, out, (int)size) == 1) return ANB_OK;
    return crypto_fail(err, ANB_FATAL, "no random bytes");
}

enum anb_status random_bytes(void *out, size_t size, struct anb_error *err)
{
    if (size <= INT32_MAX && RAND_priv_bytes(out, (int)size) == 1) return ANB_OK;
    return crypto_fail(err, ANB_FATAL, "no random bytes");
}
