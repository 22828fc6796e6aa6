/* Whether the files of an audit log are one chain, and whether it holds the heads that others have kept. Any thread. */
#ifndef ANB_AUDIT_VERIFY_H
#define ANB_AUDIT_VERIFY_H

#include "audit/audit.h"

#include <stddef.h>

struct audit_verdict {
    int64_t n_files, n_lines;
    int64_t first_sequence; /* above 1: the chain begins in files that are not here */
    struct chain_head last;
    size_t n_heads_met, n_heads_before; /* of the expected ones: found here; of lines before the first one here */
    bool is_broken;                     /* then where and why: */
    char file[128];
    int64_t line; /* from 1; 0: it is not one line */
    char reason[256];
};

/* `path` is the folder of a log (all its files are read, in their order) or one file of it. An expected head of
 * sequence 0 is met by any line with its digest. A broken chain is an answer: OK, and the verdict says so. NOT_FOUND,
 * DENIED, IO: the files cannot be read. */
enum anb_status audit_verify(const char *path, const struct chain_head *heads, size_t n_heads,
                             struct audit_verdict *verdict, struct anb_error *err);

#endif
