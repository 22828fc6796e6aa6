/* What readers of streams did not accept, counted by reason. One `struct stream_refusals` for each node; any thread. */
#ifndef ANB_STREAM_REFUSALS_H
#define ANB_STREAM_REFUSALS_H

#include <stdatomic.h>

/* code, word in logs and metrics */
#define STREAM_REFUSAL_LIST(X)                                                                                         \
    X(FOREIGN, "not-a-chunk")       /* a record of the outbox that is none; passed over */                             \
    X(REPEATED, "repeated-chunk")   /* passed over */                                                                  \
    X(MISSING, "missing-chunk")     /* a later one came, or the closed stream does not hold it */                      \
    X(PLAINTEXT, "plaintext")       /* not sealed */                                                                   \
    X(ALTERED, "altered-chunk")     /* does not open: changed, moved, or of another stream */                          \
    X(BAD_CLOSE, "bad-close")       /* the closing digests or counts are not those of what was read */                 \
    X(BAD_WRAP, "bad-wrap")         /* the stream's key was not sealed for this node, this stream */                   \
    X(BAD_COMMITMENT, "other-key")  /* a key that the stream is not committed to */                                    \
    X(BAD_ENVELOPE, "bad-envelope") /* sizes or layout that are not what was promised */

enum stream_refusal {
#define X(code, word) STREAM_REFUSED_##code,
    STREAM_REFUSAL_LIST(X)
#undef X
        STREAM_N_REFUSALS
};

struct stream_refusals { /* zero to begin with */
    atomic_llong counts[STREAM_N_REFUSALS];
};

const char *stream_refusal_word(enum stream_refusal refusal);
void stream_refusals_count(struct stream_refusals *refusals, enum stream_refusal refusal);

#endif
