/* The writer: a chain that goes on over restarts, files, kills and full disks, and says what it lost. */
#include "audit/audit.h"

#include "audit/files.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct audit *open_log(const char *name, int64_t file_bytes, int64_t n_files)
{
    char folder[512];
    struct audit *audit = NULL;
    snprintf(folder, sizeof folder, "%s/%s", test_folder(), name);
    const struct audit_config config = {folder, "river", "site-1", file_bytes, n_files};
    CHECK_STATUS(audit_open(&config, &audit, &test_error), ANB_OK);
    REQUIRE(audit != NULL);
    return audit;
}

static const char *path_of(const char *name, const char *file)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s/%s", test_folder(), name, file);
    return path;
}

static void write_n(struct audit *audit, enum audit_what what, int n)
{
    for (int i = 0; i < n; i++)
        CHECK_STATUS(audit_write(audit, &(struct audit_event){.what = what, .on = "job 1"}, &test_error), ANB_OK);
}

/* Reads lines with their chain; returns how many, and how many say `what`. */
struct reading {
    struct chain_head head;
    int n_lines, n_found;
    char last_found[AUDIT_DETAIL_BYTES + 8];
};

static void read_chain(const char *path, const char *what, struct reading *reading)
{
    struct buf text;
    buf_init(&text, (size_t)64 << 20);
    CHECK_STATUS(file_read(path, &text, &test_error), ANB_OK);
    const char *at = buf_text(&text), *end = at + text.size;
    while (at < end) {
        struct audit_line line;
        struct digest digest;
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        REQUIRE(newline != NULL);
        CHECK_STATUS(audit_line_read(slice_of(at, (size_t)(newline - at)), &line, &digest, &test_error), ANB_OK);
        CHECK_EQUAL(line.sequence, reading->head.sequence + 1);
        CHECK(digest_equal(&line.previous, &reading->head.digest));
        reading->head = (struct chain_head){line.sequence, digest};
        reading->n_lines++;
        if (strcmp(line.what, what) == 0) {
            reading->n_found++;
            strcpy(reading->last_found, line.detail);
        }
        at = newline + 1;
    }
    buf_fini(&text);
}

static void a_second_process_is_refused(void)
{
    struct audit *audit = open_log("twice", 0, 0), *second = NULL;
    const struct audit_config config = {.folder = path_of("twice", ""), .project = "river", .node = "site-1"};
    CHECK_STATUS(audit_open(&config, &second, &test_error), ANB_EXISTS);
    audit_close(audit);
}

static void a_file_of_other_bytes_is_refused(void)
{
    audit_close(open_log("foreign", 0, 0));
    CHECK_STATUS(file_write(path_of("foreign", AUDIT_FILE_NAME), slice_of_text("not\na\nlog\n"), &test_error), ANB_OK);
    struct audit *audit = NULL;
    const struct audit_config config = {.folder = path_of("foreign", ""), .project = "river", .node = "site-1"};
    CHECK_STATUS(audit_open(&config, &audit, &test_error), ANB_CORRUPT);
}

static void the_chain_goes_on_after_a_restart(void)
{
    struct reading reading = {0};
    struct chain_head head;
    for (int i = 0; i < 3; i++) {
        struct audit *audit = open_log("restart", 0, 0);
        write_n(audit, AUDIT_JOB_ENDED, 2);
        CHECK_STATUS(audit_take_head(audit, &head, &test_error), ANB_OK);
        CHECK_EQUAL(head.sequence, 4 * i + 3);
        audit_close(audit);
    }
    read_chain(path_of("restart", AUDIT_FILE_NAME), "job-ended", &reading);
    CHECK_EQUAL(reading.n_lines, 12);
    CHECK_EQUAL(reading.n_found, 6);
    struct stat info;
    CHECK_EQUAL(stat(path_of("restart", AUDIT_FILE_NAME), &info), 0);
    CHECK_EQUAL(info.st_mode & 0777, 0600);
}

/* At any byte of any line the process may have died. */
static void an_unfinished_line_is_cut_off_and_told(void)
{
    struct audit *audit = open_log("torn", 0, 0);
    write_n(audit, AUDIT_JOB_ENDED, 1);
    audit_close(audit);
    struct buf whole;
    buf_init(&whole, 1 << 20);
    CHECK_STATUS(file_read(path_of("torn", AUDIT_FILE_NAME), &whole, &test_error), ANB_OK);
    log_setup("audit", LOG_ERROR);
    for (size_t size = 1; size < whole.size; size += size % 17 + 3) {
        struct reading reading = {0};
        bool is_whole = whole.data[size - 1] == '\n';
        CHECK_STATUS(file_write(path_of("torn", AUDIT_FILE_NAME), slice_of(whole.data, size), &test_error), ANB_OK);
        audit_close(open_log("torn", 0, 0));
        read_chain(path_of("torn", AUDIT_FILE_NAME), "log-repaired", &reading);
        CHECK_EQUAL(reading.n_found, is_whole ? 0 : 1);
    }
    buf_fini(&whole);
}

static void full_files_are_renamed_and_the_oldest_goes(void)
{
    struct audit *audit = open_log("full", 2000, 3);
    write_n(audit, AUDIT_JOB_ENDED, 100);
    audit_close(audit);
    int folder = open(path_of("full", ""), O_RDONLY | O_DIRECTORY);
    struct audit_full_files files;
    char name[AUDIT_NAME_BYTES];
    CHECK_STATUS(audit_full_files(folder, 0, &files, &test_error), ANB_OK);
    CHECK_EQUAL(files.n, 2);
    close(folder);
    struct reading reading = {0};
    struct buf text;
    struct audit_line line;
    buf_init(&text, 1 << 20);
    CHECK_STATUS(file_read(path_of("full", audit_full_name(files.lowest, name)), &text, &test_error), ANB_OK);
    REQUIRE(text.size > 0);
    size_t first = (size_t)((unsigned char *)memchr(text.data, '\n', text.size) - text.data);
    CHECK_STATUS(audit_line_read(slice_of(text.data, first), &line, &reading.head.digest, &test_error), ANB_OK);
    reading.head = (struct chain_head){line.sequence - 1, line.previous};
    buf_fini(&text);
    read_chain(path_of("full", audit_full_name(files.lowest, name)), "file-dropped", &reading);
    read_chain(path_of("full", audit_full_name(files.highest, name)), "file-dropped", &reading);
    read_chain(path_of("full", AUDIT_FILE_NAME), "file-dropped", &reading);
    CHECK(reading.n_found >= 2);
}

/* The process died after it had renamed the full file, before there was a new one. */
static void the_chain_goes_on_when_only_full_files_are_there(void)
{
    struct reading reading = {0};
    char first[600];
    audit_close(open_log("between", 0, 0));
    snprintf(first, sizeof first, "%s", path_of("between", "audit-000000000001.log"));
    CHECK_EQUAL(rename(path_of("between", AUDIT_FILE_NAME), first), 0);
    audit_close(open_log("between", 0, 0));
    read_chain(first, "log-began", &reading);
    read_chain(path_of("between", AUDIT_FILE_NAME), "log-opened", &reading);
    CHECK_EQUAL(reading.n_found, 2);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_cannot_be_written_is_refused_or_counted(void)
{
    struct reading reading = {0};
    struct stat info;
    struct audit *audit = open_log("disk", 0, 0);
    signal(SIGXFSZ, SIG_IGN);
    CHECK_EQUAL(stat(path_of("disk", AUDIT_FILE_NAME), &info), 0);
    set_file_limit((rlim_t)info.st_size + 40); /* a part of a line fits */
    const struct audit_event first = {.what = AUDIT_JOB_SUBMITTED}, after = {.what = AUDIT_JOB_ENDED};
    CHECK(audit_write(audit, &first, &test_error) != ANB_OK);
    CHECK(audit_write(audit, &after, &test_error) != ANB_OK);
    CHECK(audit_write(audit, &after, NULL) != ANB_OK);
    CHECK_EQUAL(audit_n_missing(audit), 2);
    set_file_limit(RLIM_INFINITY);
    CHECK_STATUS(audit_write(audit, &first, &test_error), ANB_OK);
    audit_close(audit);
    read_chain(path_of("disk", AUDIT_FILE_NAME), "lines-missing", &reading);
    CHECK_EQUAL(reading.n_found, 1);
    CHECK_TEXT(reading.last_found, "2 lines are not here");
    CHECK_EQUAL(reading.n_lines, 4); /* began, missing, submitted, closed */
}

static void a_flood_is_counted_and_does_not_push_the_rest_out(void)
{
    struct reading reading = {0};
    struct audit *audit = open_log("flood", 0, 0);
    write_n(audit, AUDIT_SIGN_IN_FAILED, 5000);
    write_n(audit, AUDIT_JOB_SUBMITTED, 1);
    CHECK_EQUAL(audit_n_missing(audit), 5000 - AUDIT_FLOOD_PER_MINUTE);
    audit_close(audit);
    read_chain(path_of("flood", AUDIT_FILE_NAME), "lines-missing", &reading);
    CHECK_EQUAL(reading.n_lines, AUDIT_FLOOD_PER_MINUTE + 4);
    CHECK_TEXT(reading.last_found, "4880 lines are not here");
}

static void a_head_is_due_soon_after_what_matters_and_not_twice(void)
{
    struct chain_head head;
    struct audit *audit = open_log("due", 0, 0);
    CHECK(!audit_head_is_due(audit));
    write_n(audit, AUDIT_JOB_ENDED, 1);
    int64_t deadline_ms = clock_monotonic_ms() + 60000;
    while (!audit_head_is_due(audit) && clock_monotonic_ms() < deadline_ms) clock_sleep_ms(20);
    CHECK(audit_head_is_due(audit));
    CHECK_STATUS(audit_take_head(audit, &head, &test_error), ANB_OK);
    CHECK_EQUAL(head.sequence, 2);
    CHECK(!audit_head_is_due(audit));
    audit_close(audit);
}

static void no_log_takes_everything(void)
{
    CHECK_STATUS(audit_write(NULL, &(struct audit_event){.what = AUDIT_JOB_SUBMITTED}, &test_error), ANB_OK);
    audit_close(NULL);
}

static void *write_many(void *audit)
{
    write_n(audit, AUDIT_JOB_ENDED, 500);
    return NULL;
}

static void many_threads_make_one_chain(void)
{
    struct reading reading = {0};
    pthread_t threads[4];
    struct audit *audit = open_log("threads", 0, 0);
    for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, write_many, audit) == 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    audit_close(audit);
    read_chain(path_of("threads", AUDIT_FILE_NAME), "job-ended", &reading);
    CHECK_EQUAL(reading.n_found, 2000);
}

TEST_MAIN("audit", TEST(a_second_process_is_refused), TEST(a_file_of_other_bytes_is_refused),
          TEST(what_cannot_be_written_is_refused_or_counted), TEST(an_unfinished_line_is_cut_off_and_told),
          TEST(a_flood_is_counted_and_does_not_push_the_rest_out), TEST(the_chain_goes_on_after_a_restart),
          TEST(the_chain_goes_on_when_only_full_files_are_there), TEST(full_files_are_renamed_and_the_oldest_goes),
          TEST(many_threads_make_one_chain), TEST(a_head_is_due_soon_after_what_matters_and_not_twice),
          TEST(no_log_takes_everything))
