#include "cli/job.h"
#include "support/test.h"

#include <string.h>

static struct doc *parsed(const char *json)
{
    struct doc *root = NULL;
    CHECK_STATUS(doc_parse_json(slice_of_text(json), "test", &root, &test_error), ANB_OK);
    return root;
}

static void what_is_not_hexadecimal_or_too_long_is_no_id(void)
{
    CHECK(!job_id_is_prefix(""));
    CHECK(!job_id_is_prefix("0g"));
    CHECK(!job_id_is_prefix("AB"));
    CHECK(!job_id_is_prefix("../../sites"));
    CHECK(!job_id_is_prefix("0123456789abcdef0"));
    CHECK(job_id_is_prefix("0"));
    CHECK(job_id_is_prefix("0123456789abcdef"));
}

static void a_beginning_that_no_job_or_several_jobs_have_is_refused(void)
{
    char id[JOB_ID_DIGITS + 1] = "untouched";
    struct doc *jobs = parsed("[{\"id\":\"aa00000000000000\"},{\"id\":\"aa11111111111111\"},{\"id\":7},null]");
    CHECK_STATUS(job_id_find(jobs, "b", id, &test_error), ANB_NOT_FOUND);
    CHECK_STATUS(job_id_find(NULL, "a", id, &test_error), ANB_NOT_FOUND);
    CHECK_STATUS(job_id_find(jobs, "aa", id, &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, "aa00000000000000 aa11111111111111") != NULL);
    CHECK_TEXT(id, "untouched");
    CHECK_STATUS(job_id_find(jobs, "aa1", id, &test_error), ANB_OK);
    CHECK_TEXT(id, "aa11111111111111");
    doc_free(jobs);
}

static void an_id_of_the_server_that_is_none_is_not_used(void)
{
    char id[JOB_ID_DIGITS + 1];
    struct doc *jobs = parsed("[{\"id\":\"aa/../../x\"},{\"id\":\"bb11111111111111000000000000000000\"}]");
    CHECK_STATUS(job_id_find(jobs, "aa", id, &test_error), ANB_NOT_FOUND);
    CHECK_STATUS(job_id_find(jobs, "bb", id, &test_error), ANB_NOT_FOUND);
    doc_free(jobs);
}

static void the_state_is_the_outcome_once_the_job_has_ended(void)
{
    struct doc *running = parsed("{\"phase\":\"running\",\"outcome\":null,\"round\":2,\"rounds_total\":5}");
    struct doc *done = parsed("{\"phase\":\"ended\",\"outcome\":\"completed\",\"round\":5,\"rounds_total\":5}");
    struct doc *failed = parsed("{\"phase\":\"ended\",\"outcome\":\"failed\",\"round\":null,\"rounds_total\":5}");
    CHECK_TEXT(job_state_word(running), "running");
    CHECK_TEXT(job_state_word(done), "completed");
    CHECK_TEXT(job_state_word(NULL), "unknown");
    CHECK(!job_has_ended(running) && job_has_ended(done) && !job_has_ended(NULL));
    CHECK_EQUAL(job_rounds_done(running), 2);
    CHECK_EQUAL(job_rounds_done(done), 5);
    CHECK_EQUAL(job_rounds_done(failed), 0);
    doc_free(running), doc_free(done), doc_free(failed);
}

TEST_MAIN("cli-job", TEST(what_is_not_hexadecimal_or_too_long_is_no_id),
          TEST(a_beginning_that_no_job_or_several_jobs_have_is_refused),
          TEST(an_id_of_the_server_that_is_none_is_not_used), TEST(the_state_is_the_outcome_once_the_job_has_ended))
