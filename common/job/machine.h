/* The states of jobs, rounds, parts and streams, and their legal moves: one table each.
 *
 * Every change of a phase goes through a *_move function, which refuses what the table does not have; the same tables
 * draw the diagrams of docs/. Constant data: any thread. */
#ifndef ANB_JOB_MACHINE_H
#define ANB_JOB_MACHINE_H

#include "base/buf.h"
#include "job/federation.h"

struct machine_move {
    int from, to;
    const char *why; /* and the record that moves it; without : and ;, which end a Mermaid label */
};

struct machine {
    const char *name;
    const char *sentence; /* what the diagram shows */
    const char *const *states;
    int n_states;
    const struct machine_move *moves; /* moves[0].from is where it begins */
    int n_moves;
};

extern const struct machine job_machine, round_machine, part_machine, stream_machine;

bool machine_allows(const struct machine *machine, int from, int to);

/* Change the phase when the table allows it, else give false and change nothing. */
bool job_move(struct job_state *job, enum job_phase to);
bool round_move(struct round_state *round, enum round_phase to);
bool part_move(struct part_state *part, enum part_phase to);
bool stream_move(struct stream_state *stream, enum stream_phase to);

/* A Mermaid state diagram of the table. */
enum anb_status machine_mermaid(const struct machine *machine, struct buf *out, struct anb_error *err);
/* The page in docs/: all four. */
enum anb_status machine_markdown(struct buf *out, struct anb_error *err);

#endif
