/* The little JSON that a safetensors header is made of: a pull reader of maps, lists, texts and counts, and a writer of
 * texts.
 *
 * The reader allocates nothing and never recurses, so a hostile header costs no more than its own bytes (base/doc.h
 * builds a tree instead, many times as large as the text). The first fault is kept as a sentence with its place; after
 * it every call gives false. One thread at a time. */
#ifndef ANB_TENSOR_HEADER_TEXT_H
#define ANB_TENSOR_HEADER_TEXT_H

#include "base/buf.h"

struct reader {
    const unsigned char *start, *at, *end;
    struct anb_error *err;
    enum anb_status status; /* OK until the first fault */
};

void reader_init(struct reader *reader, struct slice text, struct anb_error *err);
/* Keeps the sentence of the first fault only; gives false. */
bool reader_fail(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool reader_take(struct reader *reader, char mark); /* blanks, then `mark`: true and past it; else false, no fault */
bool reader_expect(struct reader *reader, char mark);
/* After `{` or `[`: is there one more part? Reads the comma between parts and the `close` mark. */
bool reader_more(struct reader *reader, char close, size_t n_before);
/* A text, unescaped, with a NUL behind it, into `out`, which has `room` bytes; it may not hold a NUL itself. */
bool reader_text(struct reader *reader, char *out, size_t room, size_t *size);
/* A whole number from 0 to INT64_MAX, written in digits only. */
bool reader_count(struct reader *reader, int64_t *count);
bool reader_end(struct reader *reader); /* only blanks are left */

/* Append `text` between quotes, escaped as little as JSON allows: never longer than any other way to write it. */
enum anb_status header_quote(struct buf *out, const char *text, struct anb_error *err);

#endif
