/* Keys of streams between two nodes: who gets a wrap, and what a sender can do wrong with one. */
#include "node/envelope.h"

#include "base/log.h"
#include "bus/memory.h"
#include "crypto/seal.h"
#include "support/identity.h"
#include "support/test.h"

#include <string.h>

struct party {
    struct node_trust *trust;
    struct bus *bus;
    struct node *node;
};

struct scene {
    struct identities *project;
    struct memory_log *log;
    struct party server, aggregator;
    struct stream_opened opened;
    struct sealed_key sealed;
};

static const struct job_spec any = {.n_site_names = 0};

static void open_party(struct scene *scene, struct party *party, const char *name, enum role role)
{
    const struct bus_topic outbox = {.partitions = 1,
                                     .retention_ms = -1,
                                     .retention_bytes = -1,
                                     .name = role == ROLE_SERVER ? "p.out.server" : "p.out.aggregator"};
    party->trust = identities_trust(scene->project, name);
    const struct node_config config = {.project = "p",
                                       .name = name,
                                       .role = role,
                                       .trust = party->trust,
                                       .version = "1",
                                       .partitions = 1,
                                       .timeout_ms = 5000};
    CHECK_STATUS(bus_memory_open(scene->log, &party->bus, &test_error), ANB_OK);
    CHECK_STATUS(bus_topic_ensure(party->bus, &outbox, 1000, &test_error), ANB_OK);
    CHECK_STATUS(node_open(&config, party->bus, &party->node, &test_error), ANB_OK);
    REQUIRE(party->node != NULL);
}

static void seal(struct scene *scene)
{
    static int32_t partition = 0;
    static int64_t offset = 0;
    scene->opened = (struct stream_opened){.job = "00000000000000a1",
                                           .round = -1,
                                           .purpose = PURPOSE_MODEL,
                                           .chunk_bytes = 100,
                                           .chunk_count = 2,
                                           .partitions = &partition,
                                           .n_partitions = 1,
                                           .start_offsets = &offset,
                                           .n_start_offsets = 1};
    CHECK_STATUS(id_random(&scene->opened.stream, &test_error), ANB_OK);
    CHECK_STATUS(envelope_seal(scene->server.node, &scene->opened, &any, &scene->sealed, &test_error), ANB_OK);
}

static void open_scene(struct scene *scene)
{
    log_setup("test", LOG_ERROR);
    *scene = (struct scene){.project = identities_new("p"), .log = memory_log_new(NULL, NULL, 1)};
    identities_add(scene->project, "server", 1 << ROSTER_SERVER);
    identities_add(scene->project, "aggregator", 1 << ROSTER_AGGREGATOR);
    identities_add(scene->project, "site-1", 1 << ROSTER_SITE);
    identities_add(scene->project, "both", 1 << ROSTER_SITE | 1 << ROSTER_AGGREGATOR);
    identities_sign(scene->project);
    open_party(scene, &scene->server, "server", ROLE_SERVER);
    open_party(scene, &scene->aggregator, "aggregator", ROLE_AGGREGATOR);
    seal(scene);
}

static void close_party(struct party *party)
{
    node_close(party->node, NULL);
    bus_close(party->bus, 1000);
    node_trust_free(party->trust);
}

static void close_scene(struct scene *scene)
{
    sealed_key_fini(&scene->sealed);
    close_party(&scene->aggregator);
    close_party(&scene->server);
    memory_log_free(scene->log);
    identities_free(scene->project);
}

static const struct receiver *receiver_of(const struct stream_opened *opened, const char *node)
{
    for (size_t i = 0; i < opened->n_receivers; i++)
        if (strcmp(opened->receivers[i].node, node) == 0) return &opened->receivers[i];
    return NULL;
}

/* The stream as the aggregator's state has it. */
static struct stream_state as_received(const struct scene *scene)
{
    const struct stream_opened *opened = &scene->opened;
    struct stream_state stream = {.id = opened->stream,
                                  .sender = "server",
                                  .purpose = opened->purpose,
                                  .round = opened->round,
                                  .chunk_count = opened->chunk_count,
                                  .commitment = opened->key_commitment,
                                  .wrap = receiver_of(opened, "aggregator")->wrap};
    struct stream_envelope envelope;
    CHECK_STATUS(stream_envelope_of(opened, &envelope, &test_error), ANB_OK);
    stream.core = envelope.core;
    return stream;
}

static enum anb_status try_open(struct scene *scene, const struct stream_state *stream)
{
    struct stream_cipher *cipher = NULL;
    enum anb_status status = envelope_open(scene->aggregator.node, stream, &cipher, &test_error);
    stream_cipher_free(cipher);
    return status;
}

static long long counted(struct scene *scene, enum stream_refusal refusal)
{
    return atomic_load(&node_stream_refusals(scene->aggregator.node)->counts[refusal]);
}

static void every_receiver_of_the_roster_gets_one_wrap(void)
{
    struct scene scene;
    open_scene(&scene);
    CHECK_EQUAL(scene.opened.n_receivers, 4);
    CHECK(receiver_of(&scene.opened, "server") && receiver_of(&scene.opened, "site-1"));
    CHECK(receiver_of(&scene.opened, "aggregator") && receiver_of(&scene.opened, "both"));
    CHECK_EQUAL(scene.opened.roster_version, 1);
    close_scene(&scene);
}

static void what_was_sealed_for_this_node_opens(void)
{
    struct scene scene;
    open_scene(&scene);
    struct stream_state stream = as_received(&scene);
    CHECK_EQUAL(try_open(&scene, &stream), ANB_OK);
    close_scene(&scene);
}

static void a_missing_or_foreign_wrap_is_asked_for(void)
{
    struct scene scene;
    open_scene(&scene);
    struct stream_state stream = as_received(&scene);
    stream.wrap = (struct wrap){{0}};
    CHECK_EQUAL(try_open(&scene, &stream), ANB_AGAIN);
    stream.wrap = receiver_of(&scene.opened, "site-1")->wrap;
    CHECK_EQUAL(try_open(&scene, &stream), ANB_AGAIN);
    close_scene(&scene);
}

static void a_wrap_that_was_given_and_does_not_open_is_refused_and_counted(void)
{
    struct scene scene;
    open_scene(&scene);
    struct stream_state stream = as_received(&scene);
    stream.n_given = 1;
    stream.wrap.bytes[100] ^= 1;
    CHECK_EQUAL(try_open(&scene, &stream), ANB_CORRUPT);
    stream = as_received(&scene);
    stream.n_given = 1;
    stream.core.bytes[0] ^= 1; /* a wrap of another record */
    CHECK_EQUAL(try_open(&scene, &stream), ANB_CORRUPT);
    CHECK_EQUAL(counted(&scene, STREAM_REFUSED_BAD_WRAP), 2);
    close_scene(&scene);
}

/* A sender that wants this receiver to see another model seals another key for it. */
static void a_key_that_the_stream_is_not_committed_to_is_refused_and_counted(void)
{
    struct scene scene;
    struct key_point point;
    struct key *receiver = NULL;
    unsigned char other[STREAM_KEY_BYTES] = {1};
    open_scene(&scene);
    struct stream_state stream = as_received(&scene);
    struct sealer *sealer = sealer_new();
    CHECK_STATUS(node_trust_seal_key(scene.server.trust, "aggregator", 1000000, &point, &test_error), ANB_OK);
    CHECK_STATUS(key_of_point(&point, &receiver, &test_error), ANB_OK);
    CHECK_STATUS(seal_bytes(sealer, receiver, slice_of(stream.core.bytes, DIGEST_BYTES), slice_of(other, sizeof other),
                            stream.wrap.bytes, &test_error),
                 ANB_OK);
    CHECK_EQUAL(try_open(&scene, &stream), ANB_CORRUPT);
    CHECK_EQUAL(counted(&scene, STREAM_REFUSED_BAD_COMMITMENT), 1);
    key_free(receiver);
    sealer_free(sealer);
    close_scene(&scene);
}

TEST_MAIN("envelope", TEST(every_receiver_of_the_roster_gets_one_wrap), TEST(what_was_sealed_for_this_node_opens),
          TEST(a_missing_or_foreign_wrap_is_asked_for),
          TEST(a_wrap_that_was_given_and_does_not_open_is_refused_and_counted),
          TEST(a_key_that_the_stream_is_not_committed_to_is_refused_and_counted))
