/* Rosters in the control log: what is in force, who is refused from which offset on, and who may not start. */
#include "node/node.h"

#include "base/file.h"
#include "bus/memory.h"
#include "node/signed.h"
#include "support/identity.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

enum { SERVER = 1 << ROSTER_SERVER, SITE = 1 << ROSTER_SITE, MINUTE_MS = 60000 };

static int64_t clock_ms;
static int64_t now_ms(void *context)
{
    (void)context;
    return clock_ms;
}

struct scene {
    struct identities *people;
    struct memory_log *log;
    struct bus *bus;
    struct node_trust *server_trust, *site_trust;
    struct node *server;
    char folder[256];
};

static enum anb_status open_node(struct scene *scene, const char *name, enum role role, struct node_trust *trust,
                                 const char *data_folder, struct node **node)
{
    const struct node_config config = {.project = "p",
                                       .name = name,
                                       .role = role,
                                       .trust = trust,
                                       .version = "1",
                                       .partitions = 1,
                                       .data_folder = data_folder,
                                       .timeout_ms = 300,
                                       .outbox_retention_ms = -1,
                                       .outbox_retention_bytes = -1};
    return node_open(&config, scene->bus, node, &test_error);
}

static void open_log(struct scene *scene)
{
    scene->log = memory_log_new(now_ms, NULL, 1);
    CHECK_STATUS(bus_memory_open(scene->log, &scene->bus, &test_error), ANB_OK);
}

static void close_log(struct scene *scene)
{
    bus_close(scene->bus, 1000);
    memory_log_free(scene->log);
}

/* A server that has published its kit's roster, version 1, and a site that has not started. */
static void open_scene(struct scene *scene)
{
    static int number;
    clock_ms = 1795500000000;
    *scene = (struct scene){.people = identities_new("p")};
    snprintf(scene->folder, sizeof scene->folder, "%s/data-%d", test_folder(), number++);
    identities_add(scene->people, "server", SERVER);
    identities_add(scene->people, "site-a", SITE);
    identities_add(scene->people, "site-b", SITE);
    identities_sign(scene->people);
    open_log(scene);
    scene->server_trust = identities_trust(scene->people, "server");
    scene->site_trust = identities_trust(scene->people, "site-a");
    CHECK_STATUS(open_node(scene, "server", ROLE_SERVER, scene->server_trust, scene->folder, &scene->server), ANB_OK);
    REQUIRE(scene->server != NULL);
}

static void close_scene(struct scene *scene)
{
    node_close(scene->server, NULL);
    node_trust_free(scene->server_trust);
    node_trust_free(scene->site_trust);
    close_log(scene);
    identities_free(scene->people);
}

static enum anb_status poll(struct scene *scene)
{
    enum anb_status status;
    while ((status = node_poll(scene->server, 0, &test_error)) == ANB_OK) {}
    return status;
}

static int64_t count_of(struct scene *scene, const char *word)
{
    int64_t found = 0, count;
    const char *reason;
    const struct federation *federation = node_lock(scene->server);
    for (size_t i = 0; i < federation_n_refusals(federation); i++) {
        federation_refusal_at(federation, i, &reason, &count);
        if (strcmp(reason, word) == 0) found = count;
    }
    node_unlock(scene->server);
    return found;
}

static bool is_up(struct scene *scene, const char *name)
{
    const struct node_state *node = federation_node(node_lock(scene->server), name);
    bool up = node && node->up;
    node_unlock(scene->server);
    return up;
}

/* Put a record into the log that site-a says and signs, at the time `time_ms`. */
static void site_says(struct scene *scene, struct node_trust *trust, int64_t sequence, int64_t time_ms)
{
    struct buf bytes;
    struct record record = {.kind = RECORD_NODE_UP, .is.node_up = {.role = ROLE_CLIENT, .version = "1"}};
    record.is.node_up.head = (struct head){.project = "p",
                                           .node = (char *)(uintptr_t)node_trust_name(trust),
                                           .incarnation = sequence,
                                           .sequence = sequence,
                                           .time_ms = time_ms};
    buf_init(&bytes, 1 << 16);
    CHECK_STATUS(wire_encode(&record, &bytes, &test_error), ANB_OK);
    CHECK_STATUS(signed_seal(trust, &bytes, &test_error), ANB_OK);
    CHECK_STATUS(memory_log_put(scene->log, "p.control", 0, buf_slice(&bytes)), ANB_OK);
    buf_fini(&bytes);
}

/* A RosterPublished that nobody signed: the root's signature inside is what counts. */
static void bring(struct scene *scene, struct slice roster, int64_t version)
{
    struct buf bytes;
    static const unsigned char none[SIGNATURE_BYTES];
    struct record record = {.kind = RECORD_ROSTER_PUBLISHED};
    record.is.roster_published.head = (struct head){.project = "p", .node = (char *)(uintptr_t) "nobody"};
    record.is.roster_published.version = version;
    record.is.roster_published.roster = roster;
    buf_init(&bytes, 1 << 20);
    CHECK_STATUS(wire_encode(&record, &bytes, &test_error), ANB_OK);
    CHECK_STATUS(buf_append(&bytes, slice_of(none, sizeof none), &test_error), ANB_OK);
    CHECK_STATUS(memory_log_put(scene->log, "p.control", 0, buf_slice(&bytes)), ANB_OK);
    buf_fini(&bytes);
}

/* -- rosters that do not count */

static void a_lower_version_and_another_root_s_roster_are_refused_and_counted(void)
{
    struct scene scene;
    struct buf first;
    open_scene(&scene);
    buf_init(&first, ROSTER_MAX_BYTES);
    CHECK_STATUS(buf_append(&first, identities_roster(scene.people), &test_error), ANB_OK);
    bring(&scene, identities_sign(scene.people), 2);
    poll(&scene);
    CHECK_EQUAL(node_trust_version(scene.server_trust), 2);
    bring(&scene, buf_slice(&first), 1);
    poll(&scene);
    CHECK_EQUAL(node_trust_version(scene.server_trust), 2);
    CHECK_EQUAL(count_of(&scene, "stale-roster"), 1);
    struct identities *other = identities_new("p");
    identities_add(other, "server", SERVER);
    for (int i = 0; i < 5; i++) identities_sign(other);
    bring(&scene, identities_roster(other), 5);
    bring(&scene, slice_of_text("no roster at all"), 9);
    poll(&scene);
    CHECK_EQUAL(node_trust_version(scene.server_trust), 2);
    CHECK_EQUAL(count_of(&scene, "bad-roster"), 2);
    identities_free(other);
    buf_fini(&first);
    close_scene(&scene);
}

static void what_no_node_would_take_is_not_published(void)
{
    struct scene scene;
    int64_t version = 0;
    open_scene(&scene);
    int64_t end = memory_log_end(scene.log, "p.control", 0);
    CHECK_STATUS(node_publish_roster(scene.server, identities_roster(scene.people), &version, &test_error), ANB_EXISTS);
    CHECK_STATUS(node_publish_roster(scene.server, slice_of_text("{}"), &version, &test_error), ANB_CORRUPT);
    CHECK_EQUAL(memory_log_end(scene.log, "p.control", 0), end);
    CHECK_STATUS(node_publish_roster(scene.server, identities_sign(scene.people), &version, &test_error), ANB_OK);
    poll(&scene);
    CHECK_EQUAL(version, 2);
    CHECK_EQUAL(node_trust_version(scene.server_trust), 2);
    close_scene(&scene);
}

/* -- from which offset on */

static void what_a_node_said_before_it_was_revoked_counts_and_nothing_after(void)
{
    struct scene scene;
    open_scene(&scene);
    site_says(&scene, scene.site_trust, 1, clock_ms);
    poll(&scene);
    CHECK(is_up(&scene, "site-a"));
    identities_revoke(scene.people, "site-a");
    bring(&scene, identities_sign(scene.people), 2);
    site_says(&scene, scene.site_trust, 2, clock_ms);
    poll(&scene);
    CHECK(!is_up(&scene, "site-a"));
    CHECK_EQUAL(count_of(&scene, "revoked"), 1);
    CHECK(is_up(&scene, "server"));
    close_scene(&scene);
}

/* A node that reads the log later comes to the same state, though its kit says that site-a is revoked. */
static void a_later_reader_believes_what_was_said_in_its_time(void)
{
    struct scene scene;
    struct node *late = NULL;
    open_scene(&scene);
    site_says(&scene, scene.site_trust, 3, clock_ms);
    poll(&scene);
    identities_revoke(scene.people, "site-a");
    bring(&scene, identities_sign(scene.people), 2);
    site_says(&scene, scene.site_trust, 4, clock_ms);
    struct node_trust *trust = identities_trust(scene.people, "site-b");
    CHECK_STATUS(open_node(&scene, "site-b", ROLE_CLIENT, trust, NULL, &late), ANB_OK);
    REQUIRE(late != NULL);
    const struct node_state *site = federation_node(node_lock(late), "site-a");
    CHECK(site && site->incarnation == 3 && !site->up);
    node_unlock(late);
    node_close(late, NULL);
    node_trust_free(trust);
    close_scene(&scene);
}

/* Its certificate has expired: to say that it is earlier does not help, once a server has spoken later. */
static void who_has_expired_cannot_speak_from_the_past(void)
{
    struct scene scene;
    open_scene(&scene);
    const int64_t end_s = clock_ms / 1000 + 60;
    identities_add_for(scene.people, "site-a", SITE, &(struct certificate_times){1, end_s});
    bring(&scene, identities_sign(scene.people), 2);
    poll(&scene);
    struct node_trust *trust = identities_trust(scene.people, "site-a");
    site_says(&scene, trust, 1, clock_ms);
    poll(&scene);
    CHECK_EQUAL(federation_node(node_lock(scene.server), "site-a")->incarnation, 1);
    node_unlock(scene.server);
    int64_t then_ms = clock_ms;
    clock_ms += 7 * MINUTE_MS;
    struct record claim = {.kind = RECORD_LEADER_CLAIMED};
    claim.is.leader_claimed.head.epoch = 1;
    CHECK_STATUS(node_append(scene.server, &claim, true, &test_error), ANB_OK);
    site_says(&scene, trust, 2, clock_ms);
    site_says(&scene, trust, 3, then_ms);
    poll(&scene);
    CHECK_EQUAL(count_of(&scene, "expired"), 2);
    CHECK_EQUAL(federation_node(node_lock(scene.server), "site-a")->incarnation, 1);
    node_unlock(scene.server);
    node_trust_free(trust);
    close_scene(&scene);
}

/* -- a node's own place */

static void a_renewed_node_stops_and_says_what_to_do(void)
{
    struct scene scene;
    open_scene(&scene);
    identities_add(scene.people, "server", SERVER);
    bring(&scene, identities_sign(scene.people), 2);
    CHECK_EQUAL(poll(&scene), ANB_CLOSED);
    CHECK(strstr(test_error.text, "start it with the kit that was made last") != NULL);
    close_scene(&scene);
}

static void a_revoked_node_stops(void)
{
    struct scene scene;
    open_scene(&scene);
    identities_revoke(scene.people, "server");
    bring(&scene, identities_sign(scene.people), 2);
    CHECK_EQUAL(poll(&scene), ANB_CLOSED);
    CHECK(strstr(test_error.text, "was revoked") != NULL);
    close_scene(&scene);
}

static void a_kit_that_is_newer_than_the_log_waits_for_its_roster(void)
{
    struct scene scene;
    struct node *node = NULL;
    open_scene(&scene);
    identities_sign(scene.people);
    struct node_trust *trust = identities_trust(scene.people, "site-a"); /* version 2 */
    CHECK_STATUS(open_node(&scene, "site-a", ROLE_CLIENT, trust, NULL, &node), ANB_TIMEOUT);
    CHECK(strstr(test_error.text, "roster publish") != NULL);
    bring(&scene, identities_roster(scene.people), 2);
    CHECK_STATUS(open_node(&scene, "site-a", ROLE_CLIENT, trust, NULL, &node), ANB_OK);
    node_close(node, NULL);
    node_trust_free(trust);
    close_scene(&scene);
}

static void a_server_with_a_newer_kit_publishes_it(void)
{
    struct scene scene;
    open_scene(&scene);
    node_close(scene.server, NULL);
    node_trust_free(scene.server_trust);
    identities_sign(scene.people);
    scene.server_trust = identities_trust(scene.people, "server");
    CHECK_STATUS(open_node(&scene, "server", ROLE_SERVER, scene.server_trust, scene.folder, &scene.server), ANB_OK);
    CHECK_EQUAL(node_trust_version(scene.server_trust), 2);
    close_scene(&scene);
}

/* The log was cut back to a roster that had not revoked anybody yet; the kit is that old, too. */
static void a_node_does_not_go_back_behind_what_it_has_seen(void)
{
    struct scene scene;
    struct node *node = NULL;
    open_scene(&scene);
    struct node_trust *old = identities_trust(scene.people, "server");
    bring(&scene, identities_sign(scene.people), 2);
    poll(&scene);
    struct scene after = {.people = scene.people};
    open_log(&after);
    CHECK_STATUS(open_node(&after, "server", ROLE_SERVER, old, scene.folder, &node), ANB_TIMEOUT);
    CHECK(strstr(test_error.text, "knows version 2 already") != NULL);
    CHECK(node == NULL);
    close_log(&after);
    node_trust_free(old);
    close_scene(&scene);
}

static void a_node_without_an_identity_is_not_opened(void)
{
    struct scene scene;
    struct node *node = NULL;
    open_scene(&scene);
    CHECK_STATUS(open_node(&scene, "site-a", ROLE_CLIENT, NULL, NULL, &node), ANB_INVALID);
    CHECK_STATUS(open_node(&scene, "site-b", ROLE_CLIENT, scene.site_trust, NULL, &node), ANB_INVALID);
    CHECK_STATUS(open_node(&scene, "site-a", ROLE_SERVER, scene.site_trust, NULL, &node), ANB_DENIED);
    close_scene(&scene);
}

TEST_MAIN("rosters", TEST(a_lower_version_and_another_root_s_roster_are_refused_and_counted),
          TEST(what_no_node_would_take_is_not_published),
          TEST(what_a_node_said_before_it_was_revoked_counts_and_nothing_after),
          TEST(a_later_reader_believes_what_was_said_in_its_time), TEST(who_has_expired_cannot_speak_from_the_past),
          TEST(a_renewed_node_stops_and_says_what_to_do), TEST(a_revoked_node_stops),
          TEST(a_kit_that_is_newer_than_the_log_waits_for_its_roster), TEST(a_server_with_a_newer_kit_publishes_it),
          TEST(a_node_does_not_go_back_behind_what_it_has_seen), TEST(a_node_without_an_identity_is_not_opened))
