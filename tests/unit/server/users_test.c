/* Who is believed to be whom: certificates and tokens that are wrong in one thing each, then good ones. */
#include "base/clock.h"
#include "server/users.h"
#include "support/people.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DAY_S = 86400 };

static struct people people;
static struct users *users;
static char root[512], roster[512], tokens[512], text[TOKEN_TEXT_BYTES];
static int64_t now_ms;

static void open_users(void)
{
    const struct users_config config = {"p", root, roster, tokens};
    snprintf(root, sizeof root, "%s/root.pem", people.folder);
    snprintf(roster, sizeof roster, "%s/roster", people.folder);
    snprintf(tokens, sizeof tokens, "%s/tokens.json", people.folder);
    CHECK_STATUS(users_open(&config, &users, &test_error), ANB_OK);
    REQUIRE(users != NULL);
}

static void begin(void)
{
    people_begin(&people, test_folder());
    now_ms = clock_wall_ms();
    open_users();
}

static void open_again(void)
{
    people_write(&people);
    users_close(users);
    users = NULL;
    open_users();
}

static void end(void)
{
    users_close(users);
    people_end(&people);
    unlink(tokens);
}

/* -- asking */

static enum anb_status identify(const char *authorization, struct slice certificate, struct user *user)
{
    const struct credentials shown = {authorization, certificate};
    return users_identify(users, &shown, now_ms, user, &test_error);
}

static void check_refused(const char *authorization, struct slice certificate, const char *sentence)
{
    struct user user;
    CHECK_STATUS(identify(authorization, certificate, &user), ANB_DENIED);
    if (!strstr(test_error.text, sentence)) printf("said: %s\n", test_error.text);
    CHECK(strstr(test_error.text, sentence) != NULL);
}

static const struct slice none = {NULL, 0};

static struct slice certificate_of(const char *name)
{
    const struct roster_member *member = roster_find_any(people.roster, name);
    REQUIRE(member != NULL);
    return slice_of(member->certificate, member->certificate_bytes);
}

static enum anb_status wish_for(const char *who, enum user_role own, const struct token_wish *wish)
{
    struct user user = {.role = own, .is_certified = true};
    struct token made;
    snprintf(user.name, sizeof user.name, "%s", who);
    return users_create_token(users, &user, wish, now_ms, text, &made, &test_error);
}

static const char *bearer(void)
{
    static char header[TOKEN_TEXT_BYTES + 16];
    snprintf(header, sizeof header, "Bearer %s", text);
    return header;
}

/* -- certificates */

static void who_shows_nothing_is_nobody(void)
{
    begin();
    check_refused(NULL, none, "who are you?");
    check_refused("", none, "Bearer TOKEN");
    check_refused("Basic YTpi", none, "Bearer TOKEN");
    check_refused("Bearer", none, "Bearer TOKEN");
    check_refused("Bearer ", none, "does not know that token");
    end();
}

static void certificates_that_the_roster_does_not_have_are_nobodys(void)
{
    unsigned char der[PEOPLE_DER_BYTES];
    const struct certificate_subject ann = {CERTIFICATE_USER, "p", "ann", NULL, 0},
                                     eve = {CERTIFICATE_USER, "p", "eve", NULL, 0};
    struct people others;
    begin();
    check_refused(NULL, slice_of("no certificate", 14), "not the one of a user");
    check_refused(NULL, slice_of(der, people_stranger(&people, &ann, der)), "not the one of a user"); /* an old one */
    check_refused(NULL, slice_of(der, people_stranger(&people, &eve, der)), "not the one of a user");
    check_refused(NULL, certificate_of("server-1"), "not the one of a user"); /* a node is no user */
    people_begin(&others, test_folder());                                     /* another root */
    const struct roster_member *foreign = roster_find_any(others.roster, "ann");
    check_refused(NULL, slice_of(foreign->certificate, foreign->certificate_bytes), "not the one of a user");
    people_end(&others);
    people_write(&people);
    end();
}

static void a_certificate_that_is_over_or_not_yet_is_refused(void)
{
    begin();
    people_add(&people, CERTIFICATE_USER, "mia", ROSTER_MEMBER, now_ms / 1000 - 2 * DAY_S, now_ms / 1000 - DAY_S);
    people_add(&people, CERTIFICATE_USER, "max", ROSTER_MEMBER, now_ms / 1000 + DAY_S, now_ms / 1000 + 2 * DAY_S);
    open_again();
    check_refused(NULL, certificate_of("mia"), "expired");
    check_refused(NULL, certificate_of("max"), "not yet valid");
    end();
}

static void a_certificate_with_another_usage_is_refused(void)
{
    static const char *const hosts[] = {"localhost"};
    const struct certificate_subject server = {CERTIFICATE_REST, "p", "mia", hosts, 1};
    struct roster_member member = {.kind = CERTIFICATE_USER, .name = "mia", .roles = 1u << ROSTER_MEMBER};
    begin();
    member.certificate_bytes = people_stranger(&people, &server, member.certificate);
    CHECK_STATUS(roster_put(people.roster, &member, &test_error), ANB_OK);
    open_again();
    check_refused(NULL, certificate_of("mia"), "purpose");
    end();
}

static void a_certificate_of_another_name_than_the_rosters_is_refused(void)
{
    const struct certificate_subject eve = {CERTIFICATE_USER, "p", "eve", NULL, 0};
    struct roster_member member = {.kind = CERTIFICATE_USER, .name = "mia", .roles = 1u << ROSTER_MEMBER};
    begin();
    member.certificate_bytes = people_stranger(&people, &eve, member.certificate);
    CHECK_STATUS(roster_put(people.roster, &member, &test_error), ANB_OK);
    open_again();
    check_refused(NULL, certificate_of("mia"), "another subject");
    end();
}

static void a_revoked_users_certificate_is_nobodys(void)
{
    unsigned char der[PEOPLE_DER_BYTES];
    begin();
    struct slice before = certificate_of("mia");
    memcpy(der, before.data, before.size);
    CHECK_STATUS(roster_revoke(people.roster, "mia", &test_error), ANB_OK);
    open_again();
    check_refused(NULL, slice_of(der, before.size), "not the one of a user");
    end();
}

static void a_roster_of_another_project_or_root_is_refused(void)
{
    struct users *others = NULL;
    begin();
    const struct users_config config = {"q", root, roster, tokens};
    CHECK_STATUS(users_open(&config, &others, &test_error), ANB_DENIED);
    end();
}

static void users_are_known_by_their_certificates(void)
{
    struct user user;
    begin();
    CHECK_STATUS(identify(NULL, certificate_of("ann"), &user), ANB_OK);
    CHECK(user.role == USER_ADMIN && user.is_certified && user.expires_ms > now_ms);
    CHECK_TEXT(user.name, "ann");
    CHECK_STATUS(identify(NULL, certificate_of("leo"), &user), ANB_OK);
    CHECK(user.role == USER_LEAD);
    CHECK_STATUS(identify(NULL, certificate_of("mia"), &user), ANB_OK);
    CHECK(user.role == USER_MEMBER);
    end();
}

/* -- tokens */

static void who_came_with_a_token_makes_none(void)
{
    const struct user ann = {.name = "ann", .role = USER_ADMIN};
    const struct token_wish wish = {.days = 1};
    struct token made;
    begin();
    CHECK_STATUS(users_create_token(users, &ann, &wish, now_ms, text, &made, &test_error), ANB_DENIED);
    end();
}

static void nobody_makes_a_token_above_himself_or_for_others(void)
{
    begin();
    CHECK_STATUS(wish_for("mia", USER_MEMBER, &(struct token_wish){"", true, USER_LEAD, 1}), ANB_DENIED);
    CHECK_STATUS(wish_for("mia", USER_MEMBER, &(struct token_wish){"", true, USER_MONITOR, 1}), ANB_DENIED);
    CHECK_STATUS(wish_for("leo", USER_LEAD, &(struct token_wish){"", true, USER_ADMIN, 1}), ANB_DENIED);
    CHECK_STATUS(wish_for("leo", USER_LEAD, &(struct token_wish){"bot", false, 0, 1}), ANB_DENIED);
    CHECK_STATUS(wish_for("ann", USER_ADMIN, &(struct token_wish){"mia", false, 0, 1}), ANB_DENIED);
    CHECK_STATUS(wish_for("ann", USER_ADMIN, &(struct token_wish){"rex", false, 0, 1}), ANB_DENIED);
    CHECK_STATUS(wish_for("ann", USER_ADMIN, &(struct token_wish){"server-1", false, 0, 1}), ANB_DENIED);
    CHECK_EQUAL(tokens_count(users_tokens(users)), 0);
    end();
}

static void a_token_ends_with_its_time(void)
{
    struct user user;
    begin();
    CHECK_STATUS(wish_for("mia", USER_MEMBER, &(struct token_wish){.days = 1}), ANB_OK);
    now_ms += (int64_t)DAY_S * 1000 - 1;
    CHECK_STATUS(identify(bearer(), none, &user), ANB_OK);
    now_ms++;
    check_refused(bearer(), none, "has expired");
    end();
}

static void a_token_ends_with_its_makers_place_or_role(void)
{
    begin();
    CHECK_STATUS(wish_for("leo", USER_LEAD, &(struct token_wish){.days = 1}), ANB_OK);
    people_add(&people, CERTIFICATE_USER, "leo", ROSTER_MEMBER, now_ms / 1000 - DAY_S, now_ms / 1000 + DAY_S);
    open_again();
    check_refused(bearer(), none, "may not give the role lead any more");
    CHECK_STATUS(roster_revoke(people.roster, "leo", &test_error), ANB_OK);
    open_again();
    check_refused(bearer(), none, "leo is not in the roster any more");
    end();
}

static void a_token_ends_when_the_name_it_stands_for_is_revoked(void)
{
    begin();
    CHECK_STATUS(wish_for("ann", USER_ADMIN, &(struct token_wish){"bot", true, USER_MEMBER, 1}), ANB_OK);
    people_add(&people, CERTIFICATE_USER, "bot", ROSTER_MEMBER, now_ms / 1000 - DAY_S, now_ms / 1000 + DAY_S);
    CHECK_STATUS(roster_revoke(people.roster, "bot", &test_error), ANB_OK);
    open_again();
    check_refused(bearer(), none, "bot is not in the roster any more");
    end();
}

static void a_bad_token_is_not_made_good_by_a_certificate(void)
{
    begin();
    check_refused("Bearer anb-nothing", certificate_of("ann"), "does not know that token");
    end();
}

static void a_token_stands_for_its_name_with_its_role(void)
{
    struct user user;
    begin();
    CHECK_STATUS(wish_for("ann", USER_ADMIN, &(struct token_wish){"prom", true, USER_MONITOR, 30}), ANB_OK);
    CHECK_STATUS(identify(bearer(), certificate_of("ann"), &user), ANB_OK);
    CHECK_TEXT(user.name, "prom");
    CHECK(user.role == USER_MONITOR && !user.is_certified);
    CHECK_STATUS(wish_for("mia", USER_MEMBER, &(struct token_wish){.days = 30}), ANB_OK);
    CHECK_STATUS(identify(bearer(), none, &user), ANB_OK);
    CHECK_TEXT(user.name, "mia");
    CHECK(user.role == USER_MEMBER);
    end();
}

TEST_MAIN("server_users", TEST(who_shows_nothing_is_nobody),
          TEST(certificates_that_the_roster_does_not_have_are_nobodys),
          TEST(a_certificate_that_is_over_or_not_yet_is_refused), TEST(a_certificate_with_another_usage_is_refused),
          TEST(a_certificate_of_another_name_than_the_rosters_is_refused), TEST(a_revoked_users_certificate_is_nobodys),
          TEST(a_roster_of_another_project_or_root_is_refused), TEST(users_are_known_by_their_certificates),
          TEST(who_came_with_a_token_makes_none), TEST(nobody_makes_a_token_above_himself_or_for_others),
          TEST(a_token_ends_with_its_time), TEST(a_token_ends_with_its_makers_place_or_role),
          TEST(a_token_ends_when_the_name_it_stands_for_is_revoked),
          TEST(a_bad_token_is_not_made_good_by_a_certificate), TEST(a_token_stands_for_its_name_with_its_role))
