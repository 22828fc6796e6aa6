/* A job's submission, answers, start, end and deletion. */
#include "support/federation.h"
#include "support/test.h"

#include <string.h>

#define OTHER_JOB "00000000000000b2"
#define SPEC "rounds: 2\n"

static void a_job_id_that_is_no_id_is_refused(void)
{
    struct world w;
    world_begin(&w);
    CHECK_REFUSED(&w, say_submit(&w, "job-1", "r", SPEC), ANB_INVALID, "bad-record");
    CHECK_EQUAL(federation_n_jobs(w.federation), 0);
    world_fini(&w);
}

static void a_request_id_must_be_there_and_short(void)
{
    struct world w;
    char request[200];
    memset(request, 'x', sizeof request - 1);
    request[sizeof request - 1] = '\0';
    world_begin(&w);
    CHECK_REFUSED(&w, say_submit(&w, WORLD_JOB, "", SPEC), ANB_INVALID, "bad-record");
    CHECK_REFUSED(&w, say_submit(&w, OTHER_JOB, request, SPEC), ANB_INVALID, "bad-record");
    world_fini(&w);
}

static void a_job_with_a_bad_specification_is_refused_with_the_sentence(void)
{
    struct world w;
    world_begin(&w);
    CHECK_REFUSED(&w, say_submit(&w, WORLD_JOB, "r", "rounds: 0\n"), ANB_INVALID, "bad-spec");
    CHECK(strstr(w.err.text, "rounds must be 1..100000, got 0") != NULL);
    CHECK_EQUAL(federation_n_jobs(w.federation), 0);
    world_fini(&w);
}

static void a_job_whose_bundle_or_model_is_not_closed_is_refused(void)
{
    struct world w;
    world_begin(&w);
    struct record record = {
        RECORD_JOB_SUBMITTED,
        .is.job_submitted = {.job = WORLD_JOB, .request = "r", .name = "", .spec = "", .submitter = ""}};
    CHECK_REFUSED(&w, say(&w, "server-1", &record), ANB_INVALID, "unknown-stream");
    world_fini(&w);
}

static void a_request_that_is_repeated_makes_no_second_job(void)
{
    struct world w;
    world_begin(&w);
    CHECK_EQUAL(say_submit(&w, WORLD_JOB, "r", SPEC), ANB_OK);
    CHECK_REFUSED(&w, say_submit(&w, OTHER_JOB, "r", SPEC), ANB_EXISTS, "repeated");
    CHECK_EQUAL(federation_n_jobs(w.federation), 1);
    CHECK_TEXT(federation_job_by_request(w.federation, "someone", "r")->id, WORLD_JOB);
    CHECK(federation_job_by_request(w.federation, "somebody-else", "r") == NULL);
    world_fini(&w);
}

static void streams_of_a_job_cannot_begin_after_its_submission(void)
{
    struct world w;
    world_begin(&w);
    say_submit(&w, WORLD_JOB, "r", SPEC);
    int64_t before = refusals(&w, "late");
    CHECK_REFUSED(&w, say_submit(&w, WORLD_JOB, "s", SPEC), ANB_EXISTS, "repeated");
    CHECK_EQUAL(refusals(&w, "late"), before + 2);
    world_fini(&w);
}

static void only_a_server_begins_a_job(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.round = -1;
    opened.job = OTHER_JOB;
    opened.purpose = PURPOSE_BUNDLE;
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_DENIED, "wrong-role");
    world_fini(&w);
}

static void a_restarted_server_forgets_the_submission_it_was_busy_with(void)
{
    struct world w;

    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 0);
    opened.round = -1;
    opened.job = OTHER_JOB;
    opened.purpose = PURPOSE_BUNDLE;
    CHECK_EQUAL(say_open(&w, "server-1", &opened), ANB_OK);
    CHECK_EQUAL(say_close(&w, "server-1", &opened.stream), ANB_OK);
    CHECK_EQUAL(federation_needed_offset(w.federation, "server-1", 0), 10);
    say_up(&w, "server-1", ROLE_SERVER);
    CHECK(!federation_stream(w.federation, &opened.stream));
    CHECK(federation_stream(w.federation, &the_job(&w)->bundle) != NULL);
    world_fini(&w);
}

static void an_answer_to_an_unknown_job_is_refused(void)
{
    struct world w;
    world_begin(&w);
    CHECK_REFUSED(&w, say_answer(&w, "a", WORLD_JOB, true, ""), ANB_EXISTS, "unknown-job");
    world_fini(&w);
}

static void only_clients_answer(void)
{
    struct world w;
    world_begin(&w);
    say_submit(&w, WORLD_JOB, "r", SPEC);
    CHECK_REFUSED(&w, say_answer(&w, "agg-1", WORLD_JOB, true, ""), ANB_DENIED, "wrong-role");
    world_fini(&w);
}

static void only_named_sites_answer(void)
{
    struct world w;
    world_begin(&w);
    say_submit(&w, WORLD_JOB, "r", SPEC "sites: {names: [a, b]}\n");
    CHECK_REFUSED(&w, say_answer(&w, "c", WORLD_JOB, true, ""), ANB_DENIED, "not-a-site");
    world_fini(&w);
}

static void a_site_answers_once(void)
{
    struct world w;
    world_begin(&w);
    say_submit(&w, WORLD_JOB, "r", SPEC);
    CHECK_EQUAL(say_answer(&w, "a", WORLD_JOB, false, "no room"), ANB_OK);
    CHECK_REFUSED(&w, say_answer(&w, "a", WORLD_JOB, true, ""), ANB_EXISTS, "repeated");
    CHECK(!the_job(&w)->answers[0].accepted);
    CHECK_TEXT(the_job(&w)->answers[0].reason, "no room");
    world_fini(&w);
}

static void an_answer_after_the_start_comes_too_late(void)
{
    struct world w;
    world_begin(&w);
    say_submit(&w, WORLD_JOB, "r", SPEC "sites: {names: [a, b, c], minimum: 2}\n");
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    w.now_ms += 60000;
    lead(&w);
    CHECK_EQUAL(the_job(&w)->phase, JOB_RUNNING);
    CHECK_REFUSED(&w, say_answer(&w, "c", WORLD_JOB, true, ""), ANB_EXISTS, "late");
    world_fini(&w);
}

static void answers_stand_by_site(void)
{
    struct world w;
    world_begin(&w);
    say_submit(&w, WORLD_JOB, "r", SPEC);
    say_answer(&w, "c", WORLD_JOB, true, "");
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    CHECK_TEXT(the_job(&w)->answers[0].site, "a");
    CHECK_TEXT(the_job(&w)->answers[2].site, "c");
    world_fini(&w);
}

static enum anb_status start(struct world *w, const char **sites, size_t n)
{
    struct record record = {RECORD_JOB_STARTED, .is.job_started = {.job = WORLD_JOB, .sites = sites, .n_sites = n}};
    return say(w, "server-1", &record);
}

static void a_job_starts_only_with_sorted_sites_that_accepted(void)
{
    struct world w;
    const char *unsorted[] = {"b", "a"}, *unknown[] = {"a", "c"}, *good[] = {"a", "b"};
    world_begin(&w);
    say_submit(&w, WORLD_JOB, "r", SPEC);
    say_answer(&w, "a", WORLD_JOB, true, "");
    say_answer(&w, "b", WORLD_JOB, true, "");
    say_answer(&w, "c", WORLD_JOB, false, "");
    CHECK_REFUSED(&w, start(&w, unsorted, 2), ANB_INVALID, "bad-record");
    CHECK_REFUSED(&w, start(&w, good, 0), ANB_INVALID, "bad-record");
    CHECK_REFUSED(&w, start(&w, unknown, 2), ANB_INVALID, "not-a-site");
    CHECK_EQUAL(start(&w, good, 2), ANB_OK);
    CHECK_REFUSED(&w, start(&w, good, 2), ANB_INVALID, "illegal-move");
    world_fini(&w);
}

static enum anb_status end(struct world *w, enum outcome outcome, const char *reason)
{
    struct record record = {RECORD_JOB_ENDED, .is.job_ended = {.job = WORLD_JOB, .outcome = outcome, .reason = reason}};
    return say(w, "server-1", &record);
}

static void a_job_completes_only_with_its_model_stored(void)
{
    struct world w;
    world_run(&w, 1, false);
    CHECK_REFUSED(&w, end(&w, OUTCOME_COMPLETED, ""), ANB_INVALID, "illegal-move");
    world_fini(&w);
}

static void a_job_is_aborted_at_any_time_before_its_end_and_not_after(void)
{
    struct world w;
    world_run(&w, 1, false);
    CHECK_EQUAL(end(&w, OUTCOME_ABORTED, "by someone"), ANB_OK);
    CHECK_EQUAL(the_job(&w)->outcome, OUTCOME_ABORTED);
    CHECK_TEXT(the_job(&w)->reason, "by someone");
    CHECK_REFUSED(&w, end(&w, OUTCOME_FAILED, "again"), ANB_EXISTS, "late");
    CHECK_TEXT(the_job(&w)->reason, "by someone");
    world_fini(&w);
}

static void an_ended_job_has_no_streams_and_needs_nothing(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    CHECK_EQUAL(federation_needed_offset(w.federation, "a", 1), 20);
    end(&w, OUTCOME_ABORTED, "");
    CHECK(!federation_stream(w.federation, &opened.stream));
    CHECK_EQUAL(federation_needed_offset(w.federation, "a", 1), INT64_MAX);
    CHECK_EQUAL(federation_needed_offset(w.federation, "server-1", 0), INT64_MAX);
    CHECK_REFUSED(&w, say_close(&w, "a", &opened.stream), ANB_EXISTS, "unknown-stream");
    world_fini(&w);
}

static enum anb_status delete_job(struct world *w)
{
    struct record record = {RECORD_JOB_DELETED, .is.job_deleted = {.job = WORLD_JOB}};
    return say(w, "server-1", &record);
}

static void a_running_job_is_not_deleted(void)
{
    struct world w;
    world_run(&w, 1, false);
    CHECK_REFUSED(&w, delete_job(&w), ANB_INVALID, "illegal-move");
    CHECK(the_job(&w) != NULL);
    world_fini(&w);
}

static void a_deleted_job_is_gone_and_its_request_id_is_free(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_submit(&w, OTHER_JOB, "other", SPEC);
    end(&w, OUTCOME_ABORTED, "");
    CHECK_EQUAL(delete_job(&w), ANB_OK);
    CHECK(!the_job(&w));
    CHECK_EQUAL(federation_n_jobs(w.federation), 1);
    CHECK_TEXT(federation_job_at(w.federation, 0)->id, OTHER_JOB);
    CHECK(!federation_job_at(w.federation, 1));
    CHECK_REFUSED(&w, delete_job(&w), ANB_EXISTS, "unknown-job");
    CHECK_EQUAL(say_submit(&w, "00000000000000c3", "request", SPEC), ANB_OK);
    world_fini(&w);
}

static void a_model_is_stored_only_after_the_last_round(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct record record = {RECORD_MODEL_STORED, .is.model_stored = {.job = WORLD_JOB, .round = 0, .reason = ""}};
    CHECK_REFUSED(&w, say(&w, "server-1", &record), ANB_INVALID, "illegal-move");
    world_fini(&w);
}

static void each_record_that_changes_a_job_raises_its_revision(void)
{
    struct world w;
    world_run(&w, 1, false);
    int64_t before = the_job(&w)->revision;
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    CHECK_EQUAL(the_job(&w)->revision, w.offset);
    CHECK(the_job(&w)->revision > before);
    before = the_job(&w)->revision;
    say_open(&w, "a", &opened);
    CHECK_EQUAL(the_job(&w)->revision, before);
    world_fini(&w);
}

TEST_MAIN("federation jobs", TEST(a_job_id_that_is_no_id_is_refused), TEST(a_request_id_must_be_there_and_short),
          TEST(a_job_with_a_bad_specification_is_refused_with_the_sentence),
          TEST(a_job_whose_bundle_or_model_is_not_closed_is_refused),
          TEST(a_request_that_is_repeated_makes_no_second_job),
          TEST(streams_of_a_job_cannot_begin_after_its_submission), TEST(only_a_server_begins_a_job),
          TEST(a_restarted_server_forgets_the_submission_it_was_busy_with),
          TEST(an_answer_to_an_unknown_job_is_refused), TEST(only_clients_answer), TEST(only_named_sites_answer),
          TEST(a_site_answers_once), TEST(an_answer_after_the_start_comes_too_late), TEST(answers_stand_by_site),
          TEST(a_job_starts_only_with_sorted_sites_that_accepted), TEST(a_job_completes_only_with_its_model_stored),
          TEST(a_job_is_aborted_at_any_time_before_its_end_and_not_after),
          TEST(an_ended_job_has_no_streams_and_needs_nothing), TEST(a_running_job_is_not_deleted),
          TEST(a_deleted_job_is_gone_and_its_request_id_is_free), TEST(a_model_is_stored_only_after_the_last_round),
          TEST(each_record_that_changes_a_job_raises_its_revision))
