/* What the log asks of a site, for logs made record by record. */
#include "duty.h"
#include "support/federation.h"
#include "support/test.h"

#include <string.h>

static struct duty ask(const struct world *world, const char *site)
{
    struct duty duty;
    duty_of(the_job(world), site, &duty);
    return duty;
}

static void a_job_that_is_not_known_is_over(void)
{
    struct duty duty;
    duty_of(NULL, "a", &duty);
    CHECK_EQUAL(duty.kind, DUTY_END);
}

static void a_site_that_is_not_named_has_no_duty(void)
{
    struct world world;
    world_begin(&world);
    CHECK_STATUS(say_submit(&world, WORLD_JOB, "r", "rounds: 2\nsites: {minimum: 1, names: [b]}\n"), ANB_OK);
    CHECK_EQUAL(ask(&world, "a").kind, DUTY_NONE);
    CHECK_EQUAL(ask(&world, "b").kind, DUTY_ANSWER);
    world_fini(&world);
}

static void a_job_is_answered_once(void)
{
    struct world world;
    world_begin(&world);
    CHECK_STATUS(say_submit(&world, WORLD_JOB, "r", "rounds: 2\nsites: {minimum: 3}\n"), ANB_OK);
    CHECK_EQUAL(ask(&world, "a").kind, DUTY_ANSWER);
    CHECK_STATUS(say_answer(&world, "a", WORLD_JOB, true, ""), ANB_OK);
    CHECK_EQUAL(ask(&world, "a").kind, DUTY_NONE);
    CHECK_EQUAL(ask(&world, "b").kind, DUTY_ANSWER);
    world_fini(&world);
}

static void an_open_round_is_a_task_until_its_update_is_closed(void)
{
    struct world world;
    world_run(&world, 2, false);
    struct duty duty = ask(&world, "a");
    CHECK_EQUAL(duty.kind, DUTY_TASK);
    CHECK_EQUAL(duty.task, TASK_TRAIN);
    CHECK_EQUAL(duty.round, 0);
    CHECK_EQUAL(duty.base.n, 1);
    CHECK(id_equal(&duty.base.ids[0], &the_job(&world)->model));
    CHECK_EQUAL(duty.next.n, 0);
    struct stream_opened update = world_update(&world, WORLD_JOB, 1);
    CHECK_STATUS(say_open(&world, "a", &update), ANB_OK);
    CHECK_EQUAL(ask(&world, "a").kind, DUTY_TASK);
    CHECK_STATUS(say_close(&world, "a", &update.stream), ANB_OK);
    CHECK_EQUAL(ask(&world, "a").kind, DUTY_STAND_BY);
    CHECK_EQUAL(ask(&world, "b").kind, DUTY_TASK);
    CHECK_EQUAL(ask(&world, "stranger").kind, DUTY_NONE);
    world_fini(&world);
}

static void a_new_incarnation_does_an_open_update_again_but_not_a_closed_one(void)
{
    struct world world;
    world_run(&world, 2, false);
    struct stream_opened update = world_update(&world, WORLD_JOB, 1);
    CHECK_STATUS(say_open(&world, "a", &update), ANB_OK);
    send_update(&world, "b", WORLD_JOB, 1);
    CHECK_STATUS(say_up(&world, "a", ROLE_CLIENT), ANB_OK);
    CHECK_STATUS(say_up(&world, "b", ROLE_CLIENT), ANB_OK);
    CHECK_EQUAL(ask(&world, "a").kind, DUTY_TASK);
    CHECK_EQUAL(ask(&world, "b").kind, DUTY_STAND_BY);
    world_fini(&world);
}

static void a_round_that_was_given_up_is_no_task(void)
{
    struct world world;
    world_run(&world, 2, false);
    struct id none = {{0}};
    CHECK_STATUS(say_abandon(&world, "a", &none, WORLD_JOB, true, "no data"), ANB_OK);
    CHECK_EQUAL(ask(&world, "a").kind, DUTY_STAND_BY);
    world_fini(&world);
}

static void the_next_model_is_followed_once_all_shares_are_open(void)
{
    struct world world;
    world_run(&world, 2, false);
    send_update(&world, "a", WORLD_JOB, 1);
    send_update(&world, "b", WORLD_JOB, 1);
    send_update(&world, "c", WORLD_JOB, 1);
    struct id first = open_share(&world, "agg-1", WORLD_JOB);
    CHECK_EQUAL(ask(&world, "a").next.n, 0);
    open_share(&world, "agg-2", WORLD_JOB);
    struct duty duty = ask(&world, "a");
    CHECK_EQUAL(duty.kind, DUTY_STAND_BY);
    CHECK_EQUAL(duty.next.n, 2);
    CHECK(id_equal(&duty.next.ids[0], &first) || id_equal(&duty.next.ids[1], &first));
    world_fini(&world);
}

static void nothing_is_followed_when_nothing_comes_after_the_round(void)
{
    struct world world;
    world_run(&world, 1, false);
    send_update(&world, "a", WORLD_JOB, 1);
    send_update(&world, "b", WORLD_JOB, 1);
    send_update(&world, "c", WORLD_JOB, 1);
    open_share(&world, "agg-1", WORLD_JOB);
    open_share(&world, "agg-2", WORLD_JOB);
    CHECK_EQUAL(ask(&world, "a").next.n, 0);
    world_fini(&world);
}

static void sets_of_streams_are_compared_in_any_order(void)
{
    struct stream_set a = {.ids = {{{1}}, {{2}}}, .n = 2}, b = {.ids = {{{2}}, {{1}}}, .n = 2};
    CHECK(stream_set_equal(&a, &b));
    b.ids[0].bytes[0] = 3;
    CHECK(!stream_set_equal(&a, &b));
    b.n = 1;
    CHECK(!stream_set_equal(&a, &b));
}

static void a_job_is_refused_for_a_missing_program(void)
{
    char reason[256];
    const char *missing[] = {"no-such-program"}, *sh[] = {"sh"}, *own[] = {"./trainer"}, *absolute[] = {"/bin/nothing"};
    struct job_spec spec = {.command = missing, .n_command = 1};
    CHECK(duty_refusal(&spec, "/usr/bin:/bin", reason) && strstr(reason, "no-such-program"));
    spec.command = absolute;
    CHECK(duty_refusal(&spec, "/bin", reason));
    spec.command = sh;
    CHECK(duty_refusal(&spec, NULL, reason));
    CHECK(!duty_refusal(&spec, "/nowhere::/bin", reason));
    spec.command = own;
    CHECK(!duty_refusal(&spec, "", reason));
}

TEST_MAIN("client duty", TEST(a_job_that_is_not_known_is_over), TEST(a_site_that_is_not_named_has_no_duty),
          TEST(a_round_that_was_given_up_is_no_task), TEST(nothing_is_followed_when_nothing_comes_after_the_round),
          TEST(a_job_is_refused_for_a_missing_program), TEST(a_job_is_answered_once),
          TEST(an_open_round_is_a_task_until_its_update_is_closed),
          TEST(a_new_incarnation_does_an_open_update_again_but_not_a_closed_one),
          TEST(the_next_model_is_followed_once_all_shares_are_open), TEST(sets_of_streams_are_compared_in_any_order))
