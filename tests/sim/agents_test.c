/* Agents and their trainers through whole jobs: answers, rounds, failures, restarts and the end. */
#include "agents.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HELLO "#!/bin/sh\nexec ./hello\n"
#define SPEC_2 "\"rounds\":3,\"sites\":{\"minimum\":2},\"final_evaluation\":true"

static struct ending run(int n_sites, const char *script, const char *spec)
{
    struct ending ending = {.outcome = OUTCOME_FAILED};
    struct agents *agents = agents_open(n_sites);
    CHECK(agents_await(agents, agents_submit(agents, script, spec), &ending));
    agents_close(agents);
    return ending;
}

/* What the job gives when nothing happens. */
static struct digest undisturbed(void)
{
    struct ending ending = run(2, HELLO, SPEC_2);
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    return ending.model;
}

static void a_trainer_that_fails_leaves_its_words_in_the_log(void)
{
    struct ending ending =
        run(2, "#!/bin/sh\ncase $PWD in *site-2*) echo no such data >&2; exit 3;; esac\nexec ./hello\n",
            "\"rounds\":2,\"sites\":{\"minimum\":2},\"round\":{\"quorum\":1}");
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    CHECK_EQUAL(ending.n_counted, 1);
    CHECK(strstr(ending.excluded, "site-2") && strstr(ending.excluded, "exit status 3") &&
          strstr(ending.excluded, "no such data"));
    CHECK(ending.gone);
}

static void a_program_that_cannot_run_is_a_reason(void)
{
    struct ending ending = run(1, "#!/no/such/interpreter\n", "\"rounds\":1,\"sites\":{\"minimum\":1}");
    CHECK_EQUAL(ending.outcome, OUTCOME_FAILED);
    CHECK(strstr(ending.excluded, "cannot be started") != NULL);
}

static void a_site_without_the_program_refuses_the_job(void)
{
    struct ending ending =
        run(1, HELLO,
            "\"rounds\":1,\"sites\":{\"minimum\":1,\"wait_s\":1},\"trainer\":{\"command\":[\"no-such-program\"]}");
    CHECK_EQUAL(ending.outcome, OUTCOME_FAILED);
    CHECK(strstr(ending.reason, "no-such-program") != NULL);
}

/* rude_trainer.c: what it sends must be refused with the right words, or it fails and says why. */
static void what_no_library_would_send_is_refused_and_the_task_stays(void)
{
    struct ending ending = run(1, "#!/bin/sh\nexec " RUDE_PROGRAM "\n",
                               "\"rounds\":1,\"sites\":{\"minimum\":1},\"final_evaluation\":true");
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    CHECK_TEXT(ending.excluded, "");
    CHECK_EQUAL(ending.n_rounds, 2);
}

/* The other site answers, the deadline passes, the round is closed without this one. */
static void a_late_result_is_taken_and_dropped(void)
{
    struct ending ending = run(2, "#!/bin/sh\ncase $PWD in *site-2*) sleep 2;; esac\nexec ./hello\n",
                               "\"rounds\":2,\"sites\":{\"minimum\":2},\"round\":{\"quorum\":1,\"deadline_s\":1}");
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    CHECK_EQUAL(ending.n_counted, 1);
    CHECK(strstr(ending.excluded, "site-2") != NULL);
    CHECK(ending.gone);
}

static void a_job_goes_through_all_its_rounds(void)
{
    struct ending ending = run(2, HELLO, SPEC_2);
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    CHECK_EQUAL(ending.n_rounds, 4);
    CHECK_EQUAL(ending.n_counted, 2);
    CHECK(isfinite(ending.loss));
    CHECK(ending.gone);
}

static void the_same_job_gives_the_same_model(void)
{
    struct digest once = undisturbed(), again = undisturbed();
    CHECK(digest_equal(&once, &again));
}

static void a_trainer_for_each_task_gives_the_same_model(void)
{
    struct digest expected = undisturbed();
    struct ending ending = run(2, HELLO, SPEC_2 ",\"trainer\":{\"command\":[\"./trainer.sh\"],\"launch\":\"task\"}");
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    CHECK(digest_equal(&ending.model, &expected));
}

static void a_killed_trainer_is_started_again(void)
{
    struct digest expected = undisturbed();
    struct ending ending = run(2, "#!/bin/sh\n[ -e killed ] || { touch killed; kill -9 $$; }\nexec ./hello\n", SPEC_2);
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    CHECK_EQUAL(ending.n_counted, 2);
    CHECK(digest_equal(&ending.model, &expected));
}

static void a_trainer_that_is_always_killed_is_given_up(void)
{
    struct ending ending = run(1, "#!/bin/sh\nkill -9 $$\n", "\"rounds\":1,\"sites\":{\"minimum\":1}");
    CHECK_EQUAL(ending.outcome, OUTCOME_FAILED);
    CHECK(strstr(ending.excluded, "killed by signal 9") != NULL);
}

static void a_killed_agent_goes_on_where_it_was(void)
{
    struct digest expected = undisturbed();
    for (int round = 0; round < 3; round++) {
        struct ending ending = {.outcome = OUTCOME_FAILED};
        struct agents *agents = agents_open(2);
        const char *job = agents_submit(agents, HELLO, SPEC_2);
        CHECK(agents_await_round(agents, job, round));
        agents_kill(agents, 1);
        agents_start(agents, 1);
        CHECK(agents_await(agents, job, &ending));
        CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
        CHECK_EQUAL(ending.n_counted, 2);
        CHECK(digest_equal(&ending.model, &expected));
        agents_close(agents);
    }
}

static void an_aborted_job_ends_a_trainer_that_does_not_listen(void)
{
    char path[512];
    struct ending ending = {.outcome = OUTCOME_FAILED};
    struct agents *agents = agents_open(1);
    const char *job = agents_submit(agents, "#!/bin/sh\ntrap '' TERM\ntouch started\nwhile :; do sleep 1; done\n",
                                    "\"rounds\":1,\"sites\":{\"minimum\":1}");
    snprintf(path, sizeof path, "%s/jobs/%s/started", agents_folder(agents, 1), job);
    CHECK(agents_await_file(path));
    agents_abort(agents, job);
    CHECK(agents_await(agents, job, &ending));
    CHECK_EQUAL(ending.outcome, OUTCOME_ABORTED);
    CHECK(ending.gone);
    agents_close(agents);
}

static void more_jobs_than_places_are_all_done(void)
{
    const char *jobs[11];
    struct agents *agents = agents_open(1);
    for (int i = 0; i < 11; i++) jobs[i] = agents_submit(agents, HELLO, "\"rounds\":2,\"sites\":{\"minimum\":1}");
    for (int i = 0; i < 11; i++) {
        struct ending ending = {.outcome = OUTCOME_FAILED};
        CHECK(agents_await(agents, jobs[i], &ending));
        CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    }
    agents_close(agents);
}

TEST_MAIN("agents", TEST(a_trainer_that_fails_leaves_its_words_in_the_log), TEST(a_program_that_cannot_run_is_a_reason),
          TEST(a_site_without_the_program_refuses_the_job), TEST(a_trainer_that_is_always_killed_is_given_up),
          TEST(what_no_library_would_send_is_refused_and_the_task_stays), TEST(a_late_result_is_taken_and_dropped),
          TEST(an_aborted_job_ends_a_trainer_that_does_not_listen), TEST(a_job_goes_through_all_its_rounds),
          TEST(the_same_job_gives_the_same_model), TEST(a_trainer_for_each_task_gives_the_same_model),
          TEST(a_killed_trainer_is_started_again), TEST(a_killed_agent_goes_on_where_it_was),
          TEST(more_jobs_than_places_are_all_done))
