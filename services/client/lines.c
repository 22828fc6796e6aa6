#include "lines.h"

#include "base/utf8.h"

#include <string.h>

static void clean(char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = utf8_character_bytes(slice_of(text + i, size - i));
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
