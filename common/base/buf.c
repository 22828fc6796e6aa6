#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){data, size};
}

struct slice slice_of_text(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

void buf_init(struct buf *buf, size_t ceiling_bytes)
{
    *buf = (struct buf){.ceiling = ceiling_bytes < PTRDIFF_MAX / 2 ? ceiling_bytes : PTRDIFF_MAX / 2};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.ceiling = buf->ceiling};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
}

enum anb_status buf_reserve(struct buf *buf, size_t more_bytes, struct anb_error *err)
{
    if (more_bytes > buf->ceiling - buf->size)
        return anb_fail(err, ANB_TOO_LARGE, "%zu bytes behind %zu are more than the ceiling of %zu", more_bytes,
                        buf->size, buf->ceiling);
    size_t wanted = buf->size + more_bytes + 1; /* one for the NUL of buf_text */
    if (wanted <= buf->capacity) return ANB_OK;
    size_t capacity = buf->capacity ? buf->capacity : 64;
    while (capacity < wanted) capacity *= 2;
    if (capacity > buf->ceiling + 1) capacity = buf->ceiling + 1;
    unsigned char *data = realloc(buf->data, capacity);
    if (!data) return anb_fail(err, ANB_NO_MEMORY, "no memory for %zu bytes", capacity);
    buf->data = data;
    buf->capacity = capacity;
    return ANB_OK;
}

enum anb_status buf_append(struct buf *buf, struct slice bytes, struct anb_error *err)
{
    enum anb_status status = buf_reserve(buf, bytes.size, err);
    if (status != ANB_OK) return status;
    if (bytes.size > 0) memcpy(buf->data + buf->size, bytes.data, bytes.size);
    buf->size += bytes.size;
    return ANB_OK;
}

enum anb_status buf_append_text(struct buf *buf, const char *text, struct anb_error *err)
{
    return buf_append(buf, slice_of_text(text), err);
}

enum anb_status buf_printf(struct buf *buf, struct anb_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) return anb_fail(err, ANB_INVALID, "cannot format \"%s\"", format);
    enum anb_status status = buf_reserve(buf, (size_t)length, err);
    if (status != ANB_OK) return status;
    va_start(args, format);
    vsnprintf((char *)buf->data + buf->size, (size_t)length + 1, format, args);
    va_end(args);
    buf->size += (size_t)length;
    return ANB_OK;
}

struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->data, buf->size);
}

const char *buf_text(struct buf *buf)
{
    if (!buf->data) return "";
    buf->data[buf->size] = 0;
    return (const char *)buf->data;
}

char *buf_take_text(struct buf *buf)
{
    if (!buf->data && buf_reserve(buf, 0, NULL) != ANB_OK) return NULL;
    buf->data[buf->size] = 0;
    char *text = (char *)buf->data;
    *buf = (struct buf){.ceiling = buf->ceiling};
    return text;
}
