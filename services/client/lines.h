/* A byte stream cut into lines, for what a trainer prints. A line has at most LINE_MAX_BYTES; what is longer is cut and
 * marked. Lines are handed out as UTF-8 texts: bytes that are none become '?', and so do control characters but tabs.
 */
#ifndef ANB_CLIENT_LINES_H
#define ANB_CLIENT_LINES_H

#include <stdbool.h>
#include <stddef.h>

enum { LINE_MAX_BYTES = 4096 };

struct lines {
    char line[LINE_MAX_BYTES + 8]; /* the unfinished one, and room for the mark */
    size_t size;
    bool is_cut;
};

typedef void lines_taker(void *context, const char *line);

void lines_feed(struct lines *lines, const char *bytes, size_t size, lines_taker *take, void *context);
void lines_end(struct lines *lines, lines_taker *take, void *context); /* hand out a last line without a newline */

#endif
