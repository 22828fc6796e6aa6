/* One line of an audit log as a plain struct, and its one form as text. Any thread.
 *
 * A line is a JSON object with its keys in a fixed order, no blanks, and a newline. Its digest is the SHA-256 of these
 * bytes without the newline. Another spelling of the same values is no line. */
#ifndef ANB_AUDIT_LINE_H
#define ANB_AUDIT_LINE_H

#include "audit/audit.h"

enum { AUDIT_LINE_MAX_BYTES = 16384 };

struct audit_line {
    int64_t sequence;
    struct digest previous; /* zeros before the first line */
    char time[32];
    char who[AUDIT_WHO_BYTES + 8], what[32], on[AUDIT_ON_BYTES + 8];
    char outcome[AUDIT_OUTCOME_BYTES + 8], detail[AUDIT_DETAIL_BYTES + 8];
};

/* Copies the event's texts, cut to their bounds, with what is no UTF-8 replaced. */
void audit_line_fill(struct audit_line *line, const struct audit_event *event, const char *node);
/* Appends the text with its newline, and gives its digest. */
enum anb_status audit_line_write(const struct audit_line *line, struct buf *out, struct digest *digest,
                                 struct anb_error *err);
/* `text` is without the newline. CORRUPT with what is wrong. */
enum anb_status audit_line_read(struct slice text, struct audit_line *line, struct digest *digest,
                                struct anb_error *err);

#endif
