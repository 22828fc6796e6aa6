/* Whom a node believes: nobody but whom the roster in force names, with the keys that it names. */
#include "node/trust.h"

#include "support/identity.h"
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { SERVER = 1 << ROSTER_SERVER, AGGREGATOR = 1 << ROSTER_AGGREGATOR, SITE = 1 << ROSTER_SITE };
static const int64_t now_s = 1795500000;
static const char purpose[] = "anabranch test";

struct scene {
    struct identities *people;
    struct node_trust *server, *site;
};

static void open_scene(struct scene *scene)
{
    scene->people = identities_new("river");
    identities_add(scene->people, "server", SERVER);
    identities_add(scene->people, "fold-1", AGGREGATOR);
    identities_add(scene->people, "site-a", SITE);
    identities_add(scene->people, "site-b", SITE);
    identities_add(scene->people, "alice", 1 << ROSTER_LEAD);
    identities_sign(scene->people);
    scene->server = identities_trust(scene->people, "server");
    scene->site = identities_trust(scene->people, "site-a");
}

static void close_scene(struct scene *scene)
{
    node_trust_free(scene->server);
    node_trust_free(scene->site);
    identities_free(scene->people);
}

static struct slice message(void)
{
    return slice_of_text("what is said");
}

static struct signature signed_by(struct node_trust *trust)
{
    struct signature signature = {{0}};
    CHECK_STATUS(node_trust_sign(trust, purpose, message(), &signature, &test_error), ANB_OK);
    return signature;
}

static struct signature signed_with(const struct key *key)
{
    struct signature signature = {{0}};
    CHECK_STATUS(sign_bytes(key, purpose, message(), &signature, &test_error), ANB_OK);
    return signature;
}

/* Why the server does not believe that `name` signed; TRUST_N_REFUSALS: it does. */
static enum trust_refusal why_not(struct scene *scene, const char *name, const struct signature *signature,
                                  int64_t when_s)
{
    enum trust_refusal refusal = TRUST_N_REFUSALS;
    enum anb_status status =
        node_trust_verify(scene->server, name, purpose, message(), signature, when_s, &refusal, &test_error);
    CHECK((status == ANB_OK) == (refusal == TRUST_N_REFUSALS));
    CHECK(status == ANB_OK || status == ANB_DENIED);
    return refusal;
}

static void take(struct node_trust *trust, struct slice roster, enum anb_status expected)
{
    CHECK_STATUS(node_trust_replace(trust, roster, now_s, &test_error), expected);
}

/* -- signatures that are not believed */

static void a_signature_with_any_bit_flipped_is_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    struct signature signature = signed_by(scene.site);
    for (int bit = 0; bit < 8 * SIGNATURE_BYTES; bit++) {
        signature.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_BAD_SIGNATURE);
        signature.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_N_REFUSALS);
    close_scene(&scene);
}

static void another_node_s_signature_is_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    struct signature signature = signed_by(scene.site);
    CHECK_EQUAL(why_not(&scene, "site-b", &signature, now_s), TRUST_BAD_SIGNATURE);
    CHECK_EQUAL(why_not(&scene, "server", &signature, now_s), TRUST_BAD_SIGNATURE);
    CHECK_EQUAL(why_not(&scene, "alice", &signature, now_s), TRUST_BAD_SIGNATURE);
    close_scene(&scene);
}

static void other_bytes_and_another_purpose_are_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    struct signature signature = signed_by(scene.site);
    CHECK_STATUS(node_trust_verify(scene.server, "site-a", purpose, slice_of_text("what was said"), &signature, now_s,
                                   NULL, &test_error),
                 ANB_DENIED);
    CHECK_STATUS(
        node_trust_verify(scene.server, "site-a", "anabranch other", message(), &signature, now_s, NULL, &test_error),
        ANB_DENIED);
    close_scene(&scene);
}

/* A key that says it is site-a's, but is not the one in the roster; and one of a root that says it is river's. */
static void a_key_that_the_roster_does_not_name_is_refused(void)
{
    struct scene scene;
    struct key *key = NULL;
    open_scene(&scene);
    CHECK_STATUS(key_make(&key, &test_error), ANB_OK);
    struct signature signature = signed_with(key);
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_BAD_SIGNATURE);
    struct identities *other = identities_new("river");
    identities_add(other, "site-a", SITE);
    signature = signed_with(identities_key(other, "site-a"));
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_BAD_SIGNATURE);
    signature = signed_with(identities_root_key(scene.people));
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_BAD_SIGNATURE);
    identities_free(other);
    key_free(key);
    close_scene(&scene);
}

static void who_is_not_in_the_roster_is_unknown(void)
{
    struct scene scene;
    open_scene(&scene);
    struct signature signature = signed_by(scene.site);
    CHECK_EQUAL(why_not(&scene, "site-c", &signature, now_s), TRUST_UNKNOWN_SENDER);
    CHECK_EQUAL(why_not(&scene, "", &signature, now_s), TRUST_UNKNOWN_SENDER);
    CHECK_EQUAL(node_trust_roles(scene.server, "site-c"), 0);
    close_scene(&scene);
}

static void a_certificate_is_good_within_its_time_only(void)
{
    struct scene scene;
    open_scene(&scene);
    identities_add_for(scene.people, "site-a", SITE, &(struct certificate_times){now_s, now_s + 100});
    take(scene.server, identities_sign(scene.people), ANB_OK);
    struct signature signature = signed_with(identities_key(scene.people, "site-a"));
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s + 101), TRUST_EXPIRED); /* on the first look */
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s - 1), TRUST_EXPIRED);
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_N_REFUSALS);
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s + 100), TRUST_N_REFUSALS);
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s + 101), TRUST_EXPIRED); /* on a later one */
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s - 1), TRUST_EXPIRED);
    struct key_point point;
    CHECK_STATUS(node_trust_seal_key(scene.server, "site-a", now_s + 101, &point, &test_error), ANB_DENIED);
    close_scene(&scene);
}

/* The root signed a roster whose member has a certificate of another name: the root's tool would not, but who has its
 * key for a moment might. */
static void a_certificate_of_another_name_or_usage_is_bad(void)
{
    struct scene scene;
    static const struct certificate_subject subjects[] = {
        {CERTIFICATE_NODE, "river", "site-b", NULL, 0},
        {CERTIFICATE_NODE, "delta", "site-a", NULL, 0},
        {CERTIFICATE_USER, "river", "site-a", NULL, 0},
        {CERTIFICATE_OPERATOR, "river", "site-a", NULL, 0},
    };
    open_scene(&scene);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        identities_add_as(scene.people, "site-a", SITE, &subjects[i]);
        take(scene.server, identities_sign(scene.people), ANB_OK);
        struct signature signature = signed_with(identities_key(scene.people, "site-a"));
        CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_BAD_CERTIFICATE);
    }
    close_scene(&scene);
}

static void who_was_revoked_is_not_believed_from_then_on(void)
{
    struct scene scene;
    open_scene(&scene);
    struct signature signature = signed_by(scene.site);
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_N_REFUSALS);
    identities_revoke(scene.people, "site-a");
    take(scene.server, identities_sign(scene.people), ANB_OK);
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_REVOKED);
    struct key_point point;
    CHECK_STATUS(node_trust_seal_key(scene.server, "site-a", now_s, &point, &test_error), ANB_DENIED);
    CHECK_EQUAL(node_trust_roles(scene.server, "site-a"), 0);
    close_scene(&scene);
}

static void a_renewed_node_s_old_key_is_not_believed(void)
{
    struct scene scene;
    open_scene(&scene);
    struct signature old = signed_by(scene.site);
    CHECK_EQUAL(why_not(&scene, "site-a", &old, now_s), TRUST_N_REFUSALS);
    identities_add(scene.people, "site-a", SITE);
    take(scene.server, identities_sign(scene.people), ANB_OK);
    struct signature new = signed_with(identities_key(scene.people, "site-a"));
    CHECK_EQUAL(why_not(&scene, "site-a", &old, now_s), TRUST_BAD_SIGNATURE);
    CHECK_EQUAL(why_not(&scene, "site-a", &new, now_s), TRUST_N_REFUSALS);
    close_scene(&scene);
}

/* -- rosters */

static void a_lower_version_is_refused_and_the_same_one_is_a_repeat(void)
{
    struct scene scene;
    struct buf first;
    open_scene(&scene);
    buf_init(&first, ROSTER_MAX_BYTES);
    CHECK_STATUS(buf_append(&first, identities_roster(scene.people), &test_error), ANB_OK);
    take(scene.server, buf_slice(&first), ANB_EXISTS);
    take(scene.server, identities_sign(scene.people), ANB_OK);
    take(scene.server, buf_slice(&first), ANB_DENIED);
    CHECK_EQUAL(node_trust_version(scene.server), 2);
    buf_fini(&first);
    close_scene(&scene);
}

static void a_roster_of_another_root_or_altered_is_refused(void)
{
    struct scene scene;
    struct buf text;
    open_scene(&scene);
    struct identities *other = identities_new("river");
    identities_add(other, "server", SERVER);
    identities_sign(other);
    take(scene.server, identities_sign(other), ANB_DENIED); /* version 2 */
    buf_init(&text, ROSTER_MAX_BYTES);
    CHECK_STATUS(buf_append(&text, identities_sign(scene.people), &test_error), ANB_OK);
    text.data[text.size / 2] ^= 1;
    CHECK(node_trust_replace(scene.server, buf_slice(&text), now_s, &test_error) != ANB_OK);
    take(scene.server, slice_of_text(""), ANB_CORRUPT);
    CHECK_EQUAL(node_trust_version(scene.server), 1);
    buf_fini(&text);
    identities_free(other);
    close_scene(&scene);
}

static void after_rewinding_nobody_is_known_until_the_log_gives_a_roster(void)
{
    struct scene scene;
    struct buf first;
    open_scene(&scene);
    buf_init(&first, ROSTER_MAX_BYTES);
    CHECK_STATUS(buf_append(&first, identities_roster(scene.people), &test_error), ANB_OK);
    identities_sign(scene.people);
    struct node_trust *late = identities_trust(scene.people, "server"); /* its kit has version 2 */
    node_trust_free(scene.server);
    scene.server = late;
    node_trust_rewind(late);
    CHECK_EQUAL(node_trust_version(late), 0);
    struct signature signature = signed_by(scene.site);
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_UNKNOWN_SENDER);
    take(late, buf_slice(&first), ANB_OK); /* lower than its kit's: that is how the log begins */
    CHECK_EQUAL(why_not(&scene, "site-a", &signature, now_s), TRUST_N_REFUSALS);
    CHECK_EQUAL(node_trust_expected(late), 2);
    node_trust_expect(late, 7);
    node_trust_expect(late, 3);
    CHECK_EQUAL(node_trust_expected(late), 7);
    CHECK(slice_equal(node_trust_kit_roster(late), identities_roster(scene.people)));
    buf_fini(&first);
    close_scene(&scene);
}

/* -- the node itself */

static void a_kit_that_does_not_fit_together_is_not_opened(void)
{
    struct scene scene;
    struct buf root, key;
    struct node_trust *trust = NULL;
    open_scene(&scene);
    buf_init(&root, KEY_FILE_MAX_BYTES);
    buf_init(&key, KEY_FILE_MAX_BYTES);
    CHECK_STATUS(certificate_write_pem(identities_root(scene.people), &root, &test_error), ANB_OK);
    CHECK_STATUS(key_write_pem(identities_key(scene.people, "site-b"), NULL, &key, &test_error), ANB_OK);
    struct trust_config config = {.project = "river",
                                  .name = "site-a",
                                  .root = buf_slice(&root),
                                  .roster = identities_roster(scene.people),
                                  .identity_key = buf_slice(&key),
                                  .encryption_key = buf_slice(&key),
                                  .now_s = now_s};
    CHECK_STATUS(node_trust_open(&config, &trust, &test_error), ANB_DENIED); /* the keys of another node */
    config.name = "site-c";
    CHECK_STATUS(node_trust_open(&config, &trust, &test_error), ANB_DENIED); /* not in the roster */
    config.name = "site-b";
    CHECK_STATUS(node_trust_open(&config, &trust, &test_error), ANB_DENIED); /* encryption key is another */
    config.project = "delta";
    CHECK_STATUS(node_trust_open(&config, &trust, &test_error), ANB_DENIED);
    config.project = "river";
    config.identity_key = slice_of_text("no key");
    CHECK(node_trust_open(&config, &trust, &test_error) != ANB_OK);
    config.root = slice_of_text("no root");
    CHECK(node_trust_open(&config, &trust, &test_error) != ANB_OK);
    CHECK(trust == NULL);
    buf_fini(&root);
    key_fini_buf(&key);
    close_scene(&scene);
}

static void a_node_sees_that_it_was_renewed_revoked_or_is_in_another_role(void)
{
    struct scene scene;
    open_scene(&scene);
    CHECK_STATUS(node_trust_check_own(scene.site, SITE, now_s, &test_error), ANB_OK);
    CHECK_STATUS(node_trust_check_own(scene.site, SERVER | AGGREGATOR, now_s, &test_error), ANB_DENIED);
    identities_add(scene.people, "site-a", SITE);
    take(scene.site, identities_sign(scene.people), ANB_OK);
    CHECK_STATUS(node_trust_check_own(scene.site, SITE, now_s, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "other keys") != NULL);
    identities_revoke(scene.people, "site-a");
    take(scene.site, identities_sign(scene.people), ANB_OK);
    CHECK_STATUS(node_trust_check_own(scene.site, SITE, now_s, &test_error), ANB_DENIED);
    CHECK(strstr(test_error.text, "revoked") != NULL);
    close_scene(&scene);
}

/* -- what works */

static void names_are_found_by_role_and_their_keys_are_the_roster_s(void)
{
    struct scene scene;
    struct key_point point, own;
    open_scene(&scene);
    CHECK(node_trust_has_role(scene.server, "site-a", ROSTER_SITE));
    CHECK(!node_trust_has_role(scene.server, "site-a", ROSTER_SERVER));
    CHECK_EQUAL(node_trust_roles(scene.server, "alice"), 1 << ROSTER_LEAD);
    CHECK_STATUS(node_trust_seal_key(scene.server, "site-a", now_s, &point, &test_error), ANB_OK);
    CHECK_STATUS(key_point(node_trust_own_encryption(scene.site), &own, &test_error), ANB_OK);
    CHECK(memcmp(&point, &own, sizeof point) == 0);
    CHECK_STATUS(node_trust_seal_key(scene.server, "alice", now_s, &point, &test_error), ANB_DENIED);
    CHECK_TEXT(node_trust_name(scene.site), "site-a");
    CHECK_TEXT(node_trust_project(scene.site), "river");
    close_scene(&scene);
}

static void note_name(const struct roster_member *member, void *context)
{
    strcat(strcat(context, member->name), " ");
}

static void members_are_visited_by_role_in_order(void)
{
    struct scene scene;
    char names[200] = "";
    open_scene(&scene);
    node_trust_each(scene.server, ROSTER_SITE, note_name, names);
    CHECK_TEXT(names, "site-a site-b ");
    close_scene(&scene);
}

static void a_user_s_signature_is_verified_like_a_node_s(void)
{
    struct scene scene;
    open_scene(&scene);
    struct signature signature = signed_with(identities_key(scene.people, "alice"));
    CHECK_EQUAL(why_not(&scene, "alice", &signature, now_s), TRUST_N_REFUSALS);
    close_scene(&scene);
}

static void every_refusal_has_a_word(void)
{
    for (int i = 0; i < TRUST_N_REFUSALS; i++) CHECK(*trust_refusal_word((enum trust_refusal)i));
    CHECK_TEXT(trust_refusal_word(TRUST_WRONG_ROLE), "wrong-role");
}

/* -- threads */

struct crowd {
    struct scene *scene;
    atomic_bool stop;
    atomic_int wrong;
};

static void *keep_verifying(void *context)
{
    struct crowd *crowd = context;
    struct signature signature = signed_by(crowd->scene->site);
    while (!atomic_load(&crowd->stop))
        if (node_trust_verify(crowd->scene->server, "site-a", purpose, message(), &signature, now_s, NULL, NULL) !=
            ANB_OK)
            atomic_fetch_add(&crowd->wrong, 1);
    return NULL;
}

static void rosters_change_while_others_verify(void)
{
    struct scene scene;
    struct crowd crowd = {.scene = &scene};
    pthread_t threads[3];
    open_scene(&scene);
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, keep_verifying, &crowd);
    for (int i = 0; i < 50; i++) take(scene.server, identities_sign(scene.people), ANB_OK);
    atomic_store(&crowd.stop, true);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK_EQUAL(atomic_load(&crowd.wrong), 0);
    CHECK_EQUAL(node_trust_version(scene.server), 51);
    close_scene(&scene);
}

TEST_MAIN("trust", TEST(a_signature_with_any_bit_flipped_is_refused), TEST(another_node_s_signature_is_refused),
          TEST(other_bytes_and_another_purpose_are_refused), TEST(a_key_that_the_roster_does_not_name_is_refused),
          TEST(who_is_not_in_the_roster_is_unknown), TEST(a_certificate_is_good_within_its_time_only),
          TEST(a_certificate_of_another_name_or_usage_is_bad), TEST(who_was_revoked_is_not_believed_from_then_on),
          TEST(a_renewed_node_s_old_key_is_not_believed), TEST(a_lower_version_is_refused_and_the_same_one_is_a_repeat),
          TEST(a_roster_of_another_root_or_altered_is_refused),
          TEST(after_rewinding_nobody_is_known_until_the_log_gives_a_roster),
          TEST(a_kit_that_does_not_fit_together_is_not_opened),
          TEST(a_node_sees_that_it_was_renewed_revoked_or_is_in_another_role),
          TEST(names_are_found_by_role_and_their_keys_are_the_roster_s), TEST(members_are_visited_by_role_in_order),
          TEST(a_user_s_signature_is_verified_like_a_node_s), TEST(every_refusal_has_a_word),
          TEST(rosters_change_while_others_verify))
