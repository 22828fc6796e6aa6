/* A stream as the control log tells it: what its opening promised, where its chunks lie, what its close says.
 *
 * Part of a federation's state (federation.h), or a copy of it; texts are the state's and live as long as that knows
 * the stream. All nodes have the same but for the wrap, which is what was sealed for this one. */
#ifndef ANB_JOB_STREAM_STATE_H
#define ANB_JOB_STREAM_STATE_H

#include "wire/records.h"

enum { MAX_PARTITIONS = 64 };

enum stream_phase { STREAM_OPEN, STREAM_CLOSED, STREAM_ABANDONED }; /* legal moves: machine.c */

struct stream_state {
    struct id id;
    const char *sender;
    int64_t incarnation; /* of the sender */
    const char *job;
    int32_t round, attempt;
    enum purpose purpose;
    enum params_type params_type;
    enum stream_encoding encoding;
    struct digest layout_digest;
    int64_t layout_bytes, data_bytes, chunk_count;
    int32_t chunk_bytes;
    uint64_t partitions;                   /* bit p: covers partition p */
    int64_t start_offsets[MAX_PARTITIONS]; /* all partitions of the outbox */
    double weight;
    int64_t roster_version;       /* whose keys its wraps were made with */
    struct digest core;           /* stream_core of its opening */
    struct digest commitment;     /* to its key */
    struct wrap wrap;             /* the key, sealed for the node whose state this is; all zero: none is there */
    bool key_is_asked;            /* that node has asked for it */
    int32_t n_given;              /* wraps that came for it later */
    int64_t opened_at, closed_at; /* offsets in the control log; -1: not yet */
    enum stream_phase phase;
    struct mark marks[MAX_PARTITIONS]; /* once closed: by partition number; count 0 where not covered */
};

#endif
