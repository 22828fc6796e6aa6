/* The audit log: what was asked of this node, by whom, and what became of it, in lines that are chained by digests.
 *
 * Each line holds the SHA-256 of the line before it, so no line can be altered, removed or put in between without
 * breaking all that follow; heads (sequence and digest of the last line) go into the control log, where others keep
 * them. The lines are in FOLDER/audit.log; when that is full it becomes audit-NNNNNNNNNNNN.log (the sequence of its
 * first line), and the chain goes on in a new one. One process at a time has a folder. Any thread may write.
 *
 * What happens when a line cannot be written is decided by the event. An AUDIT_FIRST event is written before the act:
 * the caller gets the failure and must not act. So is an AUDIT_DURABLE one, which is on the disk, too, when the call
 * returns. An AUDIT_AFTER event has happened already: the line is lost and counted, and the next line that can be
 * written says how many are missing. AUDIT_FLOOD events are AFTER events that a stranger can cause at will: above
 * AUDIT_FLOOD_PER_MINUTE of a kind they are only counted, too.
 * Every line survives the end of the process at once. It survives a power loss when a DURABLE line or a head follows
 * it, or another line a second later: fdatasync is called then, and never more often than that. */
#ifndef ANB_AUDIT_AUDIT_H
#define ANB_AUDIT_AUDIT_H

#include "crypto/digest.h"

/* code, word, when it is written */
#define AUDIT_EVENT_LIST(X)                                                                                            \
    X(LOG_BEGAN, "log-began", AFTER)                 /* the first line of a chain; written by audit_open */            \
    X(LOG_OPENED, "log-opened", AFTER)               /* a process has started; written by audit_open */                \
    X(LOG_CLOSED, "log-closed", AFTER)               /* it ends in good order; written by audit_close */               \
    X(LOG_REPAIRED, "log-repaired", AFTER)           /* a line was unfinished when the process before died */          \
    X(FILE_DROPPED, "file-dropped", AFTER)           /* the oldest file was removed to keep the log in its bounds */   \
    X(LINES_MISSING, "lines-missing", AFTER)         /* lines were lost, or too many came */                           \
    X(SIGN_IN_FAILED, "sign-in-failed", FLOOD)       /* bad token, bad certificate */                                  \
    X(REQUEST_REFUSED, "request-refused", FLOOD)     /* known, but not allowed */                                      \
    X(JOB_SUBMITTED, "job-submitted", DURABLE)       /* server */                                                      \
    X(JOB_ABORTED, "job-aborted", DURABLE)           /* server */                                                      \
    X(JOB_DELETED, "job-deleted", DURABLE)           /* server */                                                      \
    X(MODEL_DOWNLOADED, "model-downloaded", DURABLE) /* server */                                                      \
    X(TOKEN_MADE, "token-made", DURABLE)             /* server */                                                      \
    X(TOKEN_REVOKED, "token-revoked", DURABLE)       /* server */                                                      \
    X(ROSTER_CHANGED, "roster-changed", AFTER)       /* a new version is in force here */                              \
    X(JOB_ENDED, "job-ended", AFTER)                 /* outcome and reason */                                          \
    X(JOB_ACCEPTED, "job-accepted", DURABLE)         /* agent: by which rule */                                        \
    X(JOB_REFUSED, "job-refused", AFTER)             /* agent: by which rule */                                        \
    X(POLICY_LOADED, "policy-loaded", DURABLE)       /* agent: file and digest */                                      \
    X(BUNDLE_VERIFIED, "bundle-verified", FIRST)     /* agent: the job's files are what the submitter signed */        \
    X(BUNDLE_REFUSED, "bundle-refused", AFTER)       /* agent */                                                       \
    X(TRAINER_STARTED, "trainer-started", FIRST)     /* agent: command and how it is confined */                       \
    X(TRAINER_ENDED, "trainer-ended", AFTER)         /* agent */                                                       \
    X(BUDGET_SPENT, "budget-spent", FIRST)           /* agent: before the update leaves */                             \
    X(UPDATE_SENT, "update-sent", FIRST)             /* agent: about to leave; bytes and filters */                    \
    X(UPDATE_ENDED, "update-ended", AFTER)           /* agent: the broker has it, or it failed */

enum audit_what {
#define X(code, word, when) AUDIT_##code,
    AUDIT_EVENT_LIST(X)
#undef X
        AUDIT_N_EVENTS
};
enum audit_when { AUDIT_DURABLE, AUDIT_FIRST, AUDIT_AFTER, AUDIT_FLOOD };

enum {
    AUDIT_FLOOD_PER_MINUTE = 120, /* of each kind */
    AUDIT_WHO_BYTES = 128,        /* longer texts are cut and end in " ..." */
    AUDIT_ON_BYTES = 256,
    AUDIT_OUTCOME_BYTES = 32,
    AUDIT_DETAIL_BYTES = 1024,
};

const char *audit_word(enum audit_what what);
enum audit_when audit_when(enum audit_what what);

struct audit_event {
    enum audit_what what;
    const char *who;     /* "user anna", "node server", "address 10.0.0.7"; NULL: the node itself */
    const char *on;      /* "job 4f1c0e5a9b3d2c11"; NULL: nothing */
    const char *outcome; /* a word: "ok", "denied", "failed", ...; NULL: "ok" */
    const char *detail;  /* a sentence, never a secret; NULL: none */
};

struct audit;

struct audit_config {
    const char *folder; /* is made when missing */
    const char *project, *node;
    int64_t file_bytes; /* a file that has this many is full; 0: AUDIT_FILE_BYTES */
    int64_t n_files;    /* how many are kept; 0: AUDIT_N_FILES */
};
enum { AUDIT_FILE_BYTES = 16 << 20, AUDIT_N_FILES = 64, AUDIT_HEAD_MS = 60000, AUDIT_PRESSING_MS = 2000 };

/* Goes on where the folder's log ends, after a look at its last line; an unfinished one is cut off and a line says so.
 * EXISTS: another process has the folder. CORRUPT: the file's end holds no line at all: somebody must look. */
enum anb_status audit_open(const struct audit_config *config, struct audit **audit, struct anb_error *err);
void audit_close(struct audit *audit); /* NULL is fine */

/* A NULL `audit` keeps no log: OK (tests, tools). A failure is logged here, too. */
enum anb_status audit_write(struct audit *audit, const struct audit_event *event, struct anb_error *err);

struct chain_head {   /* of a chain: all lines up to `sequence` are as they were when it was taken */
    int64_t sequence; /* from 1; 0: no line yet */
    struct digest digest;
};

/* True when others should be told the head: lines have come since it was last taken, and a job has ended or
 * AUDIT_HEAD_MS have passed. */
bool audit_head_is_due(struct audit *audit);
/* Puts all lines on the disk first, so a head that others have seen is never ahead of the file. */
enum anb_status audit_take_head(struct audit *audit, struct chain_head *head, struct anb_error *err);
int64_t audit_n_missing(struct audit *audit); /* lines that could not be written, since the start; for metrics */

#endif
