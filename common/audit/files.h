/* The files of an audit log in its folder: where the chain ends, and what full files there are. One thread at a time;
 * descriptors are the caller's. */
#ifndef ANB_AUDIT_FILES_H
#define ANB_AUDIT_FILES_H

#include "audit/line.h"

#define AUDIT_FILE_NAME "audit.log"

enum { AUDIT_TAIL_BYTES = 4 * AUDIT_LINE_MAX_BYTES, AUDIT_NAME_BYTES = 40 };

struct audit_tail {         /* the end of a file */
    int64_t bytes;          /* up to the end of its last line */
    int64_t first_sequence; /* of the file's first line; 0: it has none */
    struct chain_head head;
    int64_t n_torn; /* bytes behind the last line, that are none */
    struct digest torn;
};

/* CORRUPT: there is more than one unfinished line, and no line among the last AUDIT_TAIL_BYTES. An empty file is fine:
 * all zeros. */
enum anb_status audit_tail_read(int fd, const char *name, struct audit_tail *tail, struct anb_error *err);

struct audit_full_files { /* named by their first sequences; 0: there is none */
    int64_t lowest, second, highest;
    size_t n;
};
/* Those whose first sequence is above `after`. */
enum anb_status audit_full_files(int folder, int64_t after, struct audit_full_files *files, struct anb_error *err);
/* "audit-000000000042.log" */
const char *audit_full_name(int64_t first_sequence, char name[AUDIT_NAME_BYTES]);

#endif
