/* Why records are refused. Only this folder includes it; others see the words (federation_refusal_at). Constant. */
#ifndef ANB_JOB_REFUSAL_H
#define ANB_JOB_REFUSAL_H

/* Why a record was refused: the word that stands in logs and metrics. */
#define REFUSAL_LIST(X)                                                                                                \
    X(NOT_CONTROL, "not-control")                                                                                      \
    X(BAD_RECORD, "bad-record")                                                                                        \
    X(WRONG_PROJECT, "wrong-project")                                                                                  \
    X(UNKNOWN_SENDER, "unknown-sender")                                                                                \
    X(REVOKED, "revoked")                                                                                              \
    X(EXPIRED, "expired")                                                                                              \
    X(BAD_CERTIFICATE, "bad-certificate")                                                                              \
    X(BAD_SIGNATURE, "bad-signature")                                                                                  \
    X(STALE_ROSTER, "stale-roster")                                                                                    \
    X(BAD_ROSTER, "bad-roster")                                                                                        \
    X(UNKNOWN_NODE, "unknown-node")                                                                                    \
    X(STALE_INCARNATION, "stale-incarnation")                                                                          \
    X(REPEATED, "repeated")                                                                                            \
    X(NODE_DOWN, "node-down")                                                                                          \
    X(WRONG_ROLE, "wrong-role")                                                                                        \
    X(STALE_EPOCH, "stale-epoch")                                                                                      \
    X(NOT_LEADER, "not-leader")                                                                                        \
    X(UNKNOWN_JOB, "unknown-job")                                                                                      \
    X(UNKNOWN_STREAM, "unknown-stream")                                                                                \
    X(REPEATED_STREAM, "repeated-stream")                                                                              \
    X(ABANDONED_STREAM, "abandoned-stream")                                                                            \
    X(TOO_MANY_STREAMS, "too-many-streams")                                                                            \
    X(LATE, "late")                                                                                                    \
    X(NOT_A_SITE, "not-a-site")                                                                                        \
    X(NOT_A_SHARE, "not-a-share")                                                                                      \
    X(EXCLUDED, "excluded")                                                                                            \
    X(ILLEGAL_MOVE, "illegal-move")                                                                                    \
    X(BAD_LAYOUT, "bad-layout")                                                                                        \
    X(BAD_STREAM, "bad-stream")                                                                                        \
    X(BAD_MARKS, "bad-marks")                                                                                          \
    X(BAD_SPEC, "bad-spec")                                                                                            \
    X(BAD_DIGEST, "bad-digest")                                                                                        \
    X(NOT_A_RECEIVER, "not-a-receiver")                                                                                \
    X(REPEATED_QUESTION, "repeated-question")

enum refusal {
#define X(code, word) REFUSAL_##code,
    REFUSAL_LIST(X)
#undef X
        N_REFUSALS
};

struct asker { /* of a stream's key, not answered yet */
    const struct node_state *node;
    struct asker *next;
};

#endif
