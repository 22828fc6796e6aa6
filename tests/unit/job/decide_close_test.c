/* A round is closed, the last model evaluated and stored; and how large decisions get. */
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
    struct record stored = {RECORD_MODEL_STORED,
                            .is.model_stored = {.job = WORLD_JOB, .round = 1, .stored = true, .reason = ""}};
    CHECK_STATUS(say(&w, "server-1", &stored), ANB_OK);
    CHECK_EQUAL(lead(&w), 1);
    CHECK_EQUAL(the_job(&w)->phase, JOB_ENDED);
    CHECK_EQUAL(the_job(&w)->outcome, OUTCOME_COMPLETED);
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
    CHECK_TEXT(lead_to_failure(&w), "model store: no space on the disk");
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
    start_world_job(&w, "rounds: 9\n");
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
    const char *sentence = lead_to_failure(&w);
    CHECK(strlen(sentence) < 2048);
    CHECK(strstr(sentence, " more") != NULL);
    world_fini(&w);
}

TEST_MAIN("decide close", TEST(a_job_of_two_rounds_runs_to_its_end),
          TEST(metrics_are_weighted_means_over_those_who_report_them), TEST(the_digest_does_not_depend_on_who_folded),
          TEST(streams_are_forgotten_when_the_round_after_theirs_is_closed),
          TEST(evaluation_asks_for_metrics_and_keeps_the_model), TEST(evaluation_refuses_a_model),
          TEST(evaluation_ends_at_its_deadline_without_a_quorum), TEST(evaluation_needs_no_aggregator),
          TEST(a_model_that_cannot_be_stored_fails_the_job_with_the_reason),
          TEST(without_history_only_two_rounds_are_kept), TEST(decisions_about_a_thousand_sites_fit_into_one_record),
          TEST(a_failure_of_a_thousand_sites_is_one_sentence))
