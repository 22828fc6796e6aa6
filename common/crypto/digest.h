/* SHA-256 of bytes (OpenSSL): digests of layouts, models, job folders. Any thread; one context for one thread at a
 * time. */
#ifndef ANB_CRYPTO_DIGEST_H
#define ANB_CRYPTO_DIGEST_H

#include "base/id.h"

struct digest {
    unsigned char bytes[DIGEST_BYTES];
};

struct digest_context; /* a running digest */

struct digest_context *digest_new(void); /* NULL: no memory */
void digest_update(struct digest_context *context, struct slice bytes);
void digest_finish(const struct digest_context *context, struct digest *out); /* of all bytes so far; may go on */
void digest_free(struct digest_context *context);

void digest_of(struct slice bytes, struct digest *out);
bool digest_equal(const struct digest *a, const struct digest *b);
const char *digest_text(const struct digest *digest, char text[DIGEST_TEXT_BYTES]);

#endif
