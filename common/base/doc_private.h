/* The parts of a document, shared by its parsers and its builder. */
#ifndef ANB_BASE_DOC_PRIVATE_H
#define ANB_BASE_DOC_PRIVATE_H

#include "base/doc.h"

struct doc {
    enum doc_kind kind;
    int line;
    int key_line;
    char *key; /* in a map */
    union {
        bool truth;
        int64_t integer;
        double real;
        char *text;
        struct {
            struct doc **items;
            size_t size, capacity;
        } parts;
    } is;
};

struct doc *doc_new(enum doc_kind kind);
/* Takes `part` (frees it when it fails, and when `parent` is NULL). */
struct doc *doc_adopt(struct doc *parent, const char *key, struct doc *part);

#endif
