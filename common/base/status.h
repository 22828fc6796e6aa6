/* What a fallible function returns, and the sentence that goes with it.
 *
 * Every fallible function returns `enum anb_status` and takes a last parameter `struct anb_error *err`, which lives on
 * the caller's stack and may be NULL. On failure the sentence names the thing, what is wrong with it and what to do; on
 * success `err` is untouched. Results are written on success only. No function here allocates; all may run on any
 * thread. */
#ifndef ANB_BASE_STATUS_H
#define ANB_BASE_STATUS_H

#include <stdarg.h>

/* code, word in logs and JSON, class: who can do something about it */
#define ANB_STATUS_LIST(X)                                                                                             \
    X(OK, "ok", NONE)                                                                                                  \
    X(AGAIN, "again", RETRY)             /* nothing there yet, or no room now: call again */                           \
    X(TIMEOUT, "timeout", RETRY)         /* the wait ended first */                                                    \
    X(UNAVAILABLE, "unavailable", RETRY) /* the other side cannot be reached now */                                    \
    X(INVALID, "invalid", CALLER)        /* bad input */                                                               \
    X(NOT_FOUND, "not-found", CALLER)                                                                                  \
    X(EXISTS, "exists", CALLER)                                                                                        \
    X(TOO_LARGE, "too-large", CALLER) /* above a stated ceiling */                                                     \
    X(DENIED, "denied", CALLER)                                                                                        \
    X(CORRUPT, "corrupt", CALLER)     /* bytes that are not what they claim to be */                                   \
    X(ABANDONED, "abandoned", CALLER) /* the sender gave the stream up */                                              \
    X(CLOSED, "closed", FATAL)        /* ended, nothing more will come */                                              \
    X(NO_SPACE, "no-space", FATAL)    /* disk full */                                                                  \
    X(NO_MEMORY, "no-memory", FATAL)                                                                                   \
    X(IO, "io", FATAL)                                                                                                 \
    X(FATAL, "fatal", FATAL)

enum anb_status {
#define X(code, word, class) ANB_##code,
    ANB_STATUS_LIST(X)
#undef X
};

enum anb_status_class { ANB_CLASS_NONE, ANB_CLASS_RETRY, ANB_CLASS_CALLER, ANB_CLASS_FATAL };

struct anb_error {
    enum anb_status status;
    char text[512];
};

const char *anb_status_word(enum anb_status status);
enum anb_status_class anb_status_class(enum anb_status status);

/* Fill `err` (if not NULL) and return `status`, so that `return anb_fail(err, ANB_INVALID, "...")` is one line. */
enum anb_status anb_fail(struct anb_error *err, enum anb_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for an errno: NO_SPACE for ENOSPC and EDQUOT, NO_MEMORY, NOT_FOUND, EXISTS, DENIED, else IO. The system's
 * words are added behind the sentence. */
enum anb_status anb_fail_errno(struct anb_error *err, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put words in front of the sentence in `err`: "site a: <sentence>". */
void anb_error_prefix(struct anb_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
