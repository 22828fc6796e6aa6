#include "tensor/header_text.h"

#include "base/id.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

void reader_init(struct reader *reader, struct slice text, struct anb_error *err)
{
    const unsigned char *start = text.size > 0 ? text.data : (const unsigned char *)"";
    *reader = (struct reader){.start = start, .at = start, .end = start + text.size, .err = err};
}

bool reader_fail(struct reader *reader, const char *format, ...)
{
    if (reader->status != ANB_OK) return false;
    char sentence[384];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    reader->status =
        anb_fail(reader->err, ANB_INVALID, "header byte %zu: %s", (size_t)(reader->at - reader->start), sentence);
    return false;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at && strchr(" \t\r\n", *reader->at)) reader->at++;
}

bool reader_take(struct reader *reader, char mark)
{
    if (reader->status != ANB_OK) return false;
    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at != (unsigned char)mark) return false;
    reader->at++;
    return true;
}

bool reader_expect(struct reader *reader, char mark)
{
    if (reader_take(reader, mark)) return true;
    if (reader->at == reader->end) return reader_fail(reader, "the text ends where '%c' is expected", mark);
    return reader_fail(reader, "'%c' is expected", mark);
}

bool reader_more(struct reader *reader, char close, size_t n_before)
{
    if (reader_take(reader, close)) return false;
    return reader->status == ANB_OK && (n_before == 0 || reader_expect(reader, ','));
}

static bool hex_unit(struct reader *reader, uint32_t *unit)
{
    if (reader->end - reader->at < 4) return reader_fail(reader, "\\u needs four digits");
    unsigned char bytes[2];
    char digits[5] = {0};
    memcpy(digits, reader->at, 4);
    if (!hex_decode(digits, bytes, sizeof bytes)) return reader_fail(reader, "\\u needs four digits");
    reader->at += 4;
    *unit = (uint32_t)bytes[0] << 8 | bytes[1];
    return true;
}

/* What follows \u, with the second half of a surrogate pair. */
static bool code_point(struct reader *reader, uint32_t *point)
{
    uint32_t low = 0;
    if (!hex_unit(reader, point)) return false;
    if (*point == 0) return reader_fail(reader, "a text with a NUL");
    if (*point < 0xd800 || *point > 0xdfff) return true;
    bool pair = *point < 0xdc00 && reader->end - reader->at >= 2 && memcmp(reader->at, "\\u", 2) == 0;
    if (!pair) return reader_fail(reader, "half of a surrogate pair");
    reader->at += 2;
    if (!hex_unit(reader, &low)) return false;
    if (low < 0xdc00 || low > 0xdfff) return reader_fail(reader, "half of a surrogate pair");
    *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static size_t encode_utf8(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, point >>= 6) out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)((length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0) | point);
    return length;
}

/* What stands behind a backslash, as UTF-8. */
static bool escape(struct reader *reader, char out[4], size_t *length)
{
    static const char marks[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->end) return reader_fail(reader, "the text ends inside quotes");
    unsigned char mark = *reader->at;
    const char *found = mark ? strchr(marks, mark) : NULL;
    if (!found && mark != 'u') return reader_fail(reader, "an escape that JSON does not have");
    reader->at++;
    if (found) {
        out[0] = meant[found - marks];
        *length = 1;
        return true;
    }
    uint32_t point = 0;
    if (!code_point(reader, &point)) return false;
    *length = encode_utf8(point, out);
    return true;
}

static bool character(struct reader *reader, char out[4], size_t *length)
{
    if (reader->at == reader->end) return reader_fail(reader, "the text ends inside quotes");
    if (*reader->at < 0x20) return reader_fail(reader, "a control character inside quotes");
    out[0] = (char)*reader->at++;
    *length = 1;
    return out[0] != '\\' || escape(reader, out, length);
}

bool reader_text(struct reader *reader, char *out, size_t room, size_t *size)
{
    if (!reader_expect(reader, '"')) return false;
    size_t n = 0;
    while (reader->at == reader->end || *reader->at != '"') {
        char bytes[4];
        size_t length = 0;
        if (!character(reader, bytes, &length)) return false;
        if (length >= room - n) return reader_fail(reader, "a text longer than %zu bytes", room - 1);
        memcpy(out + n, bytes, length);
        n += length;
    }
    reader->at++;
    out[n] = 0;
    if (!utf8_is_valid(slice_of(out, n))) return reader_fail(reader, "a text that is not UTF-8");
    *size = n;
    return true;
}

bool reader_count(struct reader *reader, int64_t *count)
{
    if (reader->status != ANB_OK) return false;
    skip_blanks(reader);
    const unsigned char *first = reader->at;
    int64_t value = 0;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *reader->at - '0', &value))
            return reader_fail(reader, "a number above 9223372036854775807");
    }
    if (reader->at == first) return reader_fail(reader, "a whole number, 0 or more, is expected");
    if (*first == '0' && reader->at - first > 1) return reader_fail(reader, "a number with a 0 in front");
    *count = value;
    return true;
}

bool reader_end(struct reader *reader)
{
    if (reader->status != ANB_OK) return false;
    skip_blanks(reader);
    return reader->at == reader->end || reader_fail(reader, "more text behind the last '}'");
}

static enum anb_status quote_byte(struct buf *out, unsigned char byte, struct anb_error *err)
{
    static const char marks[] = "bfnrt\"\\", meant[] = "\b\f\n\r\t\"\\";
    const char *found = strchr(meant, byte);
    if (found) return buf_printf(out, err, "\\%c", marks[found - meant]);
    if (byte < 0x20) return buf_printf(out, err, "\\u%04x", byte);
    return buf_append(out, slice_of(&byte, 1), err);
}

enum anb_status header_quote(struct buf *out, const char *text, struct anb_error *err)
{
    enum anb_status status = buf_append_text(out, "\"", err);
    for (; *text && status == ANB_OK; text++) status = quote_byte(out, (unsigned char)*text, err);
    if (status == ANB_OK) status = buf_append_text(out, "\"", err);
    return status;
}
