/* Rounds that are over: a server keeps the newest ones, within a bound; whoever keeps none keeps what work needs. */
#include "support/federation.h"
#include "support/test.h"

#include <malloc.h>
#include <string.h>

enum { MANY_ROUNDS = 20000, MOST_MIB = 24 };

static void run_rounds(struct world *w, int n)
{
    for (int i = 0; i < n && the_job(w)->phase == JOB_RUNNING; i++) {
        close_all_updates(w);
        close_all_shares(w);
        lead(w); /* closes the round */
        lead(w); /* opens the next one */
    }
}

static size_t heap_mib(void)
{
    struct mallinfo2 info = mallinfo2();
    return (info.uordblks + info.hblkhd) >> 20;
}

static void a_job_of_very_many_rounds_takes_bounded_memory(void)
{
    struct world w;
    size_t before = heap_mib();
    world_run(&w, MANY_ROUNDS, false);
    run_rounds(&w, MANY_ROUNDS - 1);
    const struct job_state *job = the_job(&w);
    CHECK_EQUAL(job->rounds[job->n_rounds - 1]->round, MANY_ROUNDS - 1);
    CHECK_EQUAL((int64_t)job->n_rounds + job->n_forgotten, MANY_ROUNDS);
    CHECK(job->n_rounds > 1000);
    CHECK(job->rounds[0]->bytes > 0);
    CHECK_EQUAL(job->forgotten_bytes, job->n_forgotten * job->rounds[0]->bytes);
    for (size_t i = 1; i < job->n_rounds; i++) CHECK_EQUAL(job->rounds[i]->round, job->rounds[i - 1]->round + 1);
    CHECK(heap_mib() - before <= MOST_MIB);
    run_rounds(&w, 1);
    CHECK_EQUAL(the_job(&w)->phase, JOB_STORING);
    world_fini(&w);
}

static void end_and_delete(struct world *w)
{
    struct record stored = {.kind = RECORD_MODEL_STORED,
                            .is.model_stored = {.job = WORLD_JOB, .round = the_round(w)->round, .reason = "disk full"}};
    struct record deleted = {.kind = RECORD_JOB_DELETED, .is.job_deleted = {.job = WORLD_JOB}};
    CHECK_STATUS(say(w, "server-1", &stored), ANB_OK);
    lead(w);
    CHECK_EQUAL(the_job(w)->phase, JOB_ENDED);
    CHECK_STATUS(say(w, "server-1", &deleted), ANB_OK);
    CHECK(the_job(w) == NULL);
}

static void a_job_that_is_deleted_gives_its_place_to_the_next(void)
{
    struct world w;
    world_run(&w, 10, false);
    run_rounds(&w, 10);
    end_and_delete(&w);
    start_world_job(&w, "rounds: 10\n");
    lead(&w);
    run_rounds(&w, 9);
    CHECK_EQUAL(the_job(&w)->n_rounds, 10);
    CHECK_EQUAL(the_job(&w)->n_forgotten, 0);
    world_fini(&w);
}

TEST_MAIN("history", TEST(a_job_of_very_many_rounds_takes_bounded_memory),
          TEST(a_job_that_is_deleted_gives_its_place_to_the_next))
