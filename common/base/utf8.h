/* UTF-8, as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Any thread. */
#ifndef ANB_BASE_UTF8_H
#define ANB_BASE_UTF8_H

#include "base/buf.h"

bool utf8_is_valid(struct slice text);
/* Each byte that belongs to no character becomes '?': what a trainer printed can then travel as text. */
void utf8_repair(char *text);

#endif
