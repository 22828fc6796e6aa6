#include "base/utf8.h"

#include <string.h>

/* The length of the character at the front of `in`, 0 when it is none. */
static size_t character_bytes(const unsigned char *in, size_t size)
{
    unsigned char first = in[0];
    if (first < 0x80) return 1;
    size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length == 0 || length > size) return 0;
    for (size_t i = 1; i < length; i++)
        if ((in[i] & 0xc0) != 0x80) return 0;
    bool overlong = (first == 0xe0 && in[1] < 0xa0) || (first == 0xf0 && in[1] < 0x90);
    bool surrogate = first == 0xed && in[1] > 0x9f;
    bool too_high = first == 0xf4 && in[1] > 0x8f;
    return overlong || surrogate || too_high ? 0 : length;
}

bool utf8_is_valid(struct slice text)
{
    const unsigned char *in = text.data;
    for (size_t i = 0; i < text.size;) {
        size_t length = character_bytes(in + i, text.size - i);
        if (length == 0) return false;
        i += length;
    }
    return true;
}

void utf8_repair(char *text)
{
    unsigned char *in = (unsigned char *)text;
    for (size_t left = strlen(text); left > 0;) {
        size_t length = character_bytes(in, left);
        if (length == 0) {
            *in = '?';
            length = 1;
        }
        in += length;
        left -= length;
    }
}
