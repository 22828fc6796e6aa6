/* SHA-256 of bytes (OpenSSL): digests of layouts, models, job folders. Any thread; one context for one thread at a
 * time. A running digest remembers its first failure, so only its end has to be looked at. */
#ifndef ANB_CRYPTO_DIGEST_H
#define ANB_CRYPTO_DIGEST_H

#include "base/id.h"

struct digest {
    unsigned char bytes[DIGEST_BYTES];
};

struct digest_context; /* a running digest */

struct digest_context *digest_new(void); /* NULL: no memory */
void digest_update(struct digest_context *context, struct slice bytes);
/* Of all bytes so far; more may follow. NO_MEMORY when OpenSSL had none, now or at an earlier step. */
enum anb_status digest_finish(struct digest_context *context, struct digest *out, struct anb_error *err)
    __attribute__((warn_unused_result));
void digest_free(struct digest_context *context);

enum anb_status digest_of(struct slice bytes, struct digest *out, struct anb_error *err)
    __attribute__((warn_unused_result)); /* NO_MEMORY */
/* Of `bytes` bytes of the file open at `fd` from `offset` on, read by pread. CORRUPT when there are fewer. */
enum anb_status digest_of_file(int fd, int64_t offset, int64_t bytes, struct digest *out, struct anb_error *err)
    __attribute__((warn_unused_result));
bool digest_equal(const struct digest *a, const struct digest *b); /* in constant time */
const char *digest_text(const struct digest *digest, char text[DIGEST_TEXT_BYTES]);

#endif
