#include "crypto/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_PART_BYTES = 65536 };

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

static enum anb_status digest_part(int fd, int64_t offset, int64_t most, struct digest_context *context, int64_t *read,
                                   struct anb_error *err)
{
    unsigned char part[FILE_PART_BYTES];
    ssize_t got = pread(fd, part, most < FILE_PART_BYTES ? (size_t)most : FILE_PART_BYTES, (off_t)offset);
    if (got < 0 && errno == EINTR)
        got = 0;
    else if (got < 0)
        return anb_fail_errno(err, errno, "cannot read a file for its digest");
    else if (got == 0)
        return anb_fail(err, ANB_CORRUPT, "a file ends %lld bytes too early", (long long)most);
    digest_update(context, slice_of(part, (size_t)got));
    *read = got;
    return ANB_OK;
}

enum anb_status digest_of_file(int fd, int64_t offset, int64_t bytes, struct digest *out, struct anb_error *err)
{
    struct digest_context *context = digest_new();
    if (!context) return no_memory(err);
    enum anb_status status = ANB_OK;
    for (int64_t done = 0, read = 0; status == ANB_OK && done < bytes; done += read)
        status = digest_part(fd, offset + done, bytes - done, context, &read, err);
    if (status == ANB_OK) status = digest_finish(context, out, err);
    digest_free(context);
    return status;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

const char *digest_text(const struct digest *digest, char text[DIGEST_TEXT_BYTES])
{
    return hex_encode(digest->bytes, DIGEST_BYTES, text);
}
