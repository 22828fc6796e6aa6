/* Whatever is done to the file of a log is found, and named by its line. */
#include "audit/verify.h"

#include "base/file.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_EVENTS = 20, N_LINES = N_EVENTS + 2 };

struct log { /* one file, its lines, and the head in its middle */
    char folder[512], path[600];
    struct buf text;
    struct chain_head middle;
    size_t lines[N_LINES + 1]; /* where they begin; the end */
};

static void make_log(struct log *log, int64_t file_bytes)
{
    static int number;
    struct audit *audit = NULL;
    snprintf(log->folder, sizeof log->folder, "%s/log%d", test_folder(), number++);
    snprintf(log->path, sizeof log->path, "%s/audit.log", log->folder);
    const struct audit_config config = {
        .folder = log->folder, .project = "river", .node = "site-1", .file_bytes = file_bytes};
    CHECK_STATUS(audit_open(&config, &audit, &test_error), ANB_OK);
    for (int i = 0; i < N_EVENTS; i++) {
        char on[32];
        snprintf(on, sizeof on, "job %d", i);
        audit_write(audit, &(struct audit_event){.what = AUDIT_JOB_ENDED, .on = on}, NULL);
        if (i == N_EVENTS / 2) CHECK_STATUS(audit_take_head(audit, &log->middle, &test_error), ANB_OK);
    }
    audit_close(audit);
    buf_init(&log->text, 1 << 20);
    CHECK_STATUS(file_read(log->path, &log->text, &test_error), ANB_OK);
    size_t n = 0;
    log->lines[n++] = 0;
    for (size_t i = 0; i < log->text.size && n <= N_LINES; i++)
        if (log->text.data[i] == '\n') log->lines[n++] = i + 1;
}

static struct audit_verdict verify(const struct log *log, const char *path, const struct chain_head *heads, size_t n)
{
    struct audit_verdict verdict;
    (void)log;
    CHECK_STATUS(audit_verify(path, heads, n, &verdict, &test_error), ANB_OK);
    return verdict;
}

/* Verifies `bytes` in the log's place. */
static struct audit_verdict verify_bytes(const struct log *log, struct slice bytes)
{
    char path[700];
    snprintf(path, sizeof path, "%s.changed", log->path);
    CHECK_STATUS(file_write(path, bytes, &test_error), ANB_OK);
    return verify(log, path, &log->middle, 1);
}

static void a_log_that_nobody_touched_is_whole(void)
{
    struct log log;
    make_log(&log, 0);
    struct audit_verdict verdict = verify(&log, log.path, &log.middle, 1);
    CHECK(!verdict.is_broken && verdict.n_lines == N_LINES && verdict.first_sequence == 1);
    CHECK(verdict.n_heads_met == 1 && verdict.last.sequence == N_LINES);
    verdict = verify(&log, log.folder, &log.middle, 1);
    CHECK(!verdict.is_broken && verdict.n_files == 1 && verdict.n_lines == N_LINES);
    buf_fini(&log.text);
}

static void every_altered_byte_is_found_in_its_line_or_the_next(void)
{
    struct log log;
    make_log(&log, 0);
    int64_t line = 1;
    for (size_t i = 0; i < log.lines[N_LINES - 1]; i++) { /* what follows the last line proves it */
        if (i == log.lines[line]) line++;
        if (i % 7 != 0 && log.text.data[i] != '\n') continue;
        log.text.data[i] ^= 1;
        struct audit_verdict verdict = verify_bytes(&log, buf_slice(&log.text));
        log.text.data[i] ^= 1;
        CHECK(verdict.is_broken && (verdict.line == line || verdict.line == line + 1) && *verdict.reason);
    }
    buf_fini(&log.text);
}

static void removed_swapped_and_doubled_lines_are_found(void)
{
    struct log log;
    struct buf changed;
    make_log(&log, 0);
    buf_init(&changed, 1 << 20);
    for (int kind = 0; kind < 3; kind++) {
        const int first[] = {0, 1, 2, 3}, orders[3][4] = {{0, 2, 3, -1}, {0, 2, 1, 3}, {0, 1, 1, 2}};
        buf_clear(&changed);
        for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
            int at = orders[kind][i];
            if (at >= 0)
                buf_append(&changed, slice_of(log.text.data + log.lines[at], log.lines[at + 1] - log.lines[at]), NULL);
        }
        struct audit_verdict verdict = verify_bytes(&log, buf_slice(&changed));
        CHECK(verdict.is_broken && verdict.line == (kind == 2 ? 3 : 2));
        CHECK(strstr(verdict.reason, "missing or out of order") != NULL);
    }
    buf_fini(&changed);
    buf_fini(&log.text);
}

static void a_cut_at_the_end_is_found_by_a_head_that_was_kept(void)
{
    struct log log;
    make_log(&log, 0);
    struct audit_verdict verdict = verify_bytes(&log, slice_of(log.text.data, log.lines[5]));
    CHECK(verdict.is_broken && verdict.line == 0 && strstr(verdict.reason, "cut off") != NULL);
    verdict = verify_bytes(&log, slice_of(log.text.data, log.lines[5] + 10));
    CHECK(verdict.is_broken && verdict.line == 6 && strstr(verdict.reason, "unfinished") != NULL);
    verdict = verify_bytes(&log, slice_of(log.text.data, 0));
    CHECK(verdict.is_broken);
    buf_fini(&log.text);
}

/* A thief of the machine writes a new chain with other lines: only the heads elsewhere tell. */
static void a_log_that_was_written_anew_is_found_by_a_head_that_was_kept(void)
{
    struct log log, other;
    make_log(&log, 0);
    make_log(&other, 0);
    struct chain_head by_digest = {.digest = log.middle.digest};
    struct audit_verdict verdict = verify(&log, other.path, NULL, 0);
    CHECK(!verdict.is_broken);
    /* the times of both may be the same to the millisecond: a head of a third kind is surely another */
    log.middle.digest.bytes[0] ^= 1;
    by_digest.digest.bytes[0] ^= 1;
    verdict = verify(&log, other.path, &log.middle, 1);
    CHECK(verdict.is_broken && verdict.line == log.middle.sequence);
    verdict = verify(&log, other.path, &by_digest, 1);
    CHECK(verdict.is_broken && strstr(verdict.reason, "no line has the digest") != NULL);
    buf_fini(&log.text);
    buf_fini(&other.text);
}

static void many_files_are_one_chain_and_a_missing_one_is_found(void)
{
    struct log log;
    char name[700];
    make_log(&log, 1000);
    struct audit_verdict verdict = verify(&log, log.folder, &log.middle, 1);
    CHECK(!verdict.is_broken && verdict.n_files > 3 && verdict.n_lines == N_LINES && verdict.n_heads_met == 1);
    verdict = verify(&log, log.path, &log.middle, 1); /* the last file alone is fine, too */
    CHECK(!verdict.is_broken && verdict.n_heads_before == 1 && verdict.first_sequence > 1);
    snprintf(name, sizeof name, "%s/audit-000000000001.log", log.folder);
    CHECK_EQUAL(remove(name), 0);
    verdict = verify(&log, log.folder, NULL, 0);
    CHECK(!verdict.is_broken && verdict.first_sequence > 1); /* as the bound on files does it: said, not broken */
    snprintf(name, sizeof name, "%s/audit-%012lld.log", log.folder, (long long)verdict.first_sequence + 5);
    for (int64_t first = verdict.first_sequence + 1; access(name, 0) != 0 && first < N_LINES; first++)
        snprintf(name, sizeof name, "%s/audit-%012lld.log", log.folder, (long long)first);
    CHECK_EQUAL(remove(name), 0);
    verdict = verify(&log, log.folder, NULL, 0);
    CHECK(verdict.is_broken && verdict.line == 1);
    buf_fini(&log.text);
}

static void what_is_no_log_is_refused(void)
{
    char path[600];
    struct audit_verdict verdict;
    char *long_line = malloc(200000);
    REQUIRE(long_line != NULL);
    memset(long_line, 'x', 200000);
    snprintf(path, sizeof path, "%s/none", test_folder());
    CHECK_STATUS(audit_verify(path, NULL, 0, &verdict, &test_error), ANB_NOT_FOUND);
    CHECK_STATUS(file_write(path, slice_of(long_line, 200000), &test_error), ANB_OK);
    CHECK_STATUS(audit_verify(path, NULL, 0, &verdict, &test_error), ANB_OK);
    CHECK(verdict.is_broken && verdict.line == 1);
    free(long_line);
}

TEST_MAIN("audit_verify", TEST(what_is_no_log_is_refused), TEST(every_altered_byte_is_found_in_its_line_or_the_next),
          TEST(removed_swapped_and_doubled_lines_are_found), TEST(a_cut_at_the_end_is_found_by_a_head_that_was_kept),
          TEST(a_log_that_was_written_anew_is_found_by_a_head_that_was_kept),
          TEST(many_files_are_one_chain_and_a_missing_one_is_found), TEST(a_log_that_nobody_touched_is_whole))
