/* When a submitted job starts, and when it fails. */
#include "support/federation.h"
#include "support/test.h"

#include <string.h>

#define NAMED "rounds: 1\nsites: {names: [a, b, c], minimum: 2, wait_s: 60}\n"
#define UNNAMED "rounds: 1\nsites: {minimum: 2, wait_s: 60}\n"

static void submit(struct world *w, const char *spec)
{
    world_begin(w);
    say_submit(w, WORLD_JOB, "r", spec);
}

static void one_who_does_not_lead_decides_nothing(void)
{
    struct world w;
    struct record *records;
    size_t n = 7;
    int64_t wake_ms;
    submit(&w, UNNAMED);
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    say_answer(&w, "c", WORLD_JOB, true, "");
    CHECK_STATUS(federation_decide(w.federation, "server-2", w.now_ms, &w.arena, &records, &n, &wake_ms, &test_error),
                 ANB_OK);
    CHECK_EQUAL(n, 0);
    CHECK_EQUAL(wake_ms, INT64_MAX);
    world_fini(&w);
}

static void without_memory_nothing_is_decided(void)
{
    struct world w;
    struct record *records = NULL;
    size_t n = 0;
    int64_t wake_ms;
    submit(&w, NAMED);
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    say_answer(&w, "c", WORLD_JOB, true, "");
    for (size_t ceiling = 0; ceiling <= 256; ceiling += 16) {
        struct arena arena;
        arena_init(&arena, ceiling);
        CHECK_STATUS(federation_decide(w.federation, "server-1", w.now_ms, &arena, &records, &n, &wake_ms, &test_error),
                     ANB_NO_MEMORY);
        arena_fini(&arena);
    }
    world_fini(&w);
}

static void the_same_state_gives_the_same_records(void)
{
    struct world w;
    submit(&w, NAMED);
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    say_answer(&w, "c", WORLD_JOB, true, "");
    for (int i = 0; i < 3; i++) {
        CHECK_EQUAL(plan(&w), 1);
        REQUIRE(only(&w, RECORD_JOB_STARTED) != NULL);
        CHECK_EQUAL(only(&w, RECORD_JOB_STARTED)->is.job_started.n_sites, 3);
        CHECK_EQUAL(only(&w, RECORD_JOB_STARTED)->is.job_started.head.epoch, 1);
    }
    world_fini(&w);
}

static void a_job_waits_for_its_minimum_and_asks_again_at_the_deadline(void)
{
    struct world w;
    submit(&w, UNNAMED);
    say_answer(&w, "a", WORLD_JOB, true, "");
    w.now_ms += 59999;
    CHECK_EQUAL(lead(&w), 0);
    CHECK_EQUAL(w.wake_ms, w.now_ms + 1);
    world_fini(&w);
}

static void a_named_job_waits_for_all_names(void)
{
    struct world w;
    submit(&w, NAMED);
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    w.now_ms += 59999;
    CHECK_EQUAL(lead(&w), 0);
    say_answer(&w, "c", WORLD_JOB, true, "");
    lead(&w);
    REQUIRE(only(&w, RECORD_JOB_STARTED) != NULL);
    CHECK_EQUAL(the_job(&w)->n_sites, 3);
    world_fini(&w);
}

static void a_named_job_starts_with_its_minimum_when_the_wait_is_over(void)
{
    struct world w;
    submit(&w, NAMED);
    say_answer(&w, "c", WORLD_JOB, true, "");
    say_answer(&w, "a", WORLD_JOB, true, "");
    w.now_ms += 60000;
    lead(&w);
    REQUIRE(only(&w, RECORD_JOB_STARTED) != NULL);
    CHECK_EQUAL(the_job(&w)->n_sites, 2);
    CHECK_TEXT(the_job(&w)->sites[0], "a");
    CHECK_TEXT(the_job(&w)->sites[1], "c");
    world_fini(&w);
}

static void a_named_job_does_not_wait_for_a_site_that_refused(void)
{
    struct world w;
    submit(&w, NAMED);
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, false, "no room");
    CHECK_EQUAL(lead(&w), 0);
    say_answer(&w, "c", WORLD_JOB, true, "");
    lead(&w);
    CHECK(only(&w, RECORD_JOB_STARTED) != NULL);
    world_fini(&w);
}

static void a_named_job_fails_at_once_when_too_many_refuse(void)
{
    struct world w;
    submit(&w, NAMED);
    say_answer(&w, "a", WORLD_JOB, false, "no room");
    CHECK_EQUAL(lead(&w), 0);
    say_answer(&w, "b", WORLD_JOB, false, "not allowed");
    CHECK_TEXT(lead_to_failure(&w),
               "0 sites accepted, 2 are needed; refused by a (no room), b (not allowed); no answer from c");
    world_fini(&w);
}

static void a_job_fails_after_the_wait_and_names_who_did_not_answer(void)
{
    struct world w;
    submit(&w, UNNAMED);
    say_answer(&w, "b", WORLD_JOB, true, "");
    w.now_ms += 60000;
    CHECK_TEXT(lead_to_failure(&w), "1 sites accepted, 2 are needed; no answer from a, c");
    world_fini(&w);
}

static void an_open_job_starts_at_once_when_every_living_site_has_answered(void)
{
    struct world w;
    submit(&w, UNNAMED);
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    CHECK_EQUAL(lead(&w), 0);
    say_answer(&w, "c", WORLD_JOB, false, "busy");
    lead(&w);
    REQUIRE(only(&w, RECORD_JOB_STARTED) != NULL);
    CHECK_EQUAL(the_job(&w)->n_sites, 2);
    world_fini(&w);
}

static void an_open_job_does_not_wait_for_a_site_that_is_down_or_silent(void)
{
    struct world w;
    submit(&w, UNNAMED);
    w.now_ms += 20000;
    pulse_one(&w, "a");
    pulse_one(&w, "b");
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    lead(&w);
    CHECK(only(&w, RECORD_JOB_STARTED) != NULL);
    world_fini(&w);
}

static void an_open_job_waits_two_seconds_for_more_than_its_minimum(void)
{
    struct world w;
    submit(&w, UNNAMED);
    say_answer(&w, "a", WORLD_JOB, true, "");
    w.now_ms += 5000;
    say_answer(&w, "b", WORLD_JOB, true, "");
    w.now_ms += 1999;
    CHECK_EQUAL(lead(&w), 0);
    CHECK_EQUAL(w.wake_ms, w.now_ms + 1);
    w.now_ms += 1;
    lead(&w);
    CHECK(only(&w, RECORD_JOB_STARTED) != NULL);
    world_fini(&w);
}

static void a_new_leader_gives_the_sites_their_time_again(void)
{
    struct world w;
    submit(&w, NAMED);
    w.now_ms += 3600000;
    say_up(&w, "server-2", ROLE_SERVER);
    say_claim(&w, "server-2");
    CHECK_EQUAL(lead(&w), 0);
    w.now_ms += 60000;
    CHECK(strstr(lead_to_failure(&w), "no answer from a, b, c") != NULL);
    world_fini(&w);
}

static void several_jobs_take_one_step_each(void)
{
    struct world w;
    submit(&w, NAMED);
    say_submit(&w, "00000000000000b2", "s", NAMED);
    static const char *const sites[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        say_answer(&w, sites[i], WORLD_JOB, true, "");
        say_answer(&w, sites[i], "00000000000000b2", false, "");
    }
    CHECK_EQUAL(lead(&w), 2);
    CHECK_EQUAL(the_job(&w)->phase, JOB_RUNNING);
    CHECK_EQUAL(federation_job(w.federation, "00000000000000b2")->phase, JOB_ENDED);
    CHECK_EQUAL(lead(&w), 1);
    world_fini(&w);
}

TEST_MAIN("decide start", TEST(one_who_does_not_lead_decides_nothing), TEST(without_memory_nothing_is_decided),
          TEST(the_same_state_gives_the_same_records), TEST(a_job_waits_for_its_minimum_and_asks_again_at_the_deadline),
          TEST(a_named_job_waits_for_all_names), TEST(a_named_job_starts_with_its_minimum_when_the_wait_is_over),
          TEST(a_named_job_does_not_wait_for_a_site_that_refused), TEST(a_named_job_fails_at_once_when_too_many_refuse),
          TEST(a_job_fails_after_the_wait_and_names_who_did_not_answer),
          TEST(an_open_job_starts_at_once_when_every_living_site_has_answered),
          TEST(an_open_job_does_not_wait_for_a_site_that_is_down_or_silent),
          TEST(an_open_job_waits_two_seconds_for_more_than_its_minimum),
          TEST(a_new_leader_gives_the_sites_their_time_again), TEST(several_jobs_take_one_step_each))
