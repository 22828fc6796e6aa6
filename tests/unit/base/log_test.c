/* What a program writes to standard error: read back through a pipe. */
#include "base/log.h"

#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int saved, out;

static void capture(void)
{
    int ends[2];
    log_setup("tester", LOG_INFO);
    fflush(stderr);
    if (pipe(ends) != 0 || (saved = dup(STDERR_FILENO)) < 0 || dup2(ends[1], STDERR_FILENO) < 0) abort();
    close(ends[1]);
    out = ends[0];
}

/* All that was logged since capture(), in static memory. */
static const char *captured(void)
{
    static char text[65536];
    size_t used = 0;
    dup2(saved, STDERR_FILENO);
    close(saved);
    for (ssize_t got; (got = read(out, text + used, sizeof text - 1 - used)) > 0;) used += (size_t)got;
    close(out);
    text[used] = 0;
    return text;
}

/* The fields behind event=. */
static const char *fields_of(const char *line)
{
    const char *event = strstr(line, " event=x");
    return event ? event + 8 : "";
}

static void foreign_bytes_cannot_forge_a_line(void)
{
    capture();
    log_event(LOG_INFO, "x", "a=%s b=%s", "1\nts=0 level=error event=\"forged\"", "\x1b[2J\x7f\t\\");
    const char *line = captured();
    CHECK_TEXT(fields_of(line), " a=\"1\\nts=0 level=error event=\\\"forged\\\"\" b=\"\\x1b[2J\\x7f\\t\\\\\"\n");
    CHECK(strchr(line, '\n') == line + strlen(line) - 1);
}

static void line_that_is_too_long_is_cut_and_still_ends(void)
{
    static char value[20000];
    memset(value, 'v', sizeof value - 1);
    capture();
    log_event(LOG_INFO, "x", "a=%s b=%s c=%s d=%s", value, value, value, value);
    const char *line = captured();
    CHECK(strlen(line) <= 4096);
    CHECK(strchr(line, '\n') == line + strlen(line) - 1);
}

static void unknown_directive_ends_the_line_with_a_word(void)
{
    capture();
    log_event(LOG_INFO, "x", "a=%d p=%p b=%d", 1, (void *)0, 2);
    CHECK_TEXT(fields_of(captured()), " a=1 p=bad-format\n");
}

static void numbers_and_texts_are_printed_as_their_directive_says(void)
{
    capture();
    log_event(LOG_INFO, "x", "d=%d u=%u z=%zu l=%lld m=%llu f=%.3f g=%.1f h=%f", -1, 2u, (size_t)3, -4ll,
              18446744073709551615ull, 1234567.8914, 0.25, 0.5);
    CHECK_TEXT(fields_of(captured()), " d=-1 u=2 z=3 l=-4 m=18446744073709551615 f=1234567.891 g=0.2 h=0.500000\n");
}

static void values_are_quoted_when_they_need_it(void)
{
    capture();
    log_event(LOG_INFO, "x", "a=%s b=%s c=%s d=%s e=%s", "plain-1.5/x", "", "two words", getenv("ANABRANCH_IS_NOT_SET"),
              "k=v");
    CHECK_TEXT(fields_of(captured()), " a=plain-1.5/x b=\"\" c=\"two words\" d=\"\" e=\"k=v\"\n");
}

static void event_without_fields_is_a_whole_line(void)
{
    capture();
    log_event(LOG_ERROR, "x", "");
    const char *line = captured();
    CHECK(strncmp(line, "ts=2", 4) == 0);
    CHECK(strstr(line, "Z level=error svc=tester event=x\n") != NULL);
}

static void lower_levels_are_silent(void)
{
    capture();
    log_setup("tester", LOG_WARN);
    log_event(LOG_DEBUG, "x", "");
    log_event(LOG_INFO, "x", "");
    log_event(LOG_WARN, "x", "");
    const char *line = captured();
    CHECK(strncmp(strchr(line, ' '), " level=warn", 11) == 0);
}

static void levels_are_known_by_their_words(void)
{
    enum log_level level = LOG_ERROR;
    CHECK(!log_level_parse("loud", &level));
    CHECK(!log_level_parse("", &level));
    CHECK_EQUAL(level, LOG_ERROR);
    CHECK(log_level_parse("debug", &level));
    CHECK_EQUAL(level, LOG_DEBUG);
}

static void *write_lines(void *word)
{
    for (int i = 0; i < 100; i++) log_event(LOG_INFO, "x", "thread=%s i=%d", (const char *)word, i);
    return NULL;
}

static void lines_of_many_threads_stay_whole(void)
{
    static char words[3][9] = {"aaaaaaaa", "bbbbbbbb", "cccccccc"};
    pthread_t threads[3];
    int lines = 0;
    capture();
    for (int i = 0; i < 3; i++) REQUIRE(pthread_create(&threads[i], NULL, write_lines, words[i]) == 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (const char *line = captured(); *line; line = strchr(line, '\n') + 1, lines++)
        CHECK(strncmp(line, "ts=", 3) == 0 && strchr(line, '\n') != NULL);
    CHECK_EQUAL(lines, 300);
}

TEST_MAIN("log", TEST(foreign_bytes_cannot_forge_a_line), TEST(line_that_is_too_long_is_cut_and_still_ends),
          TEST(unknown_directive_ends_the_line_with_a_word),
          TEST(numbers_and_texts_are_printed_as_their_directive_says), TEST(values_are_quoted_when_they_need_it),
          TEST(event_without_fields_is_a_whole_line), TEST(lower_levels_are_silent),
          TEST(levels_are_known_by_their_words), TEST(lines_of_many_threads_stay_whole))
