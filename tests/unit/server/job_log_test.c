#include "base/file.h"
#include "server/job_log.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOB "00000000000000a1"

static struct job_logs *logs;

static void open_logs(int64_t ceiling)
{
    CHECK_STATUS(job_logs_open(test_folder(), ceiling, &logs, &test_error), ANB_OK);
}

static void remove_job(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/" JOB, test_folder());
    file_remove_folder(path, NULL);
}

static enum anb_status put(const char *job, const char *text, int32_t partition, int64_t offset)
{
    const struct telemetry record = {
        .head = {.node = "site-1", .time_ms = 5}, .job = job, .round = 2, .source = "stdout", .key = "", .text = text};
    return job_logs_append(logs, &record, partition, offset, &test_error);
}

static struct doc *get(int64_t from, int64_t limit, int64_t *next)
{
    struct doc *list = doc_new_list();
    CHECK_STATUS(job_logs_read(logs, JOB, from, limit, list, next, &test_error), ANB_OK);
    return list;
}

static const char *text_of(const struct doc *list, size_t index)
{
    return doc_text(doc_get(doc_at(list, index), "text"), "?");
}

static void ids_that_could_leave_the_folder_are_refused(void)
{
    int64_t next;
    open_logs(1 << 20);
    CHECK_STATUS(put("../../etc/passwd", "x", 0, 0), ANB_INVALID);
    CHECK_STATUS(put("", "x", 0, 0), ANB_INVALID);
    CHECK_STATUS(put("00000000000000A1", "x", 0, 0), ANB_INVALID);
    CHECK_STATUS(put(JOB, "x", JOB_LOG_MAX_PARTITIONS, 0), ANB_INVALID);
    CHECK_STATUS(job_logs_read(logs, "..", 0, 1, NULL, &next, &test_error), ANB_INVALID);
    job_logs_close(logs);
}

static void a_record_that_comes_again_is_not_written_twice(void)
{
    open_logs(1 << 20);
    CHECK_STATUS(put(JOB, "one", 0, 7), ANB_OK);
    CHECK_STATUS(put(JOB, "one", 0, 7), ANB_EXISTS);
    CHECK_STATUS(put(JOB, "other partition", 1, 7), ANB_OK);
    CHECK_EQUAL(job_logs_count(logs, JOB), 2);
    job_logs_close(logs);
    open_logs(1 << 20); /* a restart */
    CHECK_STATUS(put(JOB, "one", 0, 7), ANB_EXISTS);
    CHECK_STATUS(put(JOB, "other partition", 1, 6), ANB_EXISTS);
    CHECK_STATUS(put(JOB, "two", 0, 8), ANB_OK);
    CHECK_EQUAL(job_logs_count(logs, JOB), 3);
    job_logs_close(logs);
    remove_job();
}

static void a_line_torn_by_a_crash_is_cut_off_and_comes_again(void)
{
    char path[256];
    int64_t next;
    open_logs(1 << 20);
    CHECK_STATUS(put(JOB, "whole", 0, 1), ANB_OK);
    job_logs_close(logs);
    snprintf(path, sizeof path, "%s/" JOB "/logs.jsonl", test_folder());
    FILE *file = fopen(path, "a");
    fputs("{\"p\":0,\"o\":2,\"time_ms\":5,\"si", file);
    fclose(file);
    open_logs(1 << 20);
    CHECK_STATUS(put(JOB, "second", 0, 2), ANB_OK);
    struct doc *list = get(0, 10, &next);
    REQUIRE(doc_size(list) == 2);
    CHECK_TEXT(text_of(list, 0), "whole");
    CHECK_TEXT(text_of(list, 1), "second");
    doc_free(list);
    job_logs_close(logs);
    remove_job();
}

static void foreign_bytes_in_the_file_do_no_harm(void)
{
    char path[256];
    int64_t next;
    snprintf(path, sizeof path, "%s/" JOB, test_folder());
    mkdir(path, 0700);
    strcat(path, "/logs.jsonl");
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 300000; i++) fputc(i % 1000 == 999 ? '\n' : i % 251, file);
    fclose(file);
    open_logs(1 << 20);
    CHECK(job_logs_count(logs, JOB) > 0);
    doc_free(get(0, JOB_LOG_READ_LINES, &next));
    CHECK_STATUS(put(JOB, "still works", 0, 0), ANB_OK);
    job_logs_close(logs);
    remove_job();
}

static void a_full_log_says_so_once(void)
{
    int64_t next;
    open_logs(400);
    for (int i = 0; i < 10; i++) put(JOB, "0123456789012345678901234567890123456789", 0, i);
    CHECK_STATUS(put(JOB, "late", 0, 10), ANB_TOO_LARGE);
    struct doc *list = get(0, 100, &next);
    size_t n = doc_size(list);
    CHECK(n > 1 && n < 10);
    CHECK(strstr(text_of(list, n - 1), "ceiling") != NULL);
    CHECK_TEXT(doc_text(doc_get(doc_at(list, n - 1), "source"), ""), "server");
    doc_free(list);
    job_logs_close(logs);
    open_logs(400); /* and stays full */
    CHECK_STATUS(put(JOB, "late", 0, 11), ANB_TOO_LARGE);
    job_logs_close(logs);
    remove_job();
}

static void lines_are_found_by_number(void)
{
    char text[32];
    int64_t next;
    open_logs(1 << 20);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "line %d \"quoted\"\n", i);
        CHECK_STATUS(put(JOB, text, 0, i), ANB_OK);
    }
    for (int restart = 0; restart < 2; restart++) {
        struct doc *list = get(777, 3, &next);
        REQUIRE(doc_size(list) == 3);
        CHECK_EQUAL(next, 780);
        CHECK_EQUAL(doc_int(doc_get(doc_at(list, 0), "n"), -1), 777);
        CHECK_TEXT(text_of(list, 2), "line 779 \"quoted\"\n");
        doc_free(list);
        list = get(1000, 3, &next);
        CHECK_EQUAL(doc_size(list), 0);
        CHECK_EQUAL(next, 1000);
        doc_free(list);
        job_logs_close(logs);
        open_logs(1 << 20);
    }
    job_logs_close(logs);
    remove_job();
}

static void numbers_become_lines(void)
{
    int64_t next;
    open_logs(1 << 20);
    const struct telemetry record = {.head = {.node = "site-1"},
                                     .job = JOB,
                                     .round = -1,
                                     .source = "metric",
                                     .key = "loss",
                                     .value = 0.25,
                                     .step = 3,
                                     .text = ""};
    CHECK_STATUS(job_logs_append(logs, &record, 0, 0, &test_error), ANB_OK);
    struct doc *list = get(0, 1, &next);
    CHECK_TEXT(text_of(list, 0), "loss=0.25 step=3");
    CHECK_EQUAL(doc_kind(doc_get(doc_at(list, 0), "round")), DOC_NULL);
    doc_free(list);
    job_logs_close(logs);
    remove_job();
}

static void a_forgotten_job_begins_at_zero(void)
{
    open_logs(1 << 20);
    put(JOB, "x", 0, 5);
    job_logs_forget(logs, JOB);
    remove_job();
    CHECK_EQUAL(job_logs_count(logs, JOB), 0);
    job_logs_close(logs);
}

TEST_MAIN("server_job_log", TEST(ids_that_could_leave_the_folder_are_refused),
          TEST(a_record_that_comes_again_is_not_written_twice), TEST(a_line_torn_by_a_crash_is_cut_off_and_comes_again),
          TEST(foreign_bytes_in_the_file_do_no_harm), TEST(a_full_log_says_so_once), TEST(lines_are_found_by_number),
          TEST(numbers_become_lines), TEST(a_forgotten_job_begins_at_zero))
