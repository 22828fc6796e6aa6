/* Who is believed to be whom: certificates and tokens that are wrong in one thing each, then good ones. */
#include "base/clock.h"
#include "server/users.h"
#include "support/identity.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DAY_S = 86400 };

static struct identities *people; /* ann is an admin, leo a lead, mia and max are members, rex was one; a server */
static struct node_trust *trust;
static struct users *users;
static char tokens[512], text[TOKEN_TEXT_BYTES];
static unsigned char der[ROSTER_CERTIFICATE_BYTES];
static int64_t now_ms;

/* The next version of the roster comes into force, while the server runs. */
static void publish(void)
{
    struct slice roster = identities_sign(people);
    CHECK_STATUS(node_trust_replace(trust, roster, now_ms / 1000, &test_error), ANB_OK);
}

static void begin(void)
{
    static const struct {
        const char *name;
        enum roster_role role;
    } all[] = {{"ann", ROSTER_ADMIN},  {"leo", ROSTER_LEAD},   {"mia", ROSTER_MEMBER},
               {"max", ROSTER_MEMBER}, {"rex", ROSTER_MEMBER}, {"server-1", ROSTER_SERVER}};
    now_ms = clock_wall_ms();
    people = identities_new("p");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) identities_add(people, all[i].name, 1u << all[i].role);
    identities_sign(people);
    trust = identities_trust(people, "server-1");
    identities_revoke(people, "rex");
    publish();
    snprintf(tokens, sizeof tokens, "%s/tokens.json", test_folder());
    CHECK_STATUS(users_open(trust, tokens, &users, &test_error), ANB_OK);
    REQUIRE(users != NULL);
}

static void end(void)
{
    users_close(users);
    node_trust_free(trust);
    identities_free(people);
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

/* As the last roster has it, in `der`. */
static struct slice certificate_in(const struct identities *identities, const char *name)
{
    struct roster *roster = NULL;
    CHECK_STATUS(roster_parse(identities_roster(identities), identities_root(identities), "p", now_ms / 1000, &roster,
                              &test_error),
                 ANB_OK);
    const struct roster_member *member = roster ? roster_find_any(roster, name) : NULL;
    REQUIRE(member != NULL);
    memcpy(der, member->certificate, member->certificate_bytes);
    size_t size = member->certificate_bytes;
    roster_free(roster);
    return slice_of(der, size);
}

static struct slice certificate_of(const char *name)
{
    return certificate_in(people, name);
}

/* Made by the project's root, and in no roster. */
static struct slice stranger(const char *name)
{
    struct key *key = NULL;
    struct certificate *made = NULL;
    struct buf bytes;
    const struct certificate_subject subject = {CERTIFICATE_USER, "p", name, NULL, 0};
    const struct certificate_times times = {now_ms / 1000 - DAY_S, now_ms / 1000 + DAY_S};
    buf_init(&bytes, sizeof der);
    CHECK_STATUS(key_make(&key, &test_error), ANB_OK);
    CHECK_STATUS(certificate_issue(identities_root(people), identities_root_key(people), &subject, key, &times, &made,
                                   &test_error),
                 ANB_OK);
    CHECK_STATUS(certificate_write_der(made, &bytes, &test_error), ANB_OK);
    size_t size = bytes.size;
    memcpy(der, bytes.data, size);
    buf_fini(&bytes);
    certificate_free(made);
    key_free(key);
    return slice_of(der, size);
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
    begin();
    struct identities *others = identities_new("p"); /* another root */
    check_refused(NULL, slice_of("no certificate", 14), "not the one of a user");
    check_refused(NULL, stranger("ann"), "not the one of a user"); /* an old one of hers, say */
    check_refused(NULL, stranger("eve"), "not the one of a user");
    check_refused(NULL, certificate_of("server-1"), "not the one of a user"); /* a node is no user */
    identities_add(others, "ann", 1 << ROSTER_ADMIN);
    identities_sign(others);
    check_refused(NULL, certificate_in(others, "ann"), "not the one of a user");
    identities_free(others);
    end();
}

static void a_certificate_that_is_over_or_not_yet_is_refused(void)
{
    begin();
    const struct certificate_times past = {now_ms / 1000 - 2 * DAY_S, now_ms / 1000 - DAY_S},
                                   future = {now_ms / 1000 + DAY_S, now_ms / 1000 + 2 * DAY_S};
    identities_add_for(people, "mia", 1 << ROSTER_MEMBER, &past);
    identities_add_for(people, "max", 1 << ROSTER_MEMBER, &future);
    publish();
    check_refused(NULL, certificate_of("mia"), "expired");
    check_refused(NULL, certificate_of("max"), "not yet valid");
    end();
}

static void a_certificate_with_another_usage_or_name_is_refused(void)
{
    static const char *const hosts[] = {"localhost"};
    const struct certificate_subject server = {CERTIFICATE_REST, "p", "mia", hosts, 1},
                                     eve = {CERTIFICATE_USER, "p", "eve", NULL, 0};
    begin();
    identities_add_as(people, "mia", 1 << ROSTER_MEMBER, &server);
    identities_add_as(people, "max", 1 << ROSTER_MEMBER, &eve);
    publish();
    check_refused(NULL, certificate_of("mia"), "purpose");
    check_refused(NULL, certificate_of("max"), "another subject");
    end();
}

static void a_revoked_or_renewed_users_certificate_is_nobodys_at_once(void)
{
    unsigned char mia[ROSTER_CERTIFICATE_BYTES], max[ROSTER_CERTIFICATE_BYTES];
    struct user user;
    begin();
    size_t mia_bytes = certificate_of("mia").size;
    memcpy(mia, der, mia_bytes);
    size_t max_bytes = certificate_of("max").size;
    memcpy(max, der, max_bytes);
    CHECK_STATUS(identify(NULL, slice_of(mia, mia_bytes), &user), ANB_OK);
    identities_revoke(people, "mia");
    identities_add(people, "max", 1 << ROSTER_MEMBER);
    publish();
    check_refused(NULL, slice_of(mia, mia_bytes), "not the one of a user");
    check_refused(NULL, slice_of(max, max_bytes), "not the one of a user");
    CHECK_STATUS(identify(NULL, certificate_of("max"), &user), ANB_OK);
    end();
}

static void while_no_roster_is_in_force_all_wait(void)
{
    struct user user;
    begin();
    node_trust_rewind(trust);
    CHECK_STATUS(identify(NULL, certificate_of("ann"), &user), ANB_UNAVAILABLE);
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
    identities_add(people, "leo", 1 << ROSTER_MEMBER);
    publish();
    check_refused(bearer(), none, "may not give the role lead any more");
    identities_revoke(people, "leo");
    publish();
    check_refused(bearer(), none, "leo is not in the roster any more");
    end();
}

static void a_token_ends_when_the_name_it_stands_for_is_revoked(void)
{
    begin();
    CHECK_STATUS(wish_for("ann", USER_ADMIN, &(struct token_wish){"bot", true, USER_MEMBER, 1}), ANB_OK);
    identities_add(people, "bot", 1 << ROSTER_MEMBER);
    identities_revoke(people, "bot");
    publish();
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
          TEST(a_certificate_that_is_over_or_not_yet_is_refused),
          TEST(a_certificate_with_another_usage_or_name_is_refused),
          TEST(a_revoked_or_renewed_users_certificate_is_nobodys_at_once), TEST(while_no_roster_is_in_force_all_wait),
          TEST(users_are_known_by_their_certificates), TEST(who_came_with_a_token_makes_none),
          TEST(nobody_makes_a_token_above_himself_or_for_others), TEST(a_token_ends_with_its_time),
          TEST(a_token_ends_with_its_makers_place_or_role), TEST(a_token_ends_when_the_name_it_stands_for_is_revoked),
          TEST(a_bad_token_is_not_made_good_by_a_certificate), TEST(a_token_stands_for_its_name_with_its_role))
