#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct digest_context {
    EVP_MD_CTX *evp;
    EVP_MD_CTX *scratch; /* to finish without ending */
};

struct digest_context *digest_new(void)
{
    struct digest_context *context = calloc(1, sizeof *context);
    if (!context) return NULL;
    context->evp = EVP_MD_CTX_new();
    context->scratch = EVP_MD_CTX_new();
    if (context->evp && context->scratch && EVP_DigestInit_ex(context->evp, EVP_sha256(), NULL) == 1) return context;
    digest_free(context);
    return NULL;
}

void digest_update(struct digest_context *context, struct slice bytes)
{
    EVP_DigestUpdate(context->evp, bytes.data, bytes.size);
}

void digest_finish(const struct digest_context *context, struct digest *out)
{
    unsigned size = DIGEST_BYTES;
    EVP_MD_CTX_copy_ex(context->scratch, context->evp);
    EVP_DigestFinal_ex(context->scratch, out->bytes, &size);
}

void digest_free(struct digest_context *context)
{
    if (!context) return;
    EVP_MD_CTX_free(context->evp);
    EVP_MD_CTX_free(context->scratch);
    free(context);
}

void digest_of(struct slice bytes, struct digest *out)
{
    SHA256(bytes.size ? bytes.data : (const void *)"", bytes.size, out->bytes);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

const char *digest_text(const struct digest *digest, char text[DIGEST_TEXT_BYTES])
{
    return hex_encode(digest->bytes, DIGEST_BYTES, text);
}
