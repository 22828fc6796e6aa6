/* A round is opened and cut: who takes part, who folds, when the job fails. */
#include "support/federation.h"
#include "support/test.h"

#include <string.h>

#define TWO_OF_THREE "rounds: 2\nsites: {minimum: 2, wait_s: 60}\nround: {deadline_s: 100}\n"

/* -- open */

static void without_an_aggregator_a_job_waits_and_then_fails(void)
{
    struct world w;
    world_begin(&w);
    say_down(&w, "agg-1");
    say_down(&w, "agg-2");
    start_world_job(&w, TWO_OF_THREE);
    CHECK_EQUAL(lead(&w), 0);
    CHECK(w.wake_ms <= w.now_ms + 1000);
    w.now_ms += 60000;
    CHECK_TEXT(lead_to_failure(&w), "no aggregator is up");
    world_fini(&w);
}

static void an_aggregator_that_comes_within_the_wait_is_taken(void)
{
    struct world w;
    world_begin(&w);
    say_down(&w, "agg-1");
    say_down(&w, "agg-2");
    start_world_job(&w, TWO_OF_THREE);
    w.now_ms += 30000;
    pulse_all(&w);
    say_up(&w, "agg-9", ROLE_AGGREGATOR);
    lead(&w);
    CHECK(only(&w, RECORD_ROUND_OPENED) != NULL);
    CHECK_TEXT(the_round(&w)->shares[0].node, "agg-9");
    world_fini(&w);
}

static void partitions_are_dealt_round_robin_by_name(void)
{
    struct world w;
    world_run(&w, 1, false);
    REQUIRE(the_round(&w)->n_shares == 2);
    CHECK_TEXT(the_round(&w)->shares[0].node, "agg-1");
    CHECK_EQUAL(the_round(&w)->shares[0].partitions, 5);
    CHECK_EQUAL(the_round(&w)->shares[1].partitions, 10);
    CHECK_EQUAL(the_round(&w)->deadline_ms, w.now_ms + 100000);
    world_fini(&w);
}

static void more_aggregators_than_partitions_leave_some_idle(void)
{
    struct world w;
    world_begin(&w);
    say_up(&w, "agg-3", ROLE_AGGREGATOR);
    say_up(&w, "agg-4", ROLE_AGGREGATOR);
    say_up(&w, "agg-5", ROLE_AGGREGATOR);
    start_world_job(&w, TWO_OF_THREE);
    lead(&w);
    CHECK_EQUAL(the_round(&w)->n_shares, 4);
    world_fini(&w);
}

static void a_round_is_of_the_living_sites(void)
{
    struct world w;
    world_begin(&w);
    start_world_job(&w, TWO_OF_THREE);
    say_down(&w, "b");
    lead(&w);
    REQUIRE(the_round(&w)->n_parts == 2);
    CHECK_TEXT(the_round(&w)->parts[1].site, "c");
    world_fini(&w);
}

static void with_fewer_living_sites_than_the_quorum_all_are_asked(void)
{
    struct world w;
    world_begin(&w);
    start_world_job(&w, TWO_OF_THREE);
    say_down(&w, "b");
    say_down(&w, "c");
    lead(&w);
    CHECK_EQUAL(the_round(&w)->n_parts, 3);
    world_fini(&w);
}

static void a_new_leader_leaves_no_site_out_before_it_could_hear_of_it(void)
{
    struct world w;
    world_begin(&w);
    start_world_job(&w, TWO_OF_THREE);
    w.now_ms += 60000;
    say_up(&w, "server-2", ROLE_SERVER);
    say_claim(&w, "server-2");
    pulse_one(&w, "a");
    pulse_one(&w, "b");
    pulse_one(&w, "agg-1");
    CHECK_EQUAL(lead(&w), 0);
    w.now_ms += 1000;
    pulse_one(&w, "c");
    pulse_one(&w, "agg-2");
    lead(&w);
    CHECK_EQUAL(the_round(&w)->n_parts, 3);
    CHECK_EQUAL(the_round(&w)->n_shares, 2);
    world_fini(&w);
}

static void a_new_leader_waits_five_seconds_and_no_longer(void)
{
    struct world w;
    world_begin(&w);
    start_world_job(&w, TWO_OF_THREE);
    w.now_ms += 60000;
    say_up(&w, "server-2", ROLE_SERVER);
    say_claim(&w, "server-2");
    w.now_ms += 5000;
    pulse_one(&w, "a");
    pulse_one(&w, "b");
    pulse_one(&w, "agg-1");
    lead(&w);
    CHECK_EQUAL(the_round(&w)->n_parts, 2);
    CHECK_EQUAL(the_round(&w)->n_shares, 1);
    world_fini(&w);
}

static void a_round_starts_from_the_model_of_the_last(void)
{
    struct world w;
    world_run(&w, 2, false);
    CHECK(id_equal(&the_round(&w)->base[0], &the_job(&w)->model));
    close_all_updates(&w);
    close_all_shares(&w);
    lead(&w);
    struct id first = the_round(&w)->model[0], second = the_round(&w)->model[1];
    lead(&w);
    CHECK_EQUAL(the_round(&w)->round, 1);
    REQUIRE(the_round(&w)->n_base == 2);
    CHECK(id_equal(&the_round(&w)->base[0], &first));
    CHECK(id_equal(&the_round(&w)->base[1], &second));
    world_fini(&w);
}

/* -- cut */

static void an_excluded_site_does_not_cut_the_round_while_others_are_at_work(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_abandon(&w, "b", NULL, WORLD_JOB, true, "exit status 1");
    send_update(&w, "a", WORLD_JOB, 1);
    CHECK_EQUAL(lead(&w), 0);
    CHECK_EQUAL(w.wake_ms, w.now_ms + NODE_SILENT_MS + 1);
    world_fini(&w);
}

static void a_round_is_cut_at_once_when_all_but_the_excluded_have_closed(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_abandon(&w, "b", NULL, WORLD_JOB, true, "exit status 1");
    send_update(&w, "a", WORLD_JOB, 1);
    send_update(&w, "c", WORLD_JOB, 1);
    w.now_ms += 1000;
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CUT) != NULL);
    CHECK_EQUAL(the_round(&w)->attempt, 1);
    CHECK(!part_of(&w, "b")->counts);
    CHECK(part_of(&w, "a")->counts);
    CHECK_EQUAL(the_round(&w)->fold_deadline_ms, w.now_ms + 100000);
    CHECK_EQUAL(lead(&w), 0);
    close_all_shares(&w);
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CLOSED) != NULL);
    CHECK_EQUAL(only(&w, RECORD_ROUND_CLOSED)->is.round_closed.n_counted, 2);
    CHECK_EQUAL(only(&w, RECORD_ROUND_CLOSED)->is.round_closed.excluded[0].why, WHY_FAILED);
    CHECK_TEXT(only(&w, RECORD_ROUND_CLOSED)->is.round_closed.reasons[0], "exit status 1");
    world_fini(&w);
}

static void a_cut_voids_the_shares_of_the_attempt_before(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct id old = open_share(&w, "agg-1", WORLD_JOB);
    say_abandon(&w, "b", NULL, WORLD_JOB, true, "");
    send_update(&w, "a", WORLD_JOB, 1);
    send_update(&w, "c", WORLD_JOB, 1);
    lead(&w);
    CHECK_EQUAL(federation_stream(w.federation, &old)->phase, STREAM_ABANDONED);
    CHECK_REFUSED(&w, say_close(&w, "agg-1", &old), ANB_EXISTS, "abandoned-stream");
    CHECK(!the_round(&w)->shares[0].closed);
    world_fini(&w);
}

static void a_damaged_update_cuts_the_round_even_after_a_share_was_closed(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct id damaged = send_update(&w, "a", WORLD_JOB, 1);
    close_all_updates(&w);
    struct id share = send_share(&w, "agg-1", WORLD_JOB);
    say_abandon(&w, "agg-2", &damaged, WORLD_JOB, false, "chunk 3 is damaged");
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CUT) != NULL);
    CHECK_EQUAL(federation_stream(w.federation, &share)->phase, STREAM_ABANDONED);
    close_all_shares(&w);
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CLOSED) != NULL);
    CHECK_EQUAL(only(&w, RECORD_ROUND_CLOSED)->is.round_closed.n_counted, 2);
    world_fini(&w);
}

static void round_is_cut_when_deadline_passes_with_quorum(void)
{
    struct world w;
    world_run(&w, 1, false);
    send_update(&w, "a", WORLD_JOB, 1);
    send_update(&w, "c", WORLD_JOB, 1);
    w.now_ms += 99999;
    pulse_all(&w);
    CHECK_EQUAL(lead(&w), 0);
    CHECK_EQUAL(w.wake_ms, w.now_ms + 1);
    w.now_ms += 1;
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CUT) != NULL);
    CHECK_TEXT(part_of(&w, "b")->reason, "no update until the deadline");
    world_fini(&w);
}

static void a_job_fails_at_the_deadline_without_quorum_and_names_the_missing_sites(void)
{
    struct world w;
    world_run(&w, 1, false);
    send_update(&w, "a", WORLD_JOB, 1);
    w.now_ms += 100000;
    pulse_all(&w);
    CHECK_TEXT(lead_to_failure(&w), "round 0: 1 updates, 2 are needed; missing: b, c");
    world_fini(&w);
}

static void a_job_fails_at_once_when_exclusions_put_the_quorum_out_of_reach(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_abandon(&w, "a", NULL, WORLD_JOB, true, "exit status 1");
    CHECK_EQUAL(lead(&w), 0);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.chunk_count++;
    say_open(&w, "c", &opened);
    CHECK_TEXT(lead_to_failure(&w), "round 0: 0 updates, 2 are needed; missing: b; excluded: a (exit status 1), "
                                    "c (same layout, but 11 chunks of 128 bytes, where the model has 10 of 128)");
    world_fini(&w);
}

static void a_dead_aggregators_share_goes_to_one_who_lives(void)
{
    struct world w;
    world_run(&w, 1, false);
    send_update(&w, "a", WORLD_JOB, 1);
    w.now_ms += 20000;
    pulse_all(&w);
    w.now_ms += NODE_SILENT_MS;
    pulse_one(&w, "agg-2");
    CHECK_EQUAL(lead(&w), 0);
    w.now_ms += 1;
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CUT) != NULL);
    CHECK_EQUAL(only(&w, RECORD_ROUND_CUT)->is.round_cut.n_participants, 3);
    CHECK_EQUAL(only(&w, RECORD_ROUND_CUT)->is.round_cut.n_excluded, 0);
    REQUIRE(the_round(&w)->n_shares == 1);
    CHECK_TEXT(the_round(&w)->shares[0].node, "agg-2");
    CHECK_EQUAL(the_round(&w)->deadline_ms, 1000000 + 100000);
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_CLOSED);
    world_fini(&w);
}

static void an_aggregator_that_died_after_it_closed_is_not_missed(void)
{
    struct world w;
    world_run(&w, 1, false);
    close_all_updates(&w);
    send_share(&w, "agg-1", WORLD_JOB);
    say_down(&w, "agg-1");
    CHECK_EQUAL(lead(&w), 0);
    send_share(&w, "agg-2", WORLD_JOB);
    lead(&w);
    CHECK(only(&w, RECORD_ROUND_CLOSED) != NULL);
    world_fini(&w);
}

static void an_aggregator_that_restarts_in_time_is_not_cut_off(void)
{
    struct world w;
    world_run(&w, 1, false);
    close_all_updates(&w);
    open_share(&w, "agg-1", WORLD_JOB);
    say_up(&w, "agg-1", ROLE_AGGREGATOR);
    CHECK_EQUAL(lead(&w), 0);
    close_all_shares(&w);
    lead(&w);
    CHECK(only(&w, RECORD_ROUND_CLOSED) != NULL);
    CHECK_EQUAL(the_round(&w)->attempt, 0);
    world_fini(&w);
}

static void with_no_aggregator_left_a_round_waits_for_one_and_fails_in_the_end(void)
{
    struct world w;
    world_run(&w, 1, false);
    close_all_updates(&w);
    say_down(&w, "agg-1");
    say_down(&w, "agg-2");
    w.now_ms += 199999;
    CHECK_EQUAL(lead(&w), 0);
    w.now_ms += 1;
    CHECK_TEXT(lead_to_failure(&w), "round 0: no aggregator is up; aggregator agg-1 (down), agg-2 (down)");
    world_fini(&w);
}

static void an_aggregator_that_comes_back_takes_what_others_left(void)
{
    struct world w;
    world_run(&w, 1, false);
    close_all_updates(&w);
    say_down(&w, "agg-1");
    say_down(&w, "agg-2");
    w.now_ms += 150000;
    CHECK_EQUAL(lead(&w), 0);
    say_up(&w, "agg-2", ROLE_AGGREGATOR);
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CUT) != NULL);
    close_all_shares(&w);
    lead(&w);
    CHECK(only(&w, RECORD_ROUND_CLOSED) != NULL);
    world_fini(&w);
}

static void an_aggregator_that_gave_up_gets_no_share_again_in_the_round(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_abandon(&w, "agg-1", NULL, WORLD_JOB, true, "chunk 3 of a is damaged");
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CUT) != NULL);
    REQUIRE(the_round(&w)->n_shares == 1);
    CHECK_TEXT(the_round(&w)->shares[0].node, "agg-2");
    say_abandon(&w, "agg-2", NULL, WORLD_JOB, true, "chunk 3 of a is damaged");
    CHECK_TEXT(lead_to_failure(&w), "round 0: every aggregator gave up; aggregator agg-2 (chunk 3 of a is damaged)");
    world_fini(&w);
}

static void aggregators_that_do_not_finish_end_the_job(void)
{
    struct world w;
    world_run(&w, 1, false);
    close_all_updates(&w);
    w.now_ms += 199999;
    pulse_all(&w);
    CHECK_EQUAL(lead(&w), 0);
    w.now_ms += 1;
    CHECK_TEXT(lead_to_failure(&w),
               "round 0: the model was not folded in time; aggregator agg-1 (not done), agg-2 (not done)");
    world_fini(&w);
}

static void a_new_leader_does_not_cut_before_it_could_hear_of_the_aggregators(void)
{
    struct world w;
    world_run(&w, 1, false);
    w.now_ms += 60000;
    say_up(&w, "server-2", ROLE_SERVER);
    say_claim(&w, "server-2");
    pulse_one(&w, "agg-2");
    CHECK_EQUAL(lead(&w), 0);
    w.now_ms += 5000;
    lead(&w);
    CHECK(only(&w, RECORD_ROUND_CUT) != NULL);
    world_fini(&w);
}

TEST_MAIN("decide round", TEST(without_an_aggregator_a_job_waits_and_then_fails),
          TEST(an_aggregator_that_comes_within_the_wait_is_taken), TEST(partitions_are_dealt_round_robin_by_name),
          TEST(more_aggregators_than_partitions_leave_some_idle), TEST(a_round_is_of_the_living_sites),
          TEST(with_fewer_living_sites_than_the_quorum_all_are_asked),
          TEST(a_new_leader_leaves_no_site_out_before_it_could_hear_of_it),
          TEST(a_new_leader_waits_five_seconds_and_no_longer), TEST(a_round_starts_from_the_model_of_the_last),
          TEST(an_excluded_site_does_not_cut_the_round_while_others_are_at_work),
          TEST(a_round_is_cut_at_once_when_all_but_the_excluded_have_closed),
          TEST(a_cut_voids_the_shares_of_the_attempt_before),
          TEST(a_damaged_update_cuts_the_round_even_after_a_share_was_closed),
          TEST(round_is_cut_when_deadline_passes_with_quorum),
          TEST(a_job_fails_at_the_deadline_without_quorum_and_names_the_missing_sites),
          TEST(a_job_fails_at_once_when_exclusions_put_the_quorum_out_of_reach),
          TEST(a_dead_aggregators_share_goes_to_one_who_lives),
          TEST(an_aggregator_that_died_after_it_closed_is_not_missed),
          TEST(an_aggregator_that_restarts_in_time_is_not_cut_off),
          TEST(with_no_aggregator_left_a_round_waits_for_one_and_fails_in_the_end),
          TEST(an_aggregator_that_comes_back_takes_what_others_left),
          TEST(an_aggregator_that_gave_up_gets_no_share_again_in_the_round),
          TEST(aggregators_that_do_not_finish_end_the_job),
          TEST(a_new_leader_does_not_cut_before_it_could_hear_of_the_aggregators))
