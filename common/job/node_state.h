/* A node as the control log and its pulses show it. Owned by the federation's state (federation.h), and read under the
 * same lock. */
#ifndef ANB_JOB_NODE_STATE_H
#define ANB_JOB_NODE_STATE_H

#include "wire/records.h"

enum { NODE_MAX_REFUSALS = 16 };

struct node_refusal { /* what a node did not accept in streams; from its pulses */
    char reason[24];
    int64_t count;
};

enum { AUDIT_MARKS = 64 };
struct audit_mark { /* the head of a node's audit log, as it told it */
    int64_t line;
    struct digest digest;
    int64_t time_ms;
};

struct node_state {
    const char *name;
    enum role role;
    bool up; /* NodeUp seen, no NodeDown since */
    int64_t incarnation;
    int64_t sequence;      /* last applied */
    int64_t pulse_time_ms; /* of the last pulse, by the node's clock */
    int64_t last_seen_ms;  /* last pulse or record, by this process's clock; 0: never */
    char activity[16];     /* from the last pulse */
    char version[24];
    struct audit_mark *audit_marks; /* with history: the last ones, at most AUDIT_MARKS, oldest first */
    size_t n_audit_marks;
    struct node_refusal refusals[NODE_MAX_REFUSALS];
    size_t n_refusals;
    struct node_state *next; /* by name */
};

#endif
