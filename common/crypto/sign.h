/* Signatures: ECDSA on P-256 with SHA-256. Any thread.
 *
 * What is signed begins with a `purpose`, a text of ours and a zero byte, so that a signature made for one kind of
 * thing never fits another ("anabranch roster" and others). A signature is the two numbers r and s, 32 bytes each. */
#ifndef ANB_CRYPTO_SIGN_H
#define ANB_CRYPTO_SIGN_H

#include "crypto/key.h"

enum { SIGNATURE_BYTES = 64 };

struct signature {
    unsigned char bytes[SIGNATURE_BYTES];
};

enum anb_status sign_bytes(const struct key *key, const char *purpose, struct slice bytes, struct signature *out,
                           struct anb_error *err);
/* DENIED when the signature is not the key's over just these bytes for this purpose. */
enum anb_status sign_verify(const struct key *key, const char *purpose, struct slice bytes,
                            const struct signature *signature, struct anb_error *err);

/* A signed text ends with the line "signature BASE64". `what` stands in error sentences: "a roster". */
enum { SIGNATURE_LINE_BYTES = 10 + 88 + 1 };
enum anb_status signature_append_line(const struct signature *signature, struct buf *text, struct anb_error *err);
/* Body and signature of `text`; nothing is verified. CORRUPT when its last line is no signature. */
enum anb_status signature_split(struct slice text, const char *what, struct slice *body, struct signature *signature,
                                struct anb_error *err);

#endif
