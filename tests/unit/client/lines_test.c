/* What a trainer prints, cut into lines. */
#include "lines.h"
#include "support/test.h"

#include <string.h>

static char seen[3 * LINE_MAX_BYTES];
static int n_seen;

static void take(void *context, const char *line)
{
    (void)context;
    strcat(seen, line);
    strcat(seen, "|");
    n_seen++;
}

static void feed(const char *const *pieces)
{
    struct lines lines = {.size = 0};
    *seen = '\0';
    n_seen = 0;
    for (; *pieces; pieces++) lines_feed(&lines, *pieces, strlen(*pieces), take, NULL);
    lines_end(&lines, take, NULL);
}

static void lines_are_whole_however_they_come(void)
{
    feed((const char *const[]){"one\ntw", "o", "\r\n", "\nlast", NULL});
    CHECK_TEXT(seen, "one|two||last|");
}

static void nothing_gives_no_line(void)
{
    feed((const char *const[]){NULL});
    CHECK_EQUAL(n_seen, 0);
}

static void a_long_line_is_cut_once(void)
{
    static char longer[LINE_MAX_BYTES + 500];
    memset(longer, 'x', sizeof longer - 1);
    feed((const char *const[]){longer, longer, "\nnext\n", NULL});
    CHECK_EQUAL(n_seen, 2);
    CHECK_EQUAL(strlen(seen), LINE_MAX_BYTES + strlen(" ...|next|"));
    CHECK(strstr(seen, "x ...|next|") != NULL);
}

static void foreign_bytes_become_question_marks(void)
{
    feed((const char *const[]){"a\x01"
                               "b\x7f\tc\xff\xc3\xa9 \xe2\x82\xac \xed\xa0\x80 \xf0\x9f\x98\x80 \xc3",
                               NULL});
    CHECK_TEXT(seen, "a?b?\tc?\xc3\xa9 \xe2\x82\xac ??? \xf0\x9f\x98\x80 ?|");
}

TEST_MAIN("client lines", TEST(nothing_gives_no_line), TEST(lines_are_whole_however_they_come),
          TEST(a_long_line_is_cut_once), TEST(foreign_bytes_become_question_marks))
