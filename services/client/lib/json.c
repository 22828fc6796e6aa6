#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32 };

struct json_cursor json_over(const char *text, size_t size)
{
    return (struct json_cursor){.at = text, .end = text + size};
}

static void blanks(struct json_cursor *cursor)
{
    while (cursor->at < cursor->end && strchr(" \t\r\n", *cursor->at) && *cursor->at) cursor->at++;
}

static bool take(struct json_cursor *cursor, char wanted)
{
    blanks(cursor);
    if (cursor->bad || cursor->at == cursor->end || *cursor->at != wanted) return false;
    cursor->at++;
    return true;
}

static bool need(struct json_cursor *cursor, char wanted)
{
    if (take(cursor, wanted)) return true;
    cursor->bad = true;
    return false;
}

bool json_enter(struct json_cursor *cursor, char open)
{
    return need(cursor, open);
}

/* Before the next part of a list or object: false at its end. A comma stands between parts and nowhere else. */
static bool next_part(struct json_cursor *cursor, char close)
{
    const char *before = cursor->at;
    if (take(cursor, close)) return false;
    const char *last = before - 1; /* the opening bracket or the end of the last part: always inside the text */
    bool first = *last == '{' || *last == '[';
    if (!first && !need(cursor, ',')) return false;
    return !cursor->bad;
}

char *json_key(struct json_cursor *cursor)
{
    if (cursor->bad || !next_part(cursor, '}')) return NULL;
    char *key = json_text(cursor);
    if (key && need(cursor, ':')) return key;
    free(key);
    return NULL;
}

bool json_item(struct json_cursor *cursor)
{
    return !cursor->bad && next_part(cursor, ']');
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four digits behind \u; -1 when they are not there. */
static long code_unit(struct json_cursor *cursor)
{
    if (cursor->end - cursor->at < 4) return -1;
    long unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*cursor->at++);
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static long code_point(struct json_cursor *cursor)
{
    long unit = code_unit(cursor);
    if (unit < 0xD800 || unit > 0xDFFF) return unit;
    if (unit > 0xDBFF || cursor->end - cursor->at < 2 || cursor->at[0] != '\\' || cursor->at[1] != 'u') return -1;
    cursor->at += 2;
    long low = code_unit(cursor);
    if (low < 0xDC00 || low > 0xDFFF) return -1;
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

static char *put_utf8(char *out, long point)
{
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xC0 | point >> 6);
        *out++ = (char)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        *out++ = (char)(0xE0 | point >> 12);
        *out++ = (char)(0x80 | (point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (point & 0x3F));
    } else {
        *out++ = (char)(0xF0 | point >> 18);
        *out++ = (char)(0x80 | (point >> 12 & 0x3F));
        *out++ = (char)(0x80 | (point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (point & 0x3F));
    }
    return out;
}

/* One escape behind its backslash; NULL when it is none. NUL is refused: texts end with it. */
static char *unescape(struct json_cursor *cursor, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (cursor->at == cursor->end) return NULL;
    char kind = *cursor->at++;
    if (kind == 'u') {
        long point = code_point(cursor);
        return point > 0 ? put_utf8(out, point) : NULL;
    }
    const char *found = kind ? strchr(from, kind) : NULL;
    if (!found) return NULL;
    *out = to[found - from];
    return out + 1;
}

/* Where the closing quote of the text at `at` stands; NULL: nowhere. */
static const char *closing_quote(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '"') return at;
        if (*at == '\\') at++;
    }
    return NULL;
}

char *json_text(struct json_cursor *cursor)
{
    if (!need(cursor, '"')) return NULL;
    const char *quote = closing_quote(cursor->at, cursor->end);
    char *text = quote ? malloc((size_t)(quote - cursor->at) + 1) : NULL; /* an escape is never shorter than its text */
    char *out = text;
    while (out && cursor->at < quote) {
        char c = *cursor->at++;
        if ((unsigned char)c < 0x20)
            out = NULL;
        else if (c == '\\')
            out = unescape(cursor, out);
        else
            *out++ = c;
    }
    if (!out || cursor->at != quote) {
        cursor->bad = true;
        free(text);
        return NULL;
    }
    *out = '\0';
    cursor->at++;
    return text;
}

int64_t json_integer(struct json_cursor *cursor)
{
    blanks(cursor);
    char digits[24];
    size_t n = 0;
    while (cursor->at < cursor->end && n < sizeof digits - 1 && strchr("-0123456789", *cursor->at) && *cursor->at)
        digits[n++] = *cursor->at++;
    digits[n] = '\0';
    char *end;
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    if (n == 0 || *end || errno) cursor->bad = true;
    return cursor->bad ? 0 : value;
}

/* A number, true, false or null: which of them does not matter to who skips it. */
static void skip_word(struct json_cursor *cursor)
{
    const char *from = cursor->at;
    while (cursor->at < cursor->end && *cursor->at && strchr("+-.0123456789Eabcdefghijklmnopqrstuvwxyz", *cursor->at))
        cursor->at++;
    if (cursor->at == from) cursor->bad = true;
}

static void skip(struct json_cursor *cursor, int depth)
{
    blanks(cursor);
    if (depth > MAX_DEPTH || cursor->at == cursor->end) cursor->bad = true;
    if (cursor->bad) return;
    switch (*cursor->at) {
    case '"': free(json_text(cursor)); break;
    case '{':
        cursor->at++;
        for (char *key; (key = json_key(cursor)); free(key)) skip(cursor, depth + 1);
        break;
    case '[':
        cursor->at++;
        while (json_item(cursor)) skip(cursor, depth + 1);
        break;
    default: skip_word(cursor);
    }
}

void json_skip(struct json_cursor *cursor)
{
    skip(cursor, 0);
}

bool json_done(struct json_cursor *cursor)
{
    blanks(cursor);
    return !cursor->bad && cursor->at == cursor->end;
}

/* -- writing */

static void put(struct json_text *out, const char *bytes, size_t size)
{
    if (out->failed || size > out->ceiling - out->size) {
        out->failed = true;
        return;
    }
    if (out->size + size + 1 > out->capacity) {
        size_t capacity = 2 * (out->size + size) + 64;
        char *grown = realloc(out->data, capacity);
        if (!grown) {
            out->failed = true;
            return;
        }
        out->data = grown;
        out->capacity = capacity;
    }
    memcpy(out->data + out->size, bytes, size);
    out->size += size;
    out->data[out->size] = '\0';
}

void json_put(struct json_text *out, const char *raw)
{
    put(out, raw, strlen(raw));
}

void json_put_text(struct json_text *out, const char *text)
{
    json_put(out, "\"");
    for (const char *at = text; *at; at++) {
        char escape[8];
        if (*at == '"' || *at == '\\') {
            snprintf(escape, sizeof escape, "\\%c", *at);
            json_put(out, escape);
        } else if ((unsigned char)*at < 0x20) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)*at);
            json_put(out, escape);
        } else {
            put(out, at, 1);
        }
    }
    json_put(out, "\"");
}

void json_put_integer(struct json_text *out, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    json_put(out, digits);
}

void json_put_real(struct json_text *out, double value)
{
    char digits[40];
    if (!isfinite(value)) {
        json_put(out, "null");
        return;
    }
    snprintf(digits, sizeof digits, "%.17g", value);
    char *comma = strchr(digits, ','); /* the program may have set a locale */
    if (comma) *comma = '.';
    json_put(out, digits);
}

void json_fini(struct json_text *out)
{
    free(out->data);
    *out = (struct json_text){0};
}
