/* Bytes as base64 (RFC 4648, with padding, without line breaks). Any thread. */
#ifndef ANB_CRYPTO_BASE64_H
#define ANB_CRYPTO_BASE64_H

#include "base/buf.h"

enum anb_status base64_encode(struct slice bytes, struct buf *out, struct anb_error *err); /* appends */
/* Appends. CORRUPT unless `text` is just what base64_encode writes for some bytes. */
enum anb_status base64_decode(struct slice text, struct buf *out, struct anb_error *err);

#endif
