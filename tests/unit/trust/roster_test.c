/* The roster: nothing that the root did not sign is read, no version goes back, nobody revoked comes back. */
#include "trust/roster.h"

#include "crypto/sign.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { YEAR_S = 365 * 86400 };
static const int64_t now_s = 1795500000;
static const struct certificate_times times = {1795500000 - 1, 1795500000 + YEAR_S};

struct scene {
    struct key *root_key;
    struct certificate *root;
    struct roster *roster;
    struct buf text;
};

static struct key *make_key(void)
{
    struct key *key = NULL;
    CHECK_STATUS(key_make(&key, &test_error), ANB_OK);
    REQUIRE(key != NULL);
    return key;
}

static struct roster_member make_member(const struct scene *scene, enum certificate_kind kind, const char *name,
                                        unsigned roles)
{
    const struct certificate_subject subject = {kind, "river", name, NULL, 0};
    struct roster_member member = {.kind = kind, .roles = roles};
    struct certificate *certificate = NULL;
    struct key *key = make_key();
    struct buf der;
    buf_init(&der, sizeof member.certificate);
    snprintf(member.name, sizeof member.name, "%s", name);
    CHECK_STATUS(certificate_issue(scene->root, scene->root_key, &subject, key, &times, &certificate, &test_error),
                 ANB_OK);
    REQUIRE(certificate != NULL);
    CHECK_STATUS(certificate_write_der(certificate, &der, &test_error), ANB_OK);
    memcpy(member.certificate, der.data, der.size);
    member.certificate_bytes = der.size;
    if (kind == CERTIFICATE_NODE) CHECK_STATUS(key_point(key, &member.encryption_key, &test_error), ANB_OK);
    certificate_free(certificate);
    key_free(key);
    buf_fini(&der);
    return member;
}

static void put(struct scene *scene, enum certificate_kind kind, const char *name, unsigned roles)
{
    struct roster_member member = make_member(scene, kind, name, roles);
    CHECK_STATUS(roster_put(scene->roster, &member, &test_error), ANB_OK);
}

static void sign(struct scene *scene)
{
    buf_clear(&scene->text);
    CHECK_STATUS(roster_sign(scene->roster, scene->root_key, now_s, &scene->text, &test_error), ANB_OK);
}

static void open_scene(struct scene *scene)
{
    *scene = (struct scene){.root_key = make_key()};
    buf_init(&scene->text, ROSTER_MAX_BYTES);
    CHECK_STATUS(certificate_make_root(scene->root_key, "river", &times, &scene->root, &test_error), ANB_OK);
    REQUIRE(scene->root != NULL);
    CHECK_STATUS(roster_new("river", &scene->roster, &test_error), ANB_OK);
    put(scene, CERTIFICATE_NODE, "site-a", 1 << ROSTER_SITE);
    put(scene, CERTIFICATE_USER, "alice", 1 << ROSTER_ADMIN);
    put(scene, CERTIFICATE_NODE, "conductor", 1 << ROSTER_SERVER | 1 << ROSTER_AGGREGATOR);
    sign(scene);
}

static void close_scene(struct scene *scene)
{
    roster_free(scene->roster);
    certificate_free(scene->root);
    key_free(scene->root_key);
    buf_fini(&scene->text);
}

static enum anb_status parse(const struct scene *scene, struct slice text, int64_t when_s)
{
    struct roster *roster = NULL;
    enum anb_status status = roster_parse(text, scene->root, "river", when_s, &roster, &test_error);
    CHECK((roster != NULL) == (status == ANB_OK));
    roster_free(roster);
    return status;
}

/* -- refused */

static void whatever_byte_is_altered_the_roster_is_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    for (size_t i = 0; i < scene.text.size; i++) {
        scene.text.data[i] ^= 1;
        CHECK(parse(&scene, buf_slice(&scene.text), now_s) != ANB_OK);
        scene.text.data[i] ^= 1;
    }
    close_scene(&scene);
}

/* Valid JSON in the one form with another content: only the signature tells. */
static void whatever_field_is_altered_the_roster_is_refused(void)
{
    static const char *const changes[][2] = {
        {"\"version\":1", "\"version\":2"},
        {"\"issued_s\":1795500000", "\"issued_s\":1795500001"},
        {"\"name\":\"alice\"", "\"name\":\"alici\""},
        {"\"admin\"", "\"leads\""},
        {"\"site\"", "\"sits\""},
        {"\"kind\":\"node\"", "\"kind\":\"user\""},
        {"\"project\":\"river\"", "\"project\":\"rives\""},
        {"\"server\"", "\"siteee\""},
        {"\"certificate\":\"MII", "\"certificate\":\"NII"},
        {"\"encryption_key\":\"B", "\"encryption_key\":\"A"},
        {"\"revoked\":[\n", "\"revoked\":[ "},
    };
    struct scene scene;
    open_scene(&scene);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *at = strstr(buf_text(&scene.text), changes[i][0]);
        REQUIRE(at != NULL);
        REQUIRE(strlen(changes[i][0]) == strlen(changes[i][1]));
        memcpy(at, changes[i][1], strlen(changes[i][1]));
        CHECK_STATUS(parse(&scene, buf_slice(&scene.text), now_s), ANB_DENIED);
        memcpy(at, changes[i][0], strlen(changes[i][0]));
    }
    CHECK_STATUS(parse(&scene, buf_slice(&scene.text), now_s), ANB_OK);
    close_scene(&scene);
}

static void cut_and_lengthened_rosters_are_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    for (size_t size = 0; size < scene.text.size; size++)
        CHECK(parse(&scene, slice_of(scene.text.data, size), now_s) != ANB_OK);
    CHECK_STATUS(buf_append_text(&scene.text, "\n", &test_error), ANB_OK);
    CHECK_STATUS(parse(&scene, buf_slice(&scene.text), now_s), ANB_CORRUPT);
    close_scene(&scene);
}

static void roster_of_another_root_is_refused(void)
{
    struct scene scene, other;
    open_scene(&scene);
    open_scene(&other);
    CHECK_STATUS(parse(&scene, buf_slice(&other.text), now_s), ANB_DENIED);
    CHECK(strstr(test_error.text, "signature") != NULL);
    close_scene(&scene);
    close_scene(&other);
}

static void roster_of_another_project_is_refused(void)
{
    struct scene scene;
    struct roster *roster = NULL;
    open_scene(&scene);
    CHECK_STATUS(roster_parse(buf_slice(&scene.text), scene.root, "delta", now_s, &roster, &test_error), ANB_DENIED);
    CHECK_STATUS(roster_new("delta", &roster, &test_error), ANB_OK); /* signed by the same root */
    buf_clear(&scene.text);
    CHECK_STATUS(roster_sign(roster, scene.root_key, now_s, &scene.text, &test_error), ANB_OK);
    CHECK_STATUS(parse(&scene, buf_slice(&scene.text), now_s), ANB_DENIED);
    CHECK(strstr(test_error.text, "it is of project delta") != NULL);
    roster_free(roster);
    close_scene(&scene);
}

static void roster_is_refused_when_the_root_has_expired(void)
{
    struct scene scene;
    open_scene(&scene);
    CHECK_STATUS(parse(&scene, buf_slice(&scene.text), times.until_s + 1), ANB_DENIED);
    CHECK(strstr(test_error.text, "expired") != NULL);
    close_scene(&scene);
}

static void roster_signed_by_a_member_is_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    struct key *key = make_key();
    buf_clear(&scene.text);
    CHECK_STATUS(roster_sign(scene.roster, key, now_s, &scene.text, &test_error), ANB_OK);
    CHECK_STATUS(parse(&scene, buf_slice(&scene.text), now_s), ANB_DENIED);
    key_free(key);
    close_scene(&scene);
}

static void versions_only_grow_and_revocations_stay(void)
{
    struct scene scene;
    struct roster *first = NULL, *second = NULL, *forgetful = NULL;
    open_scene(&scene);
    CHECK_STATUS(roster_parse(buf_slice(&scene.text), scene.root, "river", now_s, &first, &test_error), ANB_OK);
    CHECK_STATUS(roster_revoke(scene.roster, "site-a", &test_error), ANB_OK);
    sign(&scene);
    CHECK_STATUS(roster_parse(buf_slice(&scene.text), scene.root, "river", now_s, &second, &test_error), ANB_OK);
    REQUIRE(first && second);
    CHECK_EQUAL(second->version, 2);
    CHECK_STATUS(roster_check_successor(first, second, &test_error), ANB_OK);
    CHECK_STATUS(roster_check_successor(second, first, &test_error), ANB_DENIED);
    CHECK_STATUS(roster_check_successor(second, second, &test_error), ANB_DENIED);
    CHECK_STATUS(roster_new("river", &forgetful, &test_error), ANB_OK);
    forgetful->version = 3;
    CHECK_STATUS(roster_check_successor(second, forgetful, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "forgets that site-a was revoked") != NULL);
    snprintf(forgetful->project, sizeof forgetful->project, "delta");
    CHECK_STATUS(roster_check_successor(second, forgetful, &test_error), ANB_DENIED);
    roster_free(first);
    roster_free(second);
    roster_free(forgetful);
    close_scene(&scene);
}

static void a_revoked_name_does_not_come_back(void)
{
    struct scene scene;
    open_scene(&scene);
    CHECK_STATUS(roster_revoke(scene.roster, "site-a", &test_error), ANB_OK);
    CHECK(roster_find(scene.roster, CERTIFICATE_NODE, "site-a") == NULL);
    REQUIRE(roster_revocation(scene.roster, "site-a") != NULL);
    CHECK_EQUAL(roster_revocation(scene.roster, "site-a")->version, 2);
    struct roster_member again = make_member(&scene, CERTIFICATE_NODE, "site-a", 1 << ROSTER_SITE);
    CHECK_STATUS(roster_put(scene.roster, &again, &test_error), ANB_DENIED);
    CHECK_STATUS(roster_revoke(scene.roster, "site-a", &test_error), ANB_NOT_FOUND);
    close_scene(&scene);
}

static void roles_that_do_not_go_with_the_kind_are_refused(void)
{
    static const struct {
        enum certificate_kind kind;
        unsigned roles;
    } bad[] = {{CERTIFICATE_NODE, 0},
               {CERTIFICATE_NODE, 1 << ROSTER_ADMIN},
               {CERTIFICATE_NODE, 1 << ROSTER_SITE | 1 << ROSTER_LEAD},
               {CERTIFICATE_NODE, 1 << ROSTER_SITE | 1 << ROSTER_N_ROLES},
               {CERTIFICATE_USER, 0},
               {CERTIFICATE_USER, 1 << ROSTER_SERVER},
               {CERTIFICATE_USER, 1 << ROSTER_ADMIN | 1 << ROSTER_LEAD}};
    struct scene scene;
    open_scene(&scene);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct roster_member member = make_member(&scene, bad[i].kind, "site-b", bad[i].roles);
        CHECK_STATUS(roster_put(scene.roster, &member, &test_error), ANB_INVALID);
    }
    close_scene(&scene);
}

static void certificate_of_a_member_is_verified_when_it_is_asked_for(void)
{
    struct scene scene;
    struct certificate *found = NULL;
    open_scene(&scene);
    const struct roster_member *site = roster_find(scene.roster, CERTIFICATE_NODE, "site-a");
    const struct roster_member *conductor = roster_find(scene.roster, CERTIFICATE_NODE, "conductor");
    REQUIRE(site && conductor);
    CHECK_STATUS(roster_certificate(scene.roster, site, scene.root, times.until_s + 1, &found, &test_error),
                 ANB_DENIED);
    struct roster_member swapped = *site; /* site-a with conductor's certificate */
    memcpy(swapped.certificate, conductor->certificate, conductor->certificate_bytes);
    swapped.certificate_bytes = conductor->certificate_bytes;
    CHECK_STATUS(roster_certificate(scene.roster, &swapped, scene.root, now_s, &found, &test_error), ANB_DENIED);
    CHECK(found == NULL);
    CHECK_STATUS(roster_certificate(scene.roster, site, scene.root, now_s, &found, &test_error), ANB_OK);
    certificate_free(found);
    close_scene(&scene);
}

/* -- read */

static void members_are_found_by_name_and_kind(void)
{
    struct scene scene;
    struct roster *roster = NULL;
    open_scene(&scene);
    CHECK_STATUS(roster_parse(buf_slice(&scene.text), scene.root, "river", now_s, &roster, &test_error), ANB_OK);
    REQUIRE(roster != NULL);
    CHECK_EQUAL(roster->version, 1);
    CHECK_EQUAL(roster->n_members, 3);
    CHECK_TEXT(roster->members[0]->name, "alice");
    CHECK(roster_find(roster, CERTIFICATE_NODE, "alice") == NULL);
    CHECK(roster_find(roster, CERTIFICATE_USER, "bob") == NULL);
    const struct roster_member *alice = roster_find(roster, CERTIFICATE_USER, "alice");
    const struct roster_member *conductor = roster_find(roster, CERTIFICATE_NODE, "conductor");
    REQUIRE(alice && conductor);
    CHECK(roster_has_role(alice, ROSTER_ADMIN) && !roster_has_role(alice, ROSTER_MEMBER));
    CHECK(roster_has_role(conductor, ROSTER_SERVER) && roster_has_role(conductor, ROSTER_AGGREGATOR));
    CHECK(memcmp(&conductor->encryption_key, &roster_find(scene.roster, CERTIFICATE_NODE, "conductor")->encryption_key,
                 KEY_POINT_BYTES) == 0);
    roster_free(roster);
    close_scene(&scene);
}

static void a_member_can_be_replaced(void)
{
    struct scene scene;
    open_scene(&scene);
    struct roster_member renewed = make_member(&scene, CERTIFICATE_NODE, "site-a", 1 << ROSTER_AGGREGATOR);
    CHECK_STATUS(roster_put(scene.roster, &renewed, &test_error), ANB_OK);
    CHECK_EQUAL(scene.roster->n_members, 3);
    const struct roster_member *found = roster_find(scene.roster, CERTIFICATE_NODE, "site-a");
    REQUIRE(found != NULL);
    CHECK(memcmp(found->certificate, renewed.certificate, renewed.certificate_bytes) == 0);
    CHECK(roster_has_role(found, ROSTER_AGGREGATOR) && !roster_has_role(found, ROSTER_SITE));
    close_scene(&scene);
}

static void a_thousand_nodes_fit_into_a_roster(void)
{
    struct scene scene;
    struct roster *roster = NULL;
    open_scene(&scene);
    struct roster_member member = make_member(&scene, CERTIFICATE_NODE, "hospital-0000", 1 << ROSTER_SITE);
    for (int i = 0; i < 1000; i++) {
        snprintf(member.name, sizeof member.name, "hospital-%04d", i);
        CHECK_STATUS(roster_put(scene.roster, &member, &test_error), ANB_OK);
    }
    sign(&scene);
    CHECK_STATUS(roster_parse(buf_slice(&scene.text), scene.root, "river", now_s, &roster, &test_error), ANB_OK);
    REQUIRE(roster != NULL);
    CHECK_EQUAL(roster->n_members, 1003);
    printf("1003 members: %zu bytes\n", scene.text.size);
    roster_free(roster);
    close_scene(&scene);
}

TEST_MAIN("roster", TEST(whatever_byte_is_altered_the_roster_is_refused),
          TEST(whatever_field_is_altered_the_roster_is_refused), TEST(cut_and_lengthened_rosters_are_refused),
          TEST(roster_of_another_root_is_refused), TEST(roster_of_another_project_is_refused),
          TEST(roster_is_refused_when_the_root_has_expired), TEST(roster_signed_by_a_member_is_refused),
          TEST(versions_only_grow_and_revocations_stay), TEST(a_revoked_name_does_not_come_back),
          TEST(roles_that_do_not_go_with_the_kind_are_refused),
          TEST(certificate_of_a_member_is_verified_when_it_is_asked_for), TEST(members_are_found_by_name_and_kind),
          TEST(a_member_can_be_replaced), TEST(a_thousand_nodes_fit_into_a_roster))
