/* Names and identifiers.
 *
 * Projects and nodes have names that match [a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?, so that the dot can separate the parts
 * of a topic. Streams have 16 random bytes, shown as 32 hexadecimal digits; jobs have the same, shown as 16 digits. */
#ifndef ANB_BASE_ID_H
#define ANB_BASE_ID_H

#include "base/buf.h"

enum { NAME_MAX_BYTES = 48, ID_BYTES = 16, ID_TEXT_BYTES = 33, DIGEST_BYTES = 32, DIGEST_TEXT_BYTES = 65 };

struct id {
    unsigned char bytes[ID_BYTES];
};

bool name_is_valid(struct slice name);
enum anb_status name_check(const char *what, const char *name, struct anb_error *err);

/* From the kernel's generator. */
enum anb_status id_random(struct id *id, struct anb_error *err);
bool id_equal(const struct id *a, const struct id *b);
bool id_is_zero(const struct id *id);
const char *id_text(const struct id *id, char text[ID_TEXT_BYTES]);

/* `size` bytes as 2*size lower-case digits and a NUL. */
const char *hex_encode(const void *bytes, size_t size, char *text);
/* False unless `text` is exactly 2*size hexadecimal digits. */
bool hex_decode(const char *text, void *bytes, size_t size);

#endif
