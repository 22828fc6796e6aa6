/* A round from its opening to its close: who takes part, who folds, when it is cut, when the job fails. */
#include "support/federation.h"
#include "support/test.h"
#include "wire/wire.h"

#include <stdio.h>
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

static void close_all_updates(struct world *w)
{
    for (size_t i = 0; i < the_round(w)->n_parts; i++)
        if (the_round(w)->parts[i].phase == PART_WAITING) send_update(w, the_round(w)->parts[i].site, WORLD_JOB, 1);
}

static void close_all_shares(struct world *w)
{
    for (size_t i = 0; i < the_round(w)->n_shares; i++)
        if (!the_round(w)->shares[i].closed) send_share(w, the_round(w)->shares[i].node, WORLD_JOB);
}

/* The sentence when the last decision ended the job as failed. */
static const char *failure(struct world *w)
{
    lead(w);
    const struct record *ended = only(w, RECORD_JOB_ENDED);
    return ended && the_job(w)->outcome == OUTCOME_FAILED ? the_job(w)->reason : "has not failed";
}

static void start_job(struct world *w, const char *spec)
{
    say_submit(w, WORLD_JOB, "r", spec);
    say_answer(w, "a", WORLD_JOB, true, "");
    say_answer(w, "b", WORLD_JOB, true, "");
    say_answer(w, "c", WORLD_JOB, true, "");
    lead(w);
}

#define TWO_OF_THREE "rounds: 2\nsites: {minimum: 2, wait_s: 60}\nround: {deadline_s: 100}\n"

/* -- open */

static void without_an_aggregator_a_job_waits_and_then_fails(void)
{
    struct world w;
    world_begin(&w);
    say_down(&w, "agg-1");
    say_down(&w, "agg-2");
    start_job(&w, TWO_OF_THREE);
    CHECK_EQUAL(lead(&w), 0);
    CHECK(w.wake_ms <= w.now_ms + 1000);
    w.now_ms += 60000;
    CHECK_TEXT(failure(&w), "no aggregator is up");
    world_fini(&w);
}

static void an_aggregator_that_comes_within_the_wait_is_taken(void)
{
    struct world w;
    world_begin(&w);
    say_down(&w, "agg-1");
    say_down(&w, "agg-2");
    start_job(&w, TWO_OF_THREE);
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
    start_job(&w, TWO_OF_THREE);
    lead(&w);
    CHECK_EQUAL(the_round(&w)->n_shares, 4);
    world_fini(&w);
}

static void a_round_is_of_the_living_sites(void)
{
    struct world w;
    world_begin(&w);
    start_job(&w, TWO_OF_THREE);
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
    start_job(&w, TWO_OF_THREE);
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
    start_job(&w, TWO_OF_THREE);
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
    start_job(&w, TWO_OF_THREE);
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
    CHECK_TEXT(only(&w, RECORD_ROUND_CLOSED)->is.round_closed.excluded[0].reason, "exit status 1");
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
    CHECK_TEXT(failure(&w), "round 0: 1 updates, 2 are needed; missing: b, c");
    world_fini(&w);
}

static void a_job_fails_at_once_when_exclusions_put_the_quorum_out_of_reach(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_abandon(&w, "a", NULL, WORLD_JOB, true, "exit status 1");
    CHECK_EQUAL(lead(&w), 0);
    struct stream_opened opened = world_update(&w, WORLD_JOB, -1);
    say_open(&w, "c", &opened);
    CHECK_TEXT(failure(&w), "round 0: 0 updates, 2 are needed; missing: b; excluded: a (exit status 1), "
                            "c (weight -1 is not in 1e-09..1e+15)");
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
    CHECK_TEXT(failure(&w), "round 0: no aggregator is up; aggregator agg-1 (down), agg-2 (down)");
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
    CHECK_TEXT(failure(&w), "round 0: every aggregator gave up; aggregator agg-2 (chunk 3 of a is damaged)");
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
    CHECK_TEXT(failure(&w), "round 0: the model was not folded in time; aggregator agg-1 (not done), agg-2 (not done)");
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

/* -- close */

static void close_with_metric(struct world *w, const char *site, double weight, const char *name, double value)
{
    struct metric metric = {name, value};
    struct stream_opened opened = world_update(w, WORLD_JOB, weight);
    say_open(w, site, &opened);
    struct record record = {RECORD_STREAM_CLOSED, .is.stream_closed = world_close(w, &opened.stream)};
    record.is.stream_closed.metrics = &metric;
    record.is.stream_closed.n_metrics = 1;
    say(w, site, &record);
}

static void metrics_are_weighted_means_over_those_who_report_them(void)
{
    struct world w;
    world_run(&w, 1, false);
    close_with_metric(&w, "a", 1, "loss", 4);
    close_with_metric(&w, "b", 3, "loss", 8);
    close_with_metric(&w, "c", 9, "accuracy", 0.5);
    close_all_shares(&w);
    lead(&w);
    REQUIRE(the_round(&w)->n_metrics == 2);
    CHECK_TEXT(the_round(&w)->metrics[0].name, "loss");
    CHECK_EQUAL(the_round(&w)->metrics[0].value, 7);
    CHECK_EQUAL(the_round(&w)->metrics[1].value, 0.5);
    CHECK_EQUAL(the_round(&w)->bytes, 3000);
    world_fini(&w);
}

static void the_digest_does_not_depend_on_who_folded(void)
{
    struct world one, two;
    world_run(&two, 1, false);
    close_all_updates(&two);
    close_all_shares(&two);
    lead(&two);
    world_run(&one, 1, false);
    say_down(&one, "agg-1");
    lead(&one);
    close_all_updates(&one);
    close_all_shares(&one);
    lead(&one);
    CHECK_EQUAL(the_round(&one)->n_model, 1);
    CHECK_EQUAL(the_round(&two)->n_model, 2);
    CHECK(digest_equal(&the_round(&one)->digest, &the_round(&two)->digest));
    world_fini(&one);
    world_fini(&two);
}

static void streams_are_forgotten_when_the_round_after_theirs_is_closed(void)
{
    struct world w;
    world_run(&w, 3, false);
    struct id update = send_update(&w, "a", WORLD_JOB, 1), model;
    close_all_updates(&w);
    close_all_shares(&w);
    lead(&w);
    model = the_round(&w)->model[0];
    lead(&w);
    CHECK(federation_stream(w.federation, &update) != NULL);
    CHECK(federation_stream(w.federation, &model) != NULL);
    close_all_updates(&w);
    close_all_shares(&w);
    lead(&w);
    CHECK(!federation_stream(w.federation, &update));
    CHECK(!federation_stream(w.federation, &model));
    CHECK(federation_stream(w.federation, &the_round(&w)->model[0]) != NULL);
    CHECK(federation_stream(w.federation, &the_job(&w)->model) != NULL);
    world_fini(&w);
}

/* -- evaluate */

static void run_to_evaluation(struct world *w)
{
    world_run(w, 1, true);
    close_all_updates(w);
    close_all_shares(w);
    lead(w);
    lead(w);
}

static void evaluation_asks_for_metrics_and_keeps_the_model(void)
{
    struct world w;
    run_to_evaluation(&w);
    CHECK_EQUAL(the_round(&w)->task, TASK_EVALUATE);
    CHECK_EQUAL(the_round(&w)->n_shares, 0);
    struct digest digest = the_job(&w)->rounds[0]->digest;
    close_with_metric(&w, "a", 0, "accuracy", 0.25);
    close_with_metric(&w, "b", 0, "accuracy", 0.75);
    CHECK_EQUAL(lead(&w), 0);
    say_abandon(&w, "c", NULL, WORLD_JOB, true, "no data");
    lead(&w);
    CHECK(digest_equal(&the_round(&w)->digest, &digest));
    CHECK_EQUAL(the_round(&w)->metrics[0].value, 0.5);
    CHECK_EQUAL(the_job(&w)->phase, JOB_STORING);
    CHECK(federation_stream(w.federation, &the_round(&w)->model[1]) != NULL);
    world_fini(&w);
}

static void evaluation_refuses_a_model(void)
{
    struct world w;
    run_to_evaluation(&w);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.layout_bytes = 100;
    opened.data_bytes = 900;
    opened.chunk_count = 10;
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_INVALID, "bad-layout");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_EXCLUDED);
    world_fini(&w);
}

static void evaluation_ends_at_its_deadline_without_a_quorum(void)
{
    struct world w;
    run_to_evaluation(&w);
    w.now_ms += 100000;
    lead(&w);
    REQUIRE(only(&w, RECORD_ROUND_CLOSED) != NULL);
    CHECK_EQUAL(the_job(&w)->phase, JOB_STORING);
    CHECK_TEXT(part_of(&w, "a")->reason, "no answer until the deadline");
    world_fini(&w);
}

static void evaluation_needs_no_aggregator(void)
{
    struct world w;
    world_run(&w, 1, true);
    close_all_updates(&w);
    close_all_shares(&w);
    lead(&w);
    say_down(&w, "agg-1");
    say_down(&w, "agg-2");
    lead(&w);
    CHECK(only(&w, RECORD_ROUND_OPENED) != NULL);
    world_fini(&w);
}

static void a_model_that_cannot_be_stored_fails_the_job_with_the_reason(void)
{
    struct world w;
    world_run(&w, 1, false);
    close_all_updates(&w);
    close_all_shares(&w);
    lead(&w);
    struct record stored = {RECORD_MODEL_STORED,
                            .is.model_stored = {.job = WORLD_JOB, .round = 0, .reason = "no space on the disk"}};
    CHECK_EQUAL(say(&w, "server-1", &stored), ANB_OK);
    CHECK_TEXT(failure(&w), "model store: no space on the disk");
    CHECK_EQUAL(lead(&w), 0);
    world_fini(&w);
}

static void without_history_only_two_rounds_are_kept(void)
{
    struct world w;
    world_begin(&w);
    federation_free(w.federation);
    w.federation = federation_new("p", WORLD_PARTITIONS, false);
    say_up(&w, "server-1", ROLE_SERVER);
    say_up(&w, "agg-1", ROLE_AGGREGATOR);
    say_up(&w, "a", ROLE_CLIENT);
    say_up(&w, "b", ROLE_CLIENT);
    say_up(&w, "c", ROLE_CLIENT);
    say_claim(&w, "server-1");
    start_job(&w, "rounds: 9\n");
    for (int i = 0; i < 9; i++) {
        lead(&w);
        CHECK_EQUAL(the_round(&w)->round, i);
        CHECK(the_job(&w)->n_rounds <= 2);
        close_all_updates(&w);
        close_all_shares(&w);
        lead(&w);
    }
    lead(&w);
    close_all_updates(&w);
    lead(&w);
    CHECK_EQUAL(the_job(&w)->phase, JOB_STORING);
    world_fini(&w);
}

/* -- as large as they get */

enum { MANY = JOB_MAX_SITES };

static void check_fits(struct world *w, enum record_kind kind)
{
    struct buf bytes;
    buf_init(&bytes, CONTROL_RECORD_MAX_BYTES);
    CHECK_EQUAL(lead(w), 1);
    REQUIRE(only(w, kind) != NULL);
    CHECK_STATUS(wire_encode(only(w, kind), &bytes, &test_error), ANB_OK);
    buf_fini(&bytes);
}

static void decisions_about_a_thousand_sites_fit_into_one_record(void)
{
    static struct world w;
    static char names[MANY][NAME_MAX_BYTES + 1], reason[2000];
    memset(reason, 'r', sizeof reason - 1);
    world_begin(&w);
    for (int i = 0; i < 3; i++) say_down(&w, (const char *[]){"a", "b", "c"}[i]);
    say_submit(&w, WORLD_JOB, "r", "rounds: 1\nsites: {minimum: 2}\nround: {quorum: 1}\n");
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "site-%043d", i);
        say_up(&w, names[i], ROLE_CLIENT);
        say_answer(&w, names[i], WORLD_JOB, true, "");
    }
    check_fits(&w, RECORD_JOB_STARTED);
    check_fits(&w, RECORD_ROUND_OPENED);
    for (int i = 1; i < MANY; i++) say_abandon(&w, names[i], NULL, WORLD_JOB, true, reason);
    send_update(&w, names[0], WORLD_JOB, 1);
    check_fits(&w, RECORD_ROUND_CUT);
    close_all_shares(&w);
    check_fits(&w, RECORD_ROUND_CLOSED);
    world_fini(&w);
}

static void a_failure_of_a_thousand_sites_is_one_sentence(void)
{
    static struct world w;
    static char names[MANY][NAME_MAX_BYTES + 1];
    world_begin(&w);
    for (int i = 0; i < 3; i++) say_down(&w, (const char *[]){"a", "b", "c"}[i]);
    say_submit(&w, WORLD_JOB, "r", "rounds: 1\nsites: {minimum: 2}\nround: {quorum: 2}\n");
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "site-%043d", i);
        say_up(&w, names[i], ROLE_CLIENT);
        say_answer(&w, names[i], WORLD_JOB, true, "");
    }
    lead(&w);
    lead(&w);
    w.now_ms += 600000;
    const char *sentence = failure(&w);
    CHECK(strlen(sentence) < 2048);
    CHECK(strstr(sentence, " more") != NULL);
    world_fini(&w);
}

TEST_MAIN(
    "decide round", TEST(a_job_of_two_rounds_runs_to_its_end), TEST(without_an_aggregator_a_job_waits_and_then_fails),
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
    TEST(a_dead_aggregators_share_goes_to_one_who_lives), TEST(an_aggregator_that_died_after_it_closed_is_not_missed),
    TEST(an_aggregator_that_restarts_in_time_is_not_cut_off),
    TEST(with_no_aggregator_left_a_round_waits_for_one_and_fails_in_the_end),
    TEST(an_aggregator_that_comes_back_takes_what_others_left),
    TEST(an_aggregator_that_gave_up_gets_no_share_again_in_the_round), TEST(aggregators_that_do_not_finish_end_the_job),
    TEST(a_new_leader_does_not_cut_before_it_could_hear_of_the_aggregators),
    TEST(metrics_are_weighted_means_over_those_who_report_them), TEST(the_digest_does_not_depend_on_who_folded),
    TEST(streams_are_forgotten_when_the_round_after_theirs_is_closed),
    TEST(evaluation_asks_for_metrics_and_keeps_the_model), TEST(evaluation_refuses_a_model),
    TEST(evaluation_ends_at_its_deadline_without_a_quorum), TEST(evaluation_needs_no_aggregator),
    TEST(a_model_that_cannot_be_stored_fails_the_job_with_the_reason), TEST(without_history_only_two_rounds_are_kept),
    TEST(decisions_about_a_thousand_sites_fit_into_one_record), TEST(a_failure_of_a_thousand_sites_is_one_sentence))
