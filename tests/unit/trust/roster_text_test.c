/* The body of a roster: one form for each content, everything else is refused. */
#include "trust/roster_text.h"

#include "support/test.h"

#include <stdio.h>
#include <string.h>

/* The certificates are no certificates: whether they are is asked when they are used. */
#define KEY "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A="
#define ALICE "{\"name\":\"alice\",\"kind\":\"user\",\"roles\":[\"admin\"],\"certificate\":\"YWxpY2U=\"}"
#define SITE                                                                                                           \
    "{\"name\":\"site-a\",\"kind\":\"node\",\"roles\":[\"aggregator\",\"site\"],\"certificate\":\"c2l0ZQ==\","         \
    "\"encryption_key\":\"" KEY "\"}"
#define HEAD "{\"roster\":\"anabranch-1\",\"project\":\"river\",\"version\":3,\"issued_s\":7,"
#define MEMBERS "\"members\":[\n" ALICE ",\n" SITE "\n],"
#define REVOKED "\"revoked\":[\n{\"name\":\"site-0\",\"version\":2},\n{\"name\":\"site-1\",\"version\":3}\n]}\n"

static enum anb_status read(const char *body)
{
    struct roster *roster = NULL;
    enum anb_status status = roster_read_body(slice_of_text(body), &roster, &test_error);
    CHECK((roster != NULL) == (status == ANB_OK));
    CHECK(status == ANB_OK || test_error.status == status);
    roster_free(roster);
    return status;
}

/* The good body with `from`, which must be there, replaced. */
static enum anb_status read_with(const char *from, const char *to)
{
    static const char good[] = HEAD MEMBERS REVOKED;
    char body[sizeof good + 256];
    const char *at = strstr(good, from);
    REQUIRE(at != NULL);
    snprintf(body, sizeof body, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    return read(body);
}

static void other_forms_of_the_same_content_are_refused(void)
{
    static const char *const changes[][2] = {
        {"\"version\":3", "\"version\": 3"},
        {"\"version\":3", "\"version\":3.0"},
        {"\"version\":3", "\"version\":3,\"more\":1"},
        {"\"roster\":\"anabranch-1\",\"project\":\"river\"", "\"project\":\"river\",\"roster\":\"anabranch-1\""},
        {"\"alice\"", "\"\\u0061lice\""},
        {"YWxpY2U=", "YWxpY2V="},
        {"YWxpY2U=", "YWxpY2U= "},
        {"\"aggregator\",\"site\"", "\"site\",\"aggregator\""},
        {"\"aggregator\",\"site\"", "\"site\",\"site\""},
        {"}\n]}\n", "}\n]}"},
        {"}\n]}\n", "}\n]}\n\n"},
        {"\"kind\":\"user\"", "\"kind\":\"person\""},
        {ALICE ",\n" SITE, SITE ",\n" ALICE},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        CHECK_STATUS(read_with(changes[i][0], changes[i][1]), ANB_CORRUPT);
}

static void contents_against_the_rules_are_refused(void)
{
    static const char *const changes[][2] = {
        {"anabranch-1", "anabranch-2"},
        {"\"river\"", "\"ri.ver\""},
        {"\"version\":3", "\"version\":0"},
        {"\"version\":3", "\"version\":-3"},
        {"\"version\":3", "\"version\":\"3\""},
        {"\"version\":3", "\"version\":99999999999999999999"},
        {"\"issued_s\":7", "\"issued_s\":-7"},
        {"\"alice\"", "\"Alice\""},
        {"\"alice\"", "\"\""},
        {"\"alice\"", "\"site-a\""},
        {"\"alice\"", "\"site-0\""},
        {"\"admin\"", "\"root\""},
        {"\"admin\"", "\"site\""},
        {"\"admin\"", "7"},
        {"\"admin\"", ""},
        {"\"kind\":\"node\"", "\"kind\":\"user\""},
        {KEY, "BAEC"},
        {KEY, ""},
        {"\"encryption_key\"", "\"encryption\""},
        {"\"site-1\",\"version\":3", "\"site-0\",\"version\":3"},
        {"\"site-1\",\"version\":3", "\"site-1\",\"version\":4"},
        {"\"site-1\",\"version\":3", "\"site-1\",\"version\":0"},
        {"\"site-1\"", "\"sit..\""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        CHECK_STATUS(read_with(changes[i][0], changes[i][1]), ANB_CORRUPT);
}

static void what_is_no_roster_at_all_is_refused(void)
{
    static const char *const bodies[] = {"", "null", "[]", "{}", "7", "{\"roster\":", "\"anabranch-1\""};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) CHECK_STATUS(read(bodies[i]), ANB_CORRUPT);
}

static void the_one_form_is_read_and_written_as_it_was(void)
{
    static const char good[] = HEAD MEMBERS REVOKED;
    struct roster *roster = NULL;
    struct buf again;
    buf_init(&again, ROSTER_MAX_BYTES);
    CHECK_STATUS(roster_read_body(slice_of_text(good), &roster, &test_error), ANB_OK);
    REQUIRE(roster != NULL);
    CHECK(roster->version == 3 && roster->issued_s == 7 && roster->n_members == 2 && roster->n_revoked == 2);
    CHECK_STATUS(roster_write_body(roster, &again, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&again), good);
    roster_free(roster);
    buf_fini(&again);
}

TEST_MAIN("roster_text", TEST(other_forms_of_the_same_content_are_refused),
          TEST(contents_against_the_rules_are_refused), TEST(what_is_no_roster_at_all_is_refused),
          TEST(the_one_form_is_read_and_written_as_it_was))
