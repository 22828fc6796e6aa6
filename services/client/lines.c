#include "lines.h"

#include <string.h>

/* Bytes of the UTF-8 character at `at`; 0 when it is none. */
static size_t character_bytes(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char mask, lead;
        unsigned long least;
    } forms[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
    for (size_t n = 1; n <= 4 && n <= left; n++) {
        if ((at[0] & forms[n - 1].mask) != forms[n - 1].lead) continue;
        unsigned long point = at[0] & (unsigned char)~forms[n - 1].mask;
        for (size_t i = 1; i < n; i++) {
            if ((at[i] & 0xC0) != 0x80) return 0;
            point = point << 6 | (at[i] & 0x3F);
        }
        bool legal = point >= forms[n - 1].least && point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
        return legal ? n : 0;
    }
    return 0;
}

static void clean(char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = character_bytes((const unsigned char *)text + i, size - i);
        bool control = n == 1 && (unsigned char)text[i] < 0x20 && text[i] != '\t';
        if (n == 0 || control || text[i] == 0x7F) text[i] = '?';
        i += n > 0 ? n : 1;
    }
}

static void hand_out(struct lines *lines, lines_taker *take, void *context)
{
    if (lines->size > 0 && lines->line[lines->size - 1] == '\r') lines->size--;
    clean(lines->line, lines->size);
    strcpy(lines->line + lines->size, lines->is_cut ? " ..." : "");
    lines->size = 0;
    lines->is_cut = false;
    take(context, lines->line);
}

void lines_feed(struct lines *lines, const char *bytes, size_t size, lines_taker *take, void *context)
{
    while (size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t part = newline ? (size_t)(newline - bytes) : size;
        size_t room = LINE_MAX_BYTES - lines->size;
        size_t taken = part < room ? part : room;
        memcpy(lines->line + lines->size, bytes, taken);
        lines->size += taken;
        lines->is_cut |= taken < part;
        if (newline) hand_out(lines, take, context);
        part += newline ? 1 : 0;
        bytes += part;
        size -= part;
    }
}

void lines_end(struct lines *lines, lines_taker *take, void *context)
{
    if (lines->size > 0) hand_out(lines, take, context);
}
