#include "support/federation.h"
#include "support/test.h"

#include <string.h>

static void a_job_of_two_rounds_runs_to_its_end(void)
{
    struct world w;
    world_run(&w, 2, true);
    for (int round = 0; round < 2; round++) {
        REQUIRE(the_round(&w) != NULL);
        CHECK_EQUAL(the_round(&w)->round, round);
        send_update(&w, "a", WORLD_JOB, 1);
        send_update(&w, "b", WORLD_JOB, 2);
        CHECK_EQUAL(lead(&w), 0);
        send_update(&w, "c", WORLD_JOB, 3);
        send_share(&w, "agg-2", WORLD_JOB);
        CHECK_EQUAL(lead(&w), 0);
        send_share(&w, "agg-1", WORLD_JOB);
        CHECK_EQUAL(lead(&w), 1);
        REQUIRE(only(&w, RECORD_ROUND_CLOSED) != NULL);
        CHECK_EQUAL(the_round(&w)->phase, ROUND_CLOSED);
        CHECK_EQUAL(lead(&w), 1);
    }
    CHECK_EQUAL(the_round(&w)->task, TASK_EVALUATE);
    send_update(&w, "a", WORLD_JOB, 1);
    send_update(&w, "b", WORLD_JOB, 2);
    send_update(&w, "c", WORLD_JOB, 3);
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CLOSED) != NULL);
    CHECK_EQUAL(the_job(&w)->phase, JOB_STORING);
    CHECK_EQUAL(lead(&w), 0);
    struct record stored = {RECORD_MODEL_STORED, .is.model_stored = {.job = WORLD_JOB, .round = 1, .reason = ""}};
    CHECK_STATUS(say(&w, "server-1", &stored), ANB_OK);
    CHECK_EQUAL(lead(&w), 1);
    CHECK_EQUAL(the_job(&w)->phase, JOB_ENDED);
    CHECK_EQUAL(the_job(&w)->outcome, OUTCOME_COMPLETED);
    world_fini(&w);
}

TEST_MAIN("decide round", TEST(a_job_of_two_rounds_runs_to_its_end))
