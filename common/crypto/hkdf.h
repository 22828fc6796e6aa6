/* HKDF with SHA-256 (RFC 5869): keys from one secret, a different one for each purpose. Any thread. */
#ifndef ANB_CRYPTO_HKDF_H
#define ANB_CRYPTO_HKDF_H

#include "base/buf.h"

enum { HKDF_BYTES = 32, HKDF_MAX_BYTES = 255 * HKDF_BYTES };

/* What both steps need, fetched once: one for each thread. NULL: no memory. */
struct hkdf;
struct hkdf *hkdf_new(void);
void hkdf_free(struct hkdf *hkdf);

/* `secret` is wiped by its owner, as `out` is. */
enum anb_status hkdf_extract(struct hkdf *hkdf, struct slice salt, struct slice secret, unsigned char out[HKDF_BYTES],
                             struct anb_error *err);
/* 1..HKDF_MAX_BYTES bytes for the purpose that `info` names. */
enum anb_status hkdf_expand(struct hkdf *hkdf, const unsigned char extracted[HKDF_BYTES], struct slice info, void *out,
                            size_t size, struct anb_error *err);

#endif
