#include "server/target.h"
#include "support/test.h"

#include <string.h>

static struct target target;

static void per_cent_signs_are_refused(void)
{
    CHECK_STATUS(target_parse("/v1/jobs/%00", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/v1/..%2fjobs", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/v1/jobs?a=%41", &target, &test_error), ANB_INVALID);
}

static void dots_and_empty_segments_are_refused(void)
{
    CHECK_STATUS(target_parse("/v1/../etc", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/v1//jobs", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/v1/./jobs", &target, &test_error), ANB_INVALID);
}

static void targets_that_do_not_begin_with_a_slash_are_refused(void)
{
    CHECK_STATUS(target_parse("", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("*", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("http://a/v1/jobs", &target, &test_error), ANB_INVALID);
}

static void long_targets_are_refused_at_257_bytes(void)
{
    char long_one[TARGET_MAX_BYTES + 2];
    memset(long_one, 'a', sizeof long_one);
    long_one[0] = '/';
    long_one[TARGET_MAX_BYTES + 1] = 0;
    CHECK_STATUS(target_parse(long_one, &target, &test_error), ANB_INVALID);
    long_one[TARGET_MAX_BYTES] = 0;
    CHECK_STATUS(target_parse(long_one, &target, &test_error), ANB_OK);
}

static void control_and_high_bytes_are_refused(void)
{
    CHECK_STATUS(target_parse("/a\x01", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/\xc3\xa4", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/a b", &target, &test_error), ANB_INVALID);
}

static void queries_without_name_or_value_sign_are_refused(void)
{
    CHECK_STATUS(target_parse("/a?=1", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/a?b", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/a?b=1&&c=2", &target, &test_error), ANB_INVALID);
}

static void repeated_and_too_many_queries_are_refused(void)
{
    CHECK_STATUS(target_parse("/a?b=1&b=2", &target, &test_error), ANB_INVALID);
    CHECK_STATUS(target_parse("/?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1", &target, &test_error), ANB_INVALID);
}

static void unknown_queries_are_refused_by_name(void)
{
    CHECK_STATUS(target_parse("/v1/jobs/a?round=all", &target, &test_error), ANB_OK);
    CHECK_STATUS(target_check_queries(&target, "rounds wait_s", &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, "\"round\"") != NULL);
    CHECK_STATUS(target_check_queries(&target, "", &test_error), ANB_INVALID);
}

static void path_and_queries_are_split(void)
{
    CHECK_STATUS(target_parse("/v1/jobs/a.b_c-d?wait_s=5&rounds=", &target, &test_error), ANB_OK);
    CHECK_TEXT(target.path, "/v1/jobs/a.b_c-d");
    CHECK_TEXT(target_query(&target, "wait_s"), "5");
    CHECK_TEXT(target_query(&target, "rounds"), "");
    CHECK(target_query(&target, "limit") == NULL);
    CHECK_STATUS(target_check_queries(&target, "rounds wait_s", &test_error), ANB_OK);
}

static void numbers_have_bounds_and_no_signs(void)
{
    int64_t value = 7;
    CHECK_STATUS(target_parse("/?a=61&b=-1&c=x&d=99999999999999999999&e=60&f=", &target, &test_error), ANB_OK);
    CHECK_STATUS(target_query_int(&target, "a", 0, 60, &value, &test_error), ANB_INVALID);
    CHECK_STATUS(target_query_int(&target, "b", 0, 60, &value, &test_error), ANB_INVALID);
    CHECK_STATUS(target_query_int(&target, "c", 0, 60, &value, &test_error), ANB_INVALID);
    CHECK_STATUS(target_query_int(&target, "d", 0, INT64_MAX, &value, &test_error), ANB_INVALID);
    CHECK_STATUS(target_query_int(&target, "f", 0, 60, &value, &test_error), ANB_INVALID);
    CHECK_STATUS(target_query_int(&target, "g", 0, 60, &value, &test_error), ANB_OK);
    CHECK_EQUAL(value, 7);
    CHECK_STATUS(target_query_int(&target, "e", 0, 60, &value, &test_error), ANB_OK);
    CHECK_EQUAL(value, 60);
}

TEST_MAIN("server_target", TEST(per_cent_signs_are_refused), TEST(dots_and_empty_segments_are_refused),
          TEST(targets_that_do_not_begin_with_a_slash_are_refused), TEST(long_targets_are_refused_at_257_bytes),
          TEST(control_and_high_bytes_are_refused), TEST(queries_without_name_or_value_sign_are_refused),
          TEST(repeated_and_too_many_queries_are_refused), TEST(unknown_queries_are_refused_by_name),
          TEST(path_and_queries_are_split), TEST(numbers_have_bounds_and_no_signs))
