/* Bytes: `struct slice` is borrowed, `struct buf` is owned.
 *
 * A slice points into memory that somebody else keeps alive; it is passed by value and never freed. A buf owns its
 * memory and has a ceiling from birth: bytes from outside can fill it, never more. A buf belongs to one thread at a
 * time. */
#ifndef ANB_BASE_BUF_H
#define ANB_BASE_BUF_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const void *data;
    size_t size;
};

struct slice slice_of(const void *data, size_t size);
struct slice slice_of_text(const char *text); /* without the NUL; NULL gives an empty slice */
bool slice_equal(struct slice a, struct slice b);

struct buf {
    unsigned char *data;
    size_t size;
    size_t capacity;
    size_t ceiling; /* bytes; an append beyond it fails with TOO_LARGE */
};

void buf_init(struct buf *buf, size_t ceiling_bytes);
void buf_fini(struct buf *buf);  /* frees; the buf can be used again after buf_init */
void buf_clear(struct buf *buf); /* size 0, memory kept */

enum anb_status buf_reserve(struct buf *buf, size_t more_bytes, struct anb_error *err);
enum anb_status buf_append(struct buf *buf, struct slice bytes, struct anb_error *err);
enum anb_status buf_append_text(struct buf *buf, const char *text, struct anb_error *err);
enum anb_status buf_printf(struct buf *buf, struct anb_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct slice buf_slice(const struct buf *buf);
/* NUL behind the bytes (not counted in size) and the text; "" for an empty buf that never grew. */
const char *buf_text(struct buf *buf);
/* Move the bytes out: the caller frees the returned NUL-terminated memory with free(); the buf is empty after. */
char *buf_take_text(struct buf *buf);

#endif
