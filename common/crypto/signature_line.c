#include "crypto/base64.h"
#include "crypto/sign.h"

#include <string.h>

static const char word[] = "signature ";
enum { WORD_BYTES = sizeof word - 1, BASE64_BYTES = SIGNATURE_LINE_BYTES - WORD_BYTES - 1 };

enum anb_status signature_append_line(const struct signature *signature, struct buf *text, struct anb_error *err)
{
    enum anb_status status = buf_append_text(text, word, err);
    if (status == ANB_OK) status = base64_encode(slice_of(signature->bytes, SIGNATURE_BYTES), text, err);
    return status == ANB_OK ? buf_append_text(text, "\n", err) : status;
}

enum anb_status signature_split(struct slice text, const char *what, struct slice *body, struct signature *signature,
                                struct anb_error *err)
{
    struct buf bytes;
    if (text.size <= SIGNATURE_LINE_BYTES) return anb_fail(err, ANB_CORRUPT, "not %s: too short", what);
    const char *line = (const char *)text.data + text.size - SIGNATURE_LINE_BYTES;
    if (memcmp(line, word, WORD_BYTES) != 0 || line[SIGNATURE_LINE_BYTES - 1] != '\n')
        return anb_fail(err, ANB_CORRUPT, "not %s: its last line is no signature", what);
    buf_init(&bytes, BASE64_BYTES);
    enum anb_status status = base64_decode(slice_of(line + WORD_BYTES, BASE64_BYTES), &bytes, err);
    if (status == ANB_OK && bytes.size != SIGNATURE_BYTES)
        status = anb_fail(err, ANB_CORRUPT, "not %s: its signature has another size", what);
    if (status == ANB_OK) {
        memcpy(signature->bytes, bytes.data, SIGNATURE_BYTES);
        *body = slice_of(text.data, text.size - SIGNATURE_LINE_BYTES);
    }
    buf_fini(&bytes);
    return status;
}
