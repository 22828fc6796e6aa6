/* The rounds that are over. They move nothing any more: a server keeps as many as fit into HISTORY_BYTES, of all jobs
 * together, for those who ask; others keep none. What goes first is the oldest round of the job that has the most, so a
 * job of 100,000 rounds does not drive short ones out. The current round and the one before it always stay. */
#include "job/federation_private.h"

#include <string.h>

enum { HISTORY_BYTES = 16 << 20, KEPT_ROUNDS = 2 };

static void forget_oldest(struct federation *federation, struct job_state *job)
{
    struct round_state *oldest = job->rounds[0];
    federation->history_bytes -= round_history_bytes(oldest);
    job->n_forgotten++;
    job->forgotten_bytes += oldest->bytes;
    round_free(oldest);
    job->n_rounds--;
    memmove(job->rounds, job->rounds + 1, job->n_rounds * sizeof(struct round_state *));
}

static struct job_state *longest_job(const struct federation *federation)
{
    struct job_state *longest = NULL;
    for (size_t i = 0; i < federation->n_jobs; i++)
        if (!longest || federation->jobs[i]->n_rounds > longest->n_rounds) longest = federation->jobs[i];
    return longest;
}

void history_add(struct federation *federation, struct round_state *round)
{
    federation->history_bytes += round_close_history(round);
    size_t most = federation->keep_history ? HISTORY_BYTES : 0;
    while (federation->history_bytes > most) {
        struct job_state *longest = longest_job(federation);
        if (!longest || longest->n_rounds <= KEPT_ROUNDS) return;
        forget_oldest(federation, longest);
    }
}

void history_drop(struct federation *federation, const struct job_state *job)
{
    for (size_t i = 0; i < job->n_rounds; i++) federation->history_bytes -= round_history_bytes(job->rounds[i]);
}
