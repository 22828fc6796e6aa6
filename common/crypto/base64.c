#include "crypto/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

enum anb_status base64_encode(struct slice bytes, struct buf *out, struct anb_error *err)
{
    if (bytes.size > INT_MAX / 2) return anb_fail(err, ANB_TOO_LARGE, "too many bytes for base64");
    size_t size = (bytes.size + 2) / 3 * 4;
    enum anb_status status = buf_reserve(out, size, err); /* the NUL that OpenSSL writes, too, has its room there */
    if (status != ANB_OK || size == 0) return status;
    EVP_EncodeBlock(out->data + out->size, bytes.data, (int)bytes.size);
    out->size += size;
    return ANB_OK;
}

static enum anb_status corrupt(struct anb_error *err)
{
    return anb_fail(err, ANB_CORRUPT, "not base64");
}

static size_t padding_of(struct slice text)
{
    const char *end = (const char *)text.data + text.size;
    if (text.size == 0 || end[-1] != '=') return 0;
    return end[-2] == '=' ? 2 : 1;
}

/* OpenSSL takes blanks at the edges and any bits under the padding: what is written again must be what was read. */
static bool is_canonical(struct slice text, struct slice bytes)
{
    struct buf again;
    buf_init(&again, text.size);
    bool same = base64_encode(bytes, &again, NULL) == ANB_OK && slice_equal(buf_slice(&again), text);
    buf_fini(&again);
    return same;
}

enum anb_status base64_decode(struct slice text, struct buf *out, struct anb_error *err)
{
    if (text.size % 4 != 0 || text.size > INT_MAX / 2) return corrupt(err);
    if (text.size == 0) return ANB_OK;
    size_t room = text.size / 4 * 3, size = room - padding_of(text);
    enum anb_status status = buf_reserve(out, room, err);
    if (status != ANB_OK) return status;
    unsigned char *bytes = out->data + out->size;
    if (EVP_DecodeBlock(bytes, text.data, (int)text.size) != (int)room || !is_canonical(text, slice_of(bytes, size)))
        return corrupt(err);
    out->size += size;
    return ANB_OK;
}
