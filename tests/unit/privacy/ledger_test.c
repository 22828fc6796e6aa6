/* What is spent stays spent: refusals first, then crashes, then two who spend at once. */
#include "privacy/ledger.h"

#include "base/file.h"
#include "support/test.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct filter_budget budget = {.epsilon = 20, .delta = 1e-5};

static char path[PATH_MAX];

static void fresh(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
}

static enum anb_status spend(double rho)
{
    struct ledger_entry entry = {.time_ms = 1, .job = "0011223344556677", .round = 3, .loss = {.rho = rho}};
    return ledger_spend(path, &budget, &entry, &test_error);
}

static void write_text(const char *text)
{
    REQUIRE(file_write(path, slice_of_text(text), &test_error) == ANB_OK);
}

static double total(void)
{
    struct ledger_entry entry;
    CHECK_STATUS(ledger_last(path, &entry, &test_error), ANB_OK);
    return entry.total.rho;
}

static void a_spent_budget_is_refused_and_nothing_is_written(void)
{
    fresh("spent");
    CHECK_STATUS(spend(0.5), ANB_OK);
    CHECK_STATUS(spend(0.5), ANB_OK);
    CHECK_EQUAL(spend(50), ANB_DENIED);
    CHECK(strstr(test_error.text, "the site's privacy budget is spent: epsilon") != NULL);
    CHECK_EQUAL(total(), 1);
    CHECK_STATUS(spend(0.5), ANB_OK); /* what is cheap enough is still allowed */
    CHECK_EQUAL(total(), 1.5);
}

static void what_is_no_ledger_is_refused(void)
{
    struct ledger_entry entry;
    fresh("missing");
    CHECK_EQUAL(ledger_last(path, &entry, &test_error), ANB_NOT_FOUND);
    const char *bad[] = {"hello\n", "{}\n", "\n", "{\"time_ms\":1,\"job\":\"a\",\"round\":0}\n",
                         "{\"update\":1,\"budget\":1,\"delta\":0.1,\"time_ms\":1,\"job\":\"a\",\"round\":0,\"rho\":1,"
                         "\"pure\":0,\"numbers\":0,"
                         "\"total_rho\":-1,\"total_pure\":0,\"total_numbers\":0}\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fresh("bad");
        write_text(bad[i]);
        CHECK_EQUAL(spend(0.5), ANB_CORRUPT);
        CHECK_EQUAL(ledger_last(path, &entry, &test_error), ANB_CORRUPT);
    }
}

static void a_folder_that_is_not_there_is_an_error(void)
{
    fresh("no/such/folder");
    CHECK_EQUAL(spend(0.5), ANB_NOT_FOUND);
}

static void a_line_that_a_crash_cut_off_is_as_if_it_had_never_been(void)
{
    fresh("torn");
    CHECK_STATUS(spend(0.5), ANB_OK);
    int fd = open(path, O_WRONLY | O_APPEND);
    REQUIRE(fd >= 0 && write(fd, "{\"time_ms\":2,\"jo", 16) == 16);
    close(fd);
    CHECK_EQUAL(total(), 0.5);
    CHECK_STATUS(spend(0.25), ANB_OK);
    CHECK_EQUAL(total(), 0.75);
}

static void an_empty_ledger_has_spent_nothing(void)
{
    struct ledger_entry entry;
    fresh("empty");
    write_text("");
    CHECK_STATUS(ledger_last(path, &entry, &test_error), ANB_OK);
    CHECK_TEXT(entry.job, "");
    CHECK_EQUAL(entry.total.rho, 0);
}

static void many_lines_keep_their_sum_and_what_they_say(void)
{
    struct ledger_entry entry = {.time_ms = 1764000000000,
                                 .job = "fedcba9876543210",
                                 .round = 99,
                                 .loss = {.rho = 1.0 / 3, .pure = 0.125, .numbers = 650}};
    fresh("many");
    for (int i = 0; i < 200; i++) CHECK_STATUS(spend(0.001), ANB_OK);
    CHECK_STATUS(ledger_spend(path, &budget, &entry, &test_error), ANB_OK);
    struct ledger_entry last;
    CHECK_STATUS(ledger_last(path, &last, &test_error), ANB_OK);
    CHECK(memcmp(&last.total, &entry.total, sizeof last.total) == 0);
    CHECK_EQUAL(last.loss.rho, 1.0 / 3);
    CHECK_EQUAL(last.round, 99);
    CHECK_EQUAL(last.time_ms, 1764000000000);
    CHECK_TEXT(last.job, "fedcba9876543210");
    CHECK_EQUAL(last.number, 201);
    CHECK_EQUAL(last.budget.epsilon, 20);
}

/* A process that spends and is killed at once: what it was told is spent is in the file. */
static void spending_survives_kill_9(void)
{
    int pipe_fds[2];
    char told;
    fresh("killed");
    REQUIRE(pipe(pipe_fds) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        for (int i = 0; i < 5; i++)
            if (spend(0.1) != ANB_OK || write(pipe_fds[1], "x", 1) != 1) _exit(1);
        pause();
        _exit(0);
    }
    for (int i = 0; i < 5; i++) CHECK_EQUAL(read(pipe_fds[0], &told, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    CHECK(total() > 0.4999);
}

enum { EACH = 100 };

static void *spend_many(void *context)
{
    int *n_spent = context;
    for (int i = 0; i < EACH; i++) {
        struct ledger_entry entry = {.time_ms = 1, .job = "a", .loss = {.rho = 0.001}};
        *n_spent += ledger_spend(path, &budget, &entry, NULL) == ANB_OK;
    }
    return NULL;
}

static void two_who_spend_at_once_lose_nothing(void)
{
    pthread_t threads[2];
    int n_spent[2] = {0};
    fresh("both");
    for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&threads[i], NULL, spend_many, &n_spent[i]) == 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK_EQUAL(n_spent[0] + n_spent[1], 2 * EACH);
    double got = total();
    CHECK(got > 0.1999 && got < 0.2001);
}

TEST_MAIN("ledger", TEST(a_spent_budget_is_refused_and_nothing_is_written), TEST(what_is_no_ledger_is_refused),
          TEST(a_folder_that_is_not_there_is_an_error), TEST(a_line_that_a_crash_cut_off_is_as_if_it_had_never_been),
          TEST(an_empty_ledger_has_spent_nothing), TEST(many_lines_keep_their_sum_and_what_they_say),
          TEST(spending_survives_kill_9), TEST(two_who_spend_at_once_lose_nothing))
