/* UTF-8, as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Any thread. */
#ifndef ANB_BASE_UTF8_H
#define ANB_BASE_UTF8_H

#include "base/buf.h"

/* Bytes of the character at the front of `text`; 0 when it begins with none, or is empty. */
size_t utf8_character_bytes(struct slice text);
bool utf8_is_valid(struct slice text);
/* Each byte that belongs to no character becomes '?': foreign bytes can then be shown as text. */
void utf8_repair(char *text);
#endif
