/* Who hears whom: by the roster, by the log, over restarts. */
#include "node/hearers.h"
#include "node/voices.h"

#include "support/identity.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

enum { NOW_S = 1700000000 };

struct speaker { /* a site that writes records */
    struct node_trust *trust;
    struct voice *voice;
    struct hearers *hearers;
    struct voice_place place;
};

static struct identities *project;
static struct arena arena;

static void begin(void)
{
    arena_init(&arena, 8 << 20);
    project = identities_new("p");
    identities_add(project, "server", 1 << ROSTER_SERVER);
    identities_add(project, "folder", 1 << ROSTER_AGGREGATOR);
    identities_add(project, "site-a", 1 << ROSTER_SITE);
    identities_add(project, "site-b", 1 << ROSTER_SITE);
    identities_sign(project);
}

static void end(void)
{
    identities_free(project);
    arena_fini(&arena);
}

static struct speaker speak(const char *name, int64_t incarnation)
{
    struct speaker speaker = {
        .trust = identities_trust(project, name), .hearers = hearers_new(), .place = {"p", name, incarnation}};
    CHECK_STATUS(voice_make(&speaker.place, &speaker.voice, &test_error), ANB_OK);
    return speaker;
}

static void stop(struct speaker *speaker)
{
    node_trust_free(speaker->trust);
    hearers_free(speaker->hearers);
    voice_free(speaker->voice);
}

static size_t wrap(struct speaker *speaker, struct receiver **receivers)
{
    size_t n = 0;
    CHECK_STATUS(hearers_look(speaker->hearers, speaker->trust, NOW_S, &test_error), ANB_OK);
    CHECK_STATUS(
        hearers_wrap(speaker->hearers, speaker->voice, &speaker->place, NULL, NULL, &arena, receivers, &n, &test_error),
        ANB_OK);
    return n;
}

static struct record up(struct speaker *speaker)
{
    struct record record = {.kind = RECORD_NODE_UP,
                            .is.node_up = {.head = {"p", speaker->place.node, speaker->place.incarnation, 1, 0, 0},
                                           .version = "1",
                                           .voice_commitment = *voice_commitment(speaker->voice)}};
    record.is.node_up.n_receivers = wrap(speaker, &record.is.node_up.receivers);
    hearers_have_wraps(speaker->hearers);
    return record;
}

static struct record share(struct speaker *speaker, int64_t sequence)
{
    struct record record = {
        .kind = RECORD_VOICE_SHARED,
        .is.voice_shared = {.head = {"p", speaker->place.node, speaker->place.incarnation, sequence, 0, 0},
                            .incarnation = speaker->place.incarnation,
                            .voice_commitment = *voice_commitment(speaker->voice)}};
    record.is.voice_shared.n_receivers = wrap(speaker, &record.is.voice_shared.receivers);
    return record;
}

struct listener {
    struct node_trust *trust;
    struct voices *voices;
};

static struct listener listen(const char *name)
{
    struct listener listener = {.trust = identities_trust(project, name)};
    CHECK_STATUS(voices_new("p", name, node_trust_own_encryption(listener.trust), true, &listener.voices, &test_error),
                 ANB_OK);
    return listener;
}

static void leave(struct listener *listener)
{
    voices_free(listener->voices);
    node_trust_free(listener->trust);
}

static void note(struct listener *listener, const struct record *record)
{
    CHECK_STATUS(voices_note(listener->voices, record, &test_error), ANB_OK);
}

/* What `listener` makes of a record that the speaker writes. */
static enum anb_status hear(struct listener *listener, struct speaker *speaker, int64_t sequence)
{
    struct record record = {
        .kind = RECORD_STREAM_ABANDONED,
        .is.stream_abandoned = {.head = {"p", speaker->place.node, speaker->place.incarnation, sequence, 0, 0},
                                .job = "j",
                                .reason = "disk full"}};
    struct record got;
    struct buf bytes;
    buf_init(&bytes, CONTROL_RECORD_MAX_BYTES);
    CHECK_STATUS(voice_write(speaker->voice, &record, &bytes, &test_error), ANB_OK);
    CHECK_STATUS(wire_decode(buf_slice(&bytes), &arena, &got, &test_error), ANB_OK);
    enum anb_status status = voices_hear(listener->voices, buf_slice(&bytes), &arena, &got, &test_error);
    CHECK_EQUAL(got.unheard, status != ANB_OK);
    CHECK_TEXT(got.is.stream_abandoned.reason, status == ANB_OK ? "disk full" : "");
    buf_fini(&bytes);
    return status;
}

static void sites_do_not_hear_each_other(void)
{
    begin();
    struct speaker site = speak("site-a", 1);
    struct listener other = listen("site-b"), server = listen("server"), folder = listen("folder"),
                    self = listen("site-a");
    struct record record = up(&site);
    CHECK_EQUAL(record.is.node_up.n_receivers, 3);
    struct listener *all[] = {&other, &server, &folder, &self};
    for (size_t i = 0; i < 4; i++) note(all[i], &record);
    CHECK_STATUS(hear(&other, &site, 2), ANB_NOT_FOUND);
    CHECK_STATUS(hear(&server, &site, 3), ANB_OK);
    CHECK_STATUS(hear(&folder, &site, 4), ANB_OK);
    CHECK_STATUS(hear(&self, &site, 5), ANB_OK);
    for (size_t i = 0; i < 4; i++) leave(all[i]);
    stop(&site);
    end();
}

/* A site that got hold of a record of another one has its wraps, and its own key. */
static void a_wrap_for_somebody_else_opens_nothing(void)
{
    begin();
    struct speaker site = speak("site-a", 1);
    struct listener other = listen("site-b");
    struct record record = up(&site);
    for (size_t i = 0; i < record.is.node_up.n_receivers; i++) record.is.node_up.receivers[i].node = "site-b";
    note(&other, &record);
    CHECK_STATUS(hear(&other, &site, 2), ANB_DENIED);
    CHECK_STATUS(hear(&other, &site, 3), ANB_NOT_FOUND);
    leave(&other);
    stop(&site);
    end();
}

static void who_has_not_announced_itself_is_not_heard(void)
{
    begin();
    struct speaker site = speak("site-a", 1);
    struct listener server = listen("server");
    CHECK_STATUS(hear(&server, &site, 1), ANB_NOT_FOUND);
    struct record shared = share(&site, 1);
    note(&server, &shared);
    CHECK_STATUS(hear(&server, &site, 2), ANB_NOT_FOUND);
    leave(&server);
    stop(&site);
    end();
}

static void a_server_that_starts_anew_hears_all_that_was_said_before(void)
{
    begin();
    struct speaker first = speak("site-a", 1), second = speak("site-a", 2);
    struct listener server = listen("server");
    struct record one = up(&first), two = up(&second);
    note(&server, &one);
    note(&server, &two);
    CHECK_STATUS(hear(&server, &first, 2), ANB_OK);
    CHECK_STATUS(hear(&server, &second, 2), ANB_OK);
    note(&server, &one); /* a NodeUp that comes again changes nothing */
    CHECK_STATUS(hear(&server, &second, 3), ANB_OK);
    leave(&server);
    stop(&first);
    stop(&second);
    end();
}

static void a_new_aggregator_hears_once_the_voice_is_shared(void)
{
    begin();
    struct speaker site = speak("site-a", 1);
    struct record record = up(&site);
    struct receiver *receivers;
    CHECK_EQUAL(wrap(&site, &receivers), 0);
    identities_add(project, "newcomer", 1 << ROSTER_AGGREGATOR);
    CHECK_STATUS(node_trust_replace(site.trust, identities_sign(project), NOW_S, &test_error), ANB_OK);
    struct listener newcomer = listen("newcomer");
    note(&newcomer, &record);
    CHECK_STATUS(hear(&newcomer, &site, 2), ANB_NOT_FOUND);
    struct record shared = share(&site, 3);
    REQUIRE(shared.is.voice_shared.n_receivers == 1);
    CHECK_TEXT(shared.is.voice_shared.receivers[0].node, "newcomer");
    note(&newcomer, &shared);
    CHECK_STATUS(hear(&newcomer, &site, 4), ANB_OK);
    hearers_have_wraps(site.hearers);
    CHECK_EQUAL(wrap(&site, &receivers), 0);
    leave(&newcomer);
    stop(&site);
    end();
}

static struct record opened(struct speaker *site, int64_t sequence, double weight, struct buf *bytes)
{
    struct record record = {
        .kind = RECORD_STREAM_OPENED,
        .is.stream_opened = {
            .head = {"p", site->place.node, site->place.incarnation, sequence, 0, 0}, .job = "j", .weight = weight}};
    CHECK_STATUS(voice_write(site->voice, &record, bytes, &test_error), ANB_OK);
    CHECK_STATUS(wire_decode(buf_slice(bytes), &arena, &record, &test_error), ANB_OK);
    return record;
}

static void what_was_said_before_the_voice_was_shared_is_heard_late(void)
{
    begin();
    struct speaker site = speak("site-a", 1);
    struct record first = up(&site), late;
    identities_add(project, "newcomer", 1 << ROSTER_AGGREGATOR);
    CHECK_STATUS(node_trust_replace(site.trust, identities_sign(project), NOW_S, &test_error), ANB_OK);
    struct listener newcomer = listen("newcomer");
    note(&newcomer, &first);
    for (int i = 0; i < 2; i++) {
        struct buf bytes;
        buf_init(&bytes, CONTROL_RECORD_MAX_BYTES);
        struct record record = opened(&site, 2 + i, 3.5 + i, &bytes);
        CHECK_STATUS(voices_hear(newcomer.voices, buf_slice(&bytes), &arena, &record, &test_error), ANB_NOT_FOUND);
        buf_fini(&bytes);
    }
    CHECK(!voices_take_late(newcomer.voices, "site-a", &arena, &late));
    struct record shared = share(&site, 4);
    note(&newcomer, &shared);
    for (int i = 0; i < 2; i++) {
        REQUIRE(voices_take_late(newcomer.voices, "site-a", &arena, &late));
        CHECK_EQUAL(late.is.stream_opened.weight, 3.5 + i);
    }
    CHECK(!voices_take_late(newcomer.voices, "site-a", &arena, &late));
    leave(&newcomer);
    stop(&site);
    end();
}

/* Who had the old key must not hear on. */
static void a_server_with_new_keys_calls_for_a_new_voice(void)
{
    begin();
    struct speaker site = speak("site-a", 1);
    up(&site);
    struct receiver *receivers;
    identities_add(project, "server", 1 << ROSTER_SERVER);
    CHECK_STATUS(node_trust_replace(site.trust, identities_sign(project), NOW_S, &test_error), ANB_OK);
    CHECK_EQUAL(wrap(&site, &receivers), 3);
    CHECK(hearers_need_voice(site.hearers));
    stop(&site);
    end();
}

/* A node takes a new voice, so that who was revoked hears nothing of what is said from then on. */
static bool is_not_newcomer(const char *name, void *context)
{
    (void)context;
    return strcmp(name, "newcomer") != 0;
}

/* A node that starts anew finds the voice of its earlier incarnation in the log, and who cannot hear it yet. */
static void an_earlier_voice_is_shared_with_a_newcomer(void)
{
    struct own_voice own;
    begin();
    struct speaker site = speak("site-a", 1);
    struct listener self = listen("site-a");
    struct record first = up(&site);
    note(&self, &first);
    identities_add(project, "newcomer", 1 << ROSTER_AGGREGATOR);
    identities_sign(project);
    struct speaker again = speak("site-a", 2);
    struct listener newcomer = listen("newcomer");
    struct record second = up(&again);
    note(&self, &second);
    note(&newcomer, &first);
    note(&newcomer, &second);
    CHECK_EQUAL(voices_n_own(self.voices), 2);
    CHECK_STATUS(voices_own(self.voices, 0, &own, &test_error), ANB_OK);
    CHECK_EQUAL(own.incarnation, 1);
    CHECK(digest_equal(voice_commitment(own.voice), voice_commitment(site.voice)));
    CHECK(voices_own_has_wrap(self.voices, 0, "folder") && !voices_own_has_wrap(self.voices, 0, "newcomer"));
    CHECK(voices_own_has_wrap(self.voices, 1, "newcomer"));
    CHECK_STATUS(hear(&newcomer, &site, 2), ANB_NOT_FOUND);
    struct record shared = {.kind = RECORD_VOICE_SHARED,
                            .is.voice_shared = {.head = {"p", "site-a", 2, 2, 0, 0},
                                                .incarnation = 1,
                                                .voice_commitment = *voice_commitment(own.voice)}};
    CHECK_EQUAL(hearers_look(again.hearers, again.trust, NOW_S, &test_error), ANB_OK);
    struct speaker former = again;
    former.place.incarnation = 1;
    CHECK_STATUS(hearers_wrap(again.hearers, own.voice, &former.place, is_not_newcomer, NULL, &arena,
                              &shared.is.voice_shared.receivers, &shared.is.voice_shared.n_receivers, &test_error),
                 ANB_OK);
    CHECK_EQUAL(shared.is.voice_shared.n_receivers, 1);
    note(&newcomer, &shared);
    note(&self, &shared);
    CHECK(voices_own_has_wrap(self.voices, 0, "newcomer"));
    CHECK_STATUS(hear(&newcomer, &site, 3), ANB_OK);
    leave(&self);
    leave(&newcomer);
    stop(&site);
    stop(&again);
    end();
}

static void who_is_revoked_does_not_hear_the_next_voice(void)
{
    struct voice *next;
    begin();
    struct speaker site = speak("site-a", 1);
    struct listener server = listen("server"), folder = listen("folder");
    struct record first = up(&site);
    note(&server, &first);
    note(&folder, &first);
    CHECK_STATUS(hear(&folder, &site, 2), ANB_OK);
    CHECK(!hearers_need_voice(site.hearers));
    identities_revoke(project, "folder");
    CHECK_STATUS(node_trust_replace(site.trust, identities_sign(project), NOW_S, &test_error), ANB_OK);
    for (int i = 0; i < 2; i++) { /* until it has one */
        CHECK_STATUS(hearers_look(site.hearers, site.trust, NOW_S, &test_error), ANB_OK);
        CHECK(hearers_need_voice(site.hearers));
    }
    CHECK_STATUS(voice_make(&site.place, &next, &test_error), ANB_OK);
    voice_replace(site.voice, next);
    struct record shared = share(&site, 3);
    CHECK_EQUAL(shared.is.voice_shared.n_receivers, 2);
    hearers_have_wraps(site.hearers);
    CHECK(!hearers_need_voice(site.hearers));
    note(&server, &shared);
    note(&folder, &shared);
    CHECK_STATUS(hear(&server, &site, 4), ANB_OK);
    CHECK_STATUS(hear(&folder, &site, 5), ANB_CORRUPT);
    leave(&server);
    leave(&folder);
    stop(&site);
    end();
}

/* Another thread of the sender may still have sealed with the voice before. */
static void the_voice_before_is_heard_on(void)
{
    static const unsigned char key[VOICE_KEY_BYTES] = {5};
    struct voice *next;
    begin();
    struct speaker site = speak("site-a", 1), former = site;
    struct listener server = listen("server");
    CHECK_STATUS(voice_new(&site.place, key, &former.voice, &test_error), ANB_OK);
    CHECK_STATUS(voice_new(&site.place, key, &next, &test_error), ANB_OK);
    voice_replace(site.voice, next);
    struct record first = up(&site);
    note(&server, &first);
    CHECK_STATUS(voice_make(&site.place, &next, &test_error), ANB_OK);
    voice_replace(site.voice, next);
    hearers_free(site.hearers);
    site.hearers = hearers_new();
    struct record shared = share(&site, 2);
    note(&server, &shared);
    CHECK_STATUS(hear(&server, &site, 3), ANB_OK);
    CHECK_STATUS(hear(&server, &former, 4), ANB_OK);
    voice_free(former.voice);
    leave(&server);
    stop(&site);
    end();
}

static void a_revoked_aggregator_gets_no_wrap(void)
{
    begin();
    identities_revoke(project, "folder");
    identities_sign(project);
    struct speaker site = speak("site-a", 1);
    struct receiver *receivers;
    CHECK_EQUAL(wrap(&site, &receivers), 2);
    for (size_t i = 0; i < 2; i++) CHECK(strcmp(receivers[i].node, "folder") != 0);
    stop(&site);
    end();
}

static void the_last_incarnations_are_kept(void)
{
    begin();
    struct listener server = listen("server");
    struct speaker sites[VOICES_KEPT + 1];
    for (int i = 0; i <= VOICES_KEPT; i++) {
        sites[i] = speak("site-a", i + 1);
        struct record record = up(&sites[i]);
        note(&server, &record);
        if (i == 0) CHECK_STATUS(hear(&server, &sites[0], 2), ANB_OK);
    }
    CHECK_STATUS(hear(&server, &sites[0], 3), ANB_NOT_FOUND);
    CHECK_STATUS(hear(&server, &sites[1], 2), ANB_OK);
    CHECK_STATUS(hear(&server, &sites[VOICES_KEPT], 2), ANB_OK);
    for (int i = 0; i <= VOICES_KEPT; i++) stop(&sites[i]);
    leave(&server);
    end();
}

TEST_MAIN("voices", TEST(sites_do_not_hear_each_other), TEST(a_wrap_for_somebody_else_opens_nothing),
          TEST(who_has_not_announced_itself_is_not_heard),
          TEST(a_server_that_starts_anew_hears_all_that_was_said_before),
          TEST(a_new_aggregator_hears_once_the_voice_is_shared),
          TEST(what_was_said_before_the_voice_was_shared_is_heard_late),
          TEST(a_server_with_new_keys_calls_for_a_new_voice), TEST(an_earlier_voice_is_shared_with_a_newcomer),
          TEST(who_is_revoked_does_not_hear_the_next_voice), TEST(the_voice_before_is_heard_on),
          TEST(a_revoked_aggregator_gets_no_wrap), TEST(the_last_incarnations_are_kept))
