/* Decisions about rounds that do not fit the state are refused whole, though the leader says them. */
#include "support/federation.h"
#include "support/test.h"

#include <string.h>

/* What the leader would say next, to be spoiled by the test. */
static struct record next(struct world *w)
{
    plan(w);
    return w->n_decided == 1 ? w->decided[0] : (struct record){.kind = N_RECORD_KINDS};
}

static void refused(struct world *w, struct record record)
{
    CHECK_REFUSED(w, say(w, "server-1", &record), ANB_INVALID, "illegal-move");
}

static void begin(struct world *w, struct record *opened)
{
    world_begin(w);
    say_submit(w, WORLD_JOB, "r", "rounds: 1\nsites: {names: [a, b, c], minimum: 2}\n");
    say_answer(w, "a", WORLD_JOB, true, "");
    say_answer(w, "b", WORLD_JOB, true, "");
    say_answer(w, "c", WORLD_JOB, true, "");
    lead(w);
    *opened = next(w);
    REQUIRE(opened->kind == RECORD_ROUND_OPENED);
}

static void a_round_that_is_not_the_next_one_is_not_opened(void)
{
    struct world w;
    struct record good, bad;
    begin(&w, &good);
    bad = good, bad.is.round_opened.round = 1;
    refused(&w, bad);
    bad = good, bad.is.round_opened.round = -1;
    refused(&w, bad);
    CHECK(!the_round(&w));
    bad = good;
    CHECK_EQUAL(say(&w, "server-1", &bad), ANB_OK);
    refused(&w, good);
    CHECK_EQUAL(the_job(&w)->n_rounds, 1);
    world_fini(&w);
}

static void a_round_with_another_task_rule_base_or_quorum_is_not_opened(void)
{
    struct world w;
    struct record good, bad;
    struct id other = {{1}};
    begin(&w, &good);
    bad = good, bad.is.round_opened.task = TASK_EVALUATE;
    refused(&w, bad);
    bad = good, bad.is.round_opened.rule = "median";
    refused(&w, bad);
    bad = good, bad.is.round_opened.base = &other;
    refused(&w, bad);
    bad = good, bad.is.round_opened.n_base = 0;
    refused(&w, bad);
    bad = good, bad.is.round_opened.quorum = 0;
    refused(&w, bad);
    bad = good, bad.is.round_opened.quorum = 4;
    refused(&w, bad);
    world_fini(&w);
}

static void a_round_whose_participants_are_no_sites_or_not_sorted_is_not_opened(void)
{
    struct world w;
    struct record good, bad;
    const char *unsorted[] = {"b", "a", "c"}, *twice[] = {"a", "a", "b"}, *unknown[] = {"a", "b", "d"};
    begin(&w, &good);
    bad = good, bad.is.round_opened.participants = unsorted;
    refused(&w, bad);
    bad = good, bad.is.round_opened.participants = twice;
    refused(&w, bad);
    bad = good, bad.is.round_opened.participants = unknown;
    refused(&w, bad);
    bad = good, bad.is.round_opened.n_participants = 0;
    refused(&w, bad);
    world_fini(&w);
}

static void shares_that_leave_out_or_repeat_a_partition_or_have_no_aggregator_are_refused(void)
{
    struct world w;
    struct record good, bad;
    int32_t all[] = {0, 1, 2, 3}, some[] = {0, 1, 2}, rest[] = {2, 3}, outside[] = {0, 1, 2, 64};
    struct share none = {"agg-1", all, 0}, few = {"agg-1", some, 3}, client = {"a", all, 4},
                 far = {"agg-1", outside, 4}, unknown = {"agg-7", all, 4},
                 overlap[] = {{"agg-1", some, 3}, {"agg-2", rest, 2}},
                 unsorted[] = {{"agg-2", some, 2}, {"agg-1", rest, 2}};
    struct share *singles[] = {&none, &few, &client, &far, &unknown};
    begin(&w, &good);
    for (size_t i = 0; i < 5; i++) {
        bad = good, bad.is.round_opened.shares = singles[i], bad.is.round_opened.n_shares = 1;
        refused(&w, bad);
    }
    bad = good, bad.is.round_opened.shares = overlap;
    refused(&w, bad);
    bad = good, bad.is.round_opened.shares = unsorted;
    refused(&w, bad);
    bad = good, bad.is.round_opened.n_shares = 0;
    refused(&w, bad);
    world_fini(&w);
}

static void run_to_cut(struct world *w, struct record *cut)
{
    world_run(w, 1, false);
    say_abandon(w, "b", NULL, WORLD_JOB, true, "");
    send_update(w, "a", WORLD_JOB, 1);
    send_update(w, "c", WORLD_JOB, 1);
    *cut = next(w);
    REQUIRE(cut->kind == RECORD_ROUND_CUT);
}

static void a_cut_of_another_attempt_round_or_job_is_refused(void)
{
    struct world w;
    struct record good, bad;
    run_to_cut(&w, &good);
    bad = good, bad.is.round_cut.attempt = 2;
    refused(&w, bad);
    bad = good, bad.is.round_cut.attempt = 0;
    refused(&w, bad);
    bad = good, bad.is.round_cut.round = 1;
    refused(&w, bad);
    bad = good, bad.is.round_cut.job = "00000000000000ff";
    CHECK_REFUSED(&w, say(&w, "server-1", &bad), ANB_EXISTS, "unknown-job");
    bad = good;
    CHECK_EQUAL(say(&w, "server-1", &bad), ANB_OK);
    refused(&w, good);
    world_fini(&w);
}

static void a_cut_cannot_drop_a_closed_update_or_keep_an_excluded_site(void)
{
    struct world w;
    struct record good, bad;
    const char *with_excluded[] = {"a", "b", "c"}, *only_a[] = {"a"}, *stranger[] = {"a", "c", "d"};
    run_to_cut(&w, &good);
    bad = good, bad.is.round_cut.participants = with_excluded, bad.is.round_cut.n_participants = 3;
    refused(&w, bad);
    bad = good, bad.is.round_cut.participants = only_a, bad.is.round_cut.n_participants = 1;
    refused(&w, bad);
    bad = good, bad.is.round_cut.participants = stranger, bad.is.round_cut.n_participants = 3;
    refused(&w, bad);
    bad = good, bad.is.round_cut.n_shares = 0;
    refused(&w, bad);
    CHECK_EQUAL(the_round(&w)->attempt, 0);
    world_fini(&w);
}

static void run_to_close(struct world *w, struct record *closed)
{
    world_run(w, 1, false);
    send_update(w, "a", WORLD_JOB, 1);
    send_update(w, "b", WORLD_JOB, 1);
    send_update(w, "c", WORLD_JOB, 1);
    send_share(w, "agg-1", WORLD_JOB);
    send_share(w, "agg-2", WORLD_JOB);
    *closed = next(w);
    REQUIRE(closed->kind == RECORD_ROUND_CLOSED);
}

static void a_round_is_not_closed_with_another_model_or_digest(void)
{
    struct world w;
    struct record good, bad;
    struct id swapped[2];
    run_to_close(&w, &good);
    swapped[0] = good.is.round_closed.model[1], swapped[1] = good.is.round_closed.model[0];
    bad = good, bad.is.round_closed.model = swapped;
    refused(&w, bad);
    bad = good, bad.is.round_closed.n_model = 1;
    refused(&w, bad);
    bad = good, bad.is.round_closed.digest.bytes[31] ^= 1;
    CHECK_REFUSED(&w, say(&w, "server-1", &bad), ANB_INVALID, "bad-digest");
    CHECK_EQUAL(the_round(&w)->phase, ROUND_OPEN);
    world_fini(&w);
}

static void a_round_is_not_closed_with_others_than_those_who_closed(void)
{
    struct world w;
    struct record good, bad;
    const char *stranger[] = {"a", "b", "d"};
    run_to_close(&w, &good);
    bad = good, bad.is.round_closed.n_counted = 2;
    refused(&w, bad);
    bad = good, bad.is.round_closed.counted = stranger;
    refused(&w, bad);
    world_fini(&w);
}

static void a_round_is_closed_once(void)
{
    struct world w;
    struct record good, again;
    run_to_close(&w, &good);
    again = good;
    CHECK_EQUAL(say(&w, "server-1", &good), ANB_OK);
    refused(&w, again);
    CHECK_EQUAL(the_job(&w)->phase, JOB_STORING);
    world_fini(&w);
}

static void a_round_is_not_closed_before_its_shares_are(void)
{
    struct world w, done;
    struct record closed;
    run_to_close(&done, &closed);
    world_run(&w, 1, false);
    send_update(&w, "a", WORLD_JOB, 1);
    send_update(&w, "b", WORLD_JOB, 1);
    send_update(&w, "c", WORLD_JOB, 1);
    open_share(&w, "agg-1", WORLD_JOB);
    open_share(&w, "agg-2", WORLD_JOB);
    refused(&w, closed);
    world_fini(&w);
    world_fini(&done);
}

TEST_MAIN("federation rounds", TEST(a_round_that_is_not_the_next_one_is_not_opened),
          TEST(a_round_with_another_task_rule_base_or_quorum_is_not_opened),
          TEST(a_round_whose_participants_are_no_sites_or_not_sorted_is_not_opened),
          TEST(shares_that_leave_out_or_repeat_a_partition_or_have_no_aggregator_are_refused),
          TEST(a_cut_of_another_attempt_round_or_job_is_refused),
          TEST(a_cut_cannot_drop_a_closed_update_or_keep_an_excluded_site),
          TEST(a_round_is_not_closed_with_another_model_or_digest),
          TEST(a_round_is_not_closed_with_others_than_those_who_closed), TEST(a_round_is_closed_once),
          TEST(a_round_is_not_closed_before_its_shares_are))
