/* Numbers, times and foreign text as people read them. Any thread. */
#ifndef ANB_CLI_FORMAT_H
#define ANB_CLI_FORMAT_H

#include "base/buf.h"

enum { FORMAT_BYTES = 32 };

/* "0 B", "960 KiB", "1.4 GiB" */
const char *format_bytes(int64_t bytes, char text[FORMAT_BYTES]);
/* How long: "0.8s", "42s", "3m12s", "2h5m", "9d4h"; "-" below zero. */
const char *format_duration(int64_t ms, char text[FORMAT_BYTES]);
/* Four significant digits: "0.9331", "12.5". */
const char *format_metric(double value, char text[FORMAT_BYTES]);
/* Text from elsewhere, with every control character (also of the second set, and escapes) as one "?", so that it cannot
 * command a terminal; tabs become blanks. Appended to `out`. */
enum anb_status format_foreign(const char *text, struct buf *out, struct anb_error *err);
/* Columns a text takes: its UTF-8 characters. */
size_t format_width(const char *text);

#endif
