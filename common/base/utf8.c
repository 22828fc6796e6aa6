#include "base/utf8.h"

#include <string.h>

size_t utf8_character_bytes(struct slice text)
{
    const unsigned char *in = text.data;
    if (text.size == 0) return 0;
    unsigned char first = in[0];
    if (first < 0x80) return 1;
    size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length == 0 || length > text.size) return 0;
    for (size_t i = 1; i < length; i++)
        if ((in[i] & 0xc0) != 0x80) return 0;
    bool overlong = (first == 0xe0 && in[1] < 0xa0) || (first == 0xf0 && in[1] < 0x90);
    bool surrogate = first == 0xed && in[1] > 0x9f;
    bool too_high = first == 0xf4 && in[1] > 0x8f;
    return overlong || surrogate || too_high ? 0 : length;
}

bool utf8_is_valid(struct slice text)
{
    while (text.size > 0) {
        size_t length = utf8_character_bytes(text);
        if (length == 0) return false;
        text = slice_of((const char *)text.data + length, text.size - length);
    }
    return true;
}

void utf8_repair(char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t length = utf8_character_bytes(slice_of(text, left));
        if (length == 0) {
            *text = '?';
            length = 1;
        }
        text += length;
        left -= length;
    }
}
