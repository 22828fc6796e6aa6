#include "crypto/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct digest_context {
    EVP_MD_CTX *evp;
    EVP_MD_CTX *scratch; /* to finish without ending */
    bool failed;
};

static enum anb_status no_memory(struct anb_error *err)
{
    return anb_fail(err, ANB_NO_MEMORY, "no memory for a digest");
}

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
    if (EVP_DigestUpdate(context->evp, bytes.data, bytes.size) != 1) context->failed = true;
}

enum anb_status digest_finish(struct digest_context *context, struct digest *out, struct anb_error *err)
{
    struct digest digest;
    if (context->failed || EVP_MD_CTX_copy_ex(context->scratch, context->evp) != 1 ||
        EVP_DigestFinal_ex(context->scratch, digest.bytes, NULL) != 1)
        return no_memory(err);
    *out = digest;
    return ANB_OK;
}

void digest_free(struct digest_context *context)
{
    if (!context) return;
    EVP_MD_CTX_free(context->evp);
    EVP_MD_CTX_free(context->scratch);
    free(context);
}

enum anb_status digest_of(struct slice bytes, struct digest *out, struct anb_error *err)
{
    struct digest digest;
    const void *data = bytes.size ? bytes.data : "";
    if (EVP_Digest(data, bytes.size, digest.bytes, NULL, EVP_sha256(), NULL) != 1) return no_memory(err);
    *out = digest;
    return ANB_OK;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

const char *digest_text(const struct digest *digest, char text[DIGEST_TEXT_BYTES])
{
    return hex_encode(digest->bytes, DIGEST_BYTES, text);
}
