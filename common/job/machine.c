#include "job/machine.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const char *const job_states[] = {"submitted", "running", "storing", "ended"};
static const struct machine_move job_moves[] = {
    {JOB_SUBMITTED, JOB_RUNNING, "enough sites have accepted (JobStarted)"},
    {JOB_SUBMITTED, JOB_ENDED, "too few sites, or aborted (JobEnded)"},
    {JOB_RUNNING, JOB_STORING, "it was the last round (RoundClosed)"},
    {JOB_RUNNING, JOB_ENDED, "no quorum, no aggregator, or aborted (JobEnded)"},
    {JOB_STORING, JOB_ENDED, "the model is stored, cannot or need not be, or aborted (JobEnded)"},
};
const struct machine job_machine = {"job", "A job", job_states, COUNT(job_states), job_moves, COUNT(job_moves)};

static const char *const round_states[] = {"open", "closed"};
static const struct machine_move round_moves[] = {
    {ROUND_OPEN, ROUND_OPEN, "other sites count, or others fold (RoundCut)"},
    {ROUND_OPEN, ROUND_CLOSED, "its model stands (RoundClosed)"},
};
const struct machine round_machine = {"round",     "A round of a job", round_states, COUNT(round_states),
                                      round_moves, COUNT(round_moves)};

static const char *const part_states[] = {"waiting", "opened", "closed", "excluded"};
static const struct machine_move part_moves[] = {
    {PART_WAITING, PART_OPENED, "its update begins to travel (StreamOpened)"},
    {PART_OPENED, PART_OPENED, "another stream replaces it (StreamOpened)"},
    {PART_OPENED, PART_CLOSED, "its update counts (StreamClosed)"},
    {PART_OPENED, PART_WAITING, "the stream broke off (StreamAbandoned, NodeUp, NodeDown)"},
    {PART_WAITING, PART_EXCLUDED, "another layout, given up, refused, or late"},
    {PART_OPENED, PART_EXCLUDED, "another layout, given up, refused, or late"},
    {PART_CLOSED, PART_EXCLUDED, "an aggregator cannot use the update (StreamAbandoned)"},
};
const struct machine part_machine = {"part",     "A site's part in a round", part_states, COUNT(part_states),
                                     part_moves, COUNT(part_moves)};

static const char *const stream_states[] = {"open", "closed", "abandoned"};
static const struct machine_move stream_moves[] = {
    {STREAM_OPEN, STREAM_CLOSED, "all its chunks are in the log (StreamClosed)"},
    {STREAM_OPEN, STREAM_ABANDONED,
     "given up, replaced or cut (StreamAbandoned, NodeUp, NodeDown, StreamOpened, RoundCut)"},
    {STREAM_CLOSED, STREAM_ABANDONED, "a model of an older attempt, or damaged (RoundCut, StreamAbandoned)"},
};
const struct machine stream_machine = {"stream",     "A stream",         stream_states, COUNT(stream_states),
                                       stream_moves, COUNT(stream_moves)};

bool machine_allows(const struct machine *machine, int from, int to)
{
    for (int i = 0; i < machine->n_moves; i++)
        if (machine->moves[i].from == from && machine->moves[i].to == to) return true;
    return false;
}

bool job_move(struct job_state *job, enum job_phase to)
{
    if (!machine_allows(&job_machine, job->phase, to)) return false;
    job->phase = to;
    return true;
}

bool round_move(struct round_state *round, enum round_phase to)
{
    if (!machine_allows(&round_machine, round->phase, to)) return false;
    round->phase = to;
    return true;
}

bool part_move(struct part_state *part, enum part_phase to)
{
    if (!machine_allows(&part_machine, part->phase, to)) return false;
    part->phase = to;
    return true;
}

bool stream_move(struct stream_state *stream, enum stream_phase to)
{
    if (!machine_allows(&stream_machine, stream->phase, to)) return false;
    stream->phase = to;
    return true;
}

static bool is_final(const struct machine *machine, int state)
{
    for (int i = 0; i < machine->n_moves; i++)
        if (machine->moves[i].from == state) return false;
    return true;
}

enum anb_status machine_mermaid(const struct machine *machine, struct buf *out, struct anb_error *err)
{
    enum anb_status status =
        buf_printf(out, err, "stateDiagram-v2\n    [*] --> %s\n", machine->states[machine->moves[0].from]);
    for (int i = 0; status == ANB_OK && i < machine->n_moves; i++) {
        const struct machine_move *move = &machine->moves[i];
        status = buf_printf(out, err, "    %s --> %s: %s\n", machine->states[move->from], machine->states[move->to],
                            move->why);
    }
    for (int i = 0; status == ANB_OK && i < machine->n_states; i++)
        if (is_final(machine, i)) status = buf_printf(out, err, "    %s --> [*]\n", machine->states[i]);
    return status;
}

enum anb_status machine_markdown(struct buf *out, struct anb_error *err)
{
    static const struct machine *const machines[] = {&job_machine, &round_machine, &part_machine, &stream_machine};
    enum anb_status status = ANB_OK;
    for (int i = 0; status == ANB_OK && i < COUNT(machines); i++) {
        status = buf_printf(out, err, "%s**%s**\n\n```mermaid\n", i ? "\n" : "", machines[i]->sentence);
        if (status == ANB_OK) status = machine_mermaid(machines[i], out, err);
        if (status == ANB_OK) status = buf_append_text(out, "```\n", err);
    }
    return status;
}
