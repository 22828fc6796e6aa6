/* Records and the signatures behind them: who may say what, and that nothing else is believed. */
#include "node/signed.h"

#include "support/identity.h"
#include "support/records.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

enum { SERVER = 1 << ROSTER_SERVER, AGGREGATOR = 1 << ROSTER_AGGREGATOR, SITE = 1 << ROSTER_SITE };
enum { ANY = SERVER | AGGREGATOR | SITE, ARENA_BYTES = 1 << 20 };
static const int64_t now_s = 1795500000;

/* What is right, written once more: who may say which kind. */
static const struct {
    enum record_kind kind;
    unsigned roles;
} rights[] = {
    {RECORD_CHUNK, 0},
    {RECORD_SAID, 0},
    {RECORD_JOB_ANSWERED, SITE},
    {RECORD_JOB_DELETED, SERVER},
    {RECORD_JOB_ENDED, SERVER},
    {RECORD_JOB_STARTED, SERVER},
    {RECORD_JOB_SUBMITTED, SERVER},
    {RECORD_LEADER_CLAIMED, SERVER},
    {RECORD_MODEL_STORED, SERVER},
    {RECORD_NODE_DOWN, ANY},
    {RECORD_AUDIT_HEAD, ANY},
    {RECORD_ROSTER_PUBLISHED, ANY},
    {RECORD_ROUND_CLOSED, SERVER},
    {RECORD_ROUND_CUT, SERVER},
    {RECORD_ROUND_OPENED, SERVER},
    {RECORD_STREAM_ABANDONED, ANY},
    {RECORD_STREAM_CLOSED, ANY},
    {RECORD_STREAM_KEY_ASKED, ANY},
    {RECORD_VOICE_SHARED, ANY},
    {RECORD_STREAM_KEY_GIVEN, ANY},
    {RECORD_STREAM_OPENED, ANY},
    {RECORD_TELEMETRY, ANY},
};
static const char *const names[] = {"server", "fold-1", "site-a"};
static const unsigned roles[] = {SERVER, AGGREGATOR, SITE};

struct scene {
    struct identities *people;
    struct node_trust *trusts[3], *reader;
    struct arena arena;
    struct buf bytes;
};

static void open_scene(struct scene *scene)
{
    scene->people = identities_new("p");
    for (int i = 0; i < 3; i++) identities_add(scene->people, names[i], roles[i]);
    identities_add(scene->people, "alice", 1 << ROSTER_ADMIN);
    identities_add(scene->people, "reader", SERVER);
    identities_sign(scene->people);
    for (int i = 0; i < 3; i++) scene->trusts[i] = identities_trust(scene->people, names[i]);
    scene->reader = identities_trust(scene->people, "reader");
    arena_init(&scene->arena, ARENA_BYTES);
    buf_init(&scene->bytes, ARENA_BYTES);
}

static void close_scene(struct scene *scene)
{
    for (int i = 0; i < 3; i++) node_trust_free(scene->trusts[i]);
    node_trust_free(scene->reader);
    identities_free(scene->people);
    arena_fini(&scene->arena);
    buf_fini(&scene->bytes);
}

/* A record of that kind that says it is from `name`, signed by `signer`. */
static void say(struct scene *scene, enum record_kind kind, const char *name, struct node_trust *signer)
{
    struct random random = {7};
    struct record record;
    arena_reset(&scene->arena);
    buf_clear(&scene->bytes);
    random_record(&random, kind, &scene->arena, &record);
    if (kind == RECORD_NODE_UP) record.is.node_up.role = ROLE_CLIENT;
    if (kind == RECORD_PULSE) record.is.pulse.role = ROLE_CLIENT;
    if (record_head(&record)) record_head(&record)->node = (char *)(uintptr_t)name;
    CHECK_STATUS(wire_encode(&record, &scene->bytes, &test_error), ANB_OK);
    CHECK_STATUS(signed_seal(signer, &scene->bytes, &test_error), ANB_OK);
}

/* TRUST_N_REFUSALS: it is believed. */
static enum trust_refusal why_not(struct scene *scene, struct slice message)
{
    enum trust_refusal refusal = TRUST_N_REFUSALS;
    struct signature signature;
    struct record record;
    arena_reset(&scene->arena);
    CHECK_STATUS(signed_read(message, &scene->arena, &record, &signature, &test_error), ANB_OK);
    enum anb_status status = signed_check(scene->reader, &record, message, &signature, now_s, &refusal, &test_error);
    CHECK((status == ANB_OK) == (refusal == TRUST_N_REFUSALS));
    return refusal;
}

static void each_kind_is_said_by_its_roles_only(void)
{
    struct scene scene;
    open_scene(&scene);
    for (size_t k = 0; k < sizeof rights / sizeof *rights; k++)
        for (int i = 0; i < 3; i++) {
            say(&scene, rights[k].kind, names[i], scene.trusts[i]);
            enum trust_refusal refusal = why_not(&scene, buf_slice(&scene.bytes));
            bool may = rights[k].roles & roles[i];
            if ((refusal == TRUST_N_REFUSALS) != may)
                printf("%s by %s: %d\n", record_name(rights[k].kind), names[i], (int)refusal);
            CHECK((refusal == TRUST_N_REFUSALS) == may);
        }
    close_scene(&scene);
}

static void a_node_comes_up_and_pulses_in_a_role_that_it_has(void)
{
    struct scene scene;
    open_scene(&scene);
    for (int i = 0; i < 3; i++) { /* all say that they are clients */
        say(&scene, RECORD_NODE_UP, names[i], scene.trusts[i]);
        CHECK_EQUAL(why_not(&scene, buf_slice(&scene.bytes)), roles[i] == SITE ? TRUST_N_REFUSALS : TRUST_WRONG_ROLE);
        say(&scene, RECORD_PULSE, names[i], scene.trusts[i]);
        CHECK_EQUAL(why_not(&scene, buf_slice(&scene.bytes)), roles[i] == SITE ? TRUST_N_REFUSALS : TRUST_WRONG_ROLE);
    }
    close_scene(&scene);
}

static void every_kind_stands_in_the_table_of_rights(void)
{
    CHECK_EQUAL(sizeof rights / sizeof *rights + 2, N_RECORD_KINDS); /* and NodeUp and Pulse */
}

/* Site-a has a good certificate and key, and says it is the server. */
static void a_record_in_another_s_name_is_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    say(&scene, RECORD_JOB_ENDED, "server", scene.trusts[2]);
    CHECK_EQUAL(why_not(&scene, buf_slice(&scene.bytes)), TRUST_BAD_SIGNATURE);
    say(&scene, RECORD_JOB_ENDED, "nobody", scene.trusts[2]);
    CHECK_EQUAL(why_not(&scene, buf_slice(&scene.bytes)), TRUST_UNKNOWN_SENDER);
    say(&scene, RECORD_JOB_ENDED, "alice", scene.trusts[2]);
    CHECK_EQUAL(why_not(&scene, buf_slice(&scene.bytes)), TRUST_BAD_SIGNATURE);
    close_scene(&scene);
}

static void a_user_says_nothing_in_the_log(void)
{
    struct scene scene;
    struct signature signature;
    open_scene(&scene);
    say(&scene, RECORD_STREAM_OPENED, "alice", scene.trusts[0]);
    scene.bytes.size -= SIGNATURE_BYTES;
    CHECK_STATUS(sign_bytes(identities_key(scene.people, "alice"), "anabranch record", buf_slice(&scene.bytes),
                            &signature, &test_error),
                 ANB_OK);
    CHECK_STATUS(buf_append(&scene.bytes, slice_of(signature.bytes, SIGNATURE_BYTES), &test_error), ANB_OK);
    CHECK_EQUAL(why_not(&scene, buf_slice(&scene.bytes)), TRUST_WRONG_ROLE);
    close_scene(&scene);
}

/* Any bit of the record or the signature: it is no record any more, or not believed. */
static void a_record_with_any_bit_flipped_is_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    say(&scene, RECORD_ROUND_CLOSED, "server", scene.trusts[0]);
    CHECK_EQUAL(why_not(&scene, buf_slice(&scene.bytes)), TRUST_N_REFUSALS);
    int believed = 0;
    for (size_t bit = 0; bit < 8 * scene.bytes.size; bit++) {
        struct record record;
        struct signature signature;
        enum trust_refusal refusal;
        scene.bytes.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        arena_reset(&scene.arena);
        believed +=
            signed_read(buf_slice(&scene.bytes), &scene.arena, &record, &signature, NULL) == ANB_OK &&
            signed_check(scene.reader, &record, buf_slice(&scene.bytes), &signature, now_s, &refusal, NULL) == ANB_OK;
        scene.bytes.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    CHECK_EQUAL(believed, 0);
    close_scene(&scene);
}

static void a_record_that_is_cut_anywhere_is_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    say(&scene, RECORD_ROUND_CLOSED, "server", scene.trusts[0]);
    for (size_t size = 0; size < scene.bytes.size; size++) {
        struct record record;
        struct signature signature;
        arena_reset(&scene.arena);
        CHECK(signed_read(slice_of(scene.bytes.data, size), &scene.arena, &record, &signature, NULL) != ANB_OK);
    }
    close_scene(&scene);
}

static void a_signature_fits_one_record_only(void)
{
    struct scene scene;
    struct buf other;
    open_scene(&scene);
    buf_init(&other, ARENA_BYTES);
    say(&scene, RECORD_NODE_DOWN, "server", scene.trusts[0]);
    CHECK_STATUS(buf_append(&other, buf_slice(&scene.bytes), &test_error), ANB_OK);
    say(&scene, RECORD_LEADER_CLAIMED, "server", scene.trusts[0]);
    memcpy(other.data + other.size - SIGNATURE_BYTES, scene.bytes.data + scene.bytes.size - SIGNATURE_BYTES,
           SIGNATURE_BYTES);
    CHECK_EQUAL(why_not(&scene, buf_slice(&other)), TRUST_BAD_SIGNATURE);
    buf_fini(&other);
    close_scene(&scene);
}

TEST_MAIN("signed", TEST(each_kind_is_said_by_its_roles_only), TEST(a_node_comes_up_and_pulses_in_a_role_that_it_has),
          TEST(every_kind_stands_in_the_table_of_rights), TEST(a_record_in_another_s_name_is_refused),
          TEST(a_user_says_nothing_in_the_log), TEST(a_record_with_any_bit_flipped_is_refused),
          TEST(a_record_that_is_cut_anywhere_is_refused), TEST(a_signature_fits_one_record_only))
