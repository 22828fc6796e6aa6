#include "node/envelope.h"

#include "base/log.h"
#include "crypto/keystream.h"
#include "crypto/seal.h"
#include "job/receivers.h"
#include "node/node_private.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct wrap) == STREAM_KEY_BYTES + SEAL_OVERHEAD_BYTES, "a wrap is a sealed key");

static int64_t now_s(struct node *node)
{
    return bus_now_ms(node->bus) / 1000;
}

/* -- who */

struct listing {
    const struct stream_audience *audience;
    struct sealed_key *sealed;
    size_t n, room;
    enum roster_role role; /* whose members are being visited */
    bool no_memory;
};

static const enum role roles_of_nodes[] = {
    [ROSTER_SERVER] = ROLE_SERVER, [ROSTER_AGGREGATOR] = ROLE_AGGREGATOR, [ROSTER_SITE] = ROLE_CLIENT};

static bool was_listed(const struct listing *listing, const struct roster_member *member)
{
    for (enum roster_role role = ROSTER_SERVER; role < listing->role; role++)
        if (roster_has_role(member, role) && stream_is_for(listing->audience, roles_of_nodes[role], member->name))
            return true;
    return false;
}

static void list_member(const struct roster_member *member, void *context)
{
    struct listing *listing = context;
    if (!stream_is_for(listing->audience, roles_of_nodes[listing->role], member->name) || was_listed(listing, member))
        return;
    if (listing->n == listing->room) {
        size_t room = listing->room ? 2 * listing->room : 16;
        void *names = realloc(listing->sealed->names, room * sizeof *listing->sealed->names);
        if (names) listing->sealed->names = names;
        listing->no_memory |= !names;
        if (!names) return;
        listing->room = room;
    }
    memcpy(listing->sealed->names[listing->n++], member->name, sizeof member->name);
}

/* The names of all receivers into sealed->names. */
static enum anb_status list_receivers(struct node *node, const struct stream_opened *opened,
                                      const struct job_spec *spec, struct sealed_key *sealed, size_t *n,
                                      struct anb_error *err)
{
    struct stream_audience audience;
    struct listing listing = {.audience = &audience, .sealed = sealed};
    const struct job_state *job = federation_job(node_lock(node), opened->job);
    audience = stream_audience_of(opened->purpose, node->name, job);
    if (!audience.spec) audience.spec = spec;
    for (listing.role = ROSTER_SERVER; listing.role <= ROSTER_SITE; listing.role++)
        node_trust_each(node->trust, listing.role, list_member, &listing);
    node_unlock(node);
    *n = listing.n;
    return listing.no_memory ? anb_fail(err, ANB_NO_MEMORY, "no memory for a stream's receivers") : ANB_OK;
}

/* -- wraps */

struct wrapping { /* one key for some nodes */
    struct node *node;
    struct sealer *sealer;
    const struct stream_key *key;
    const struct digest *core;
};

static enum anb_status wrap_key(const struct wrapping *wrapping, const char *name, struct wrap *wrap,
                                struct anb_error *err)
{
    struct key_point point;
    struct key *receiver = NULL;
    struct node *node = wrapping->node;
    enum anb_status status = node_trust_seal_key(node->trust, name, now_s(node), &point, err);
    if (status == ANB_OK) status = key_of_point(&point, &receiver, err);
    if (status == ANB_OK)
        status = seal_bytes(wrapping->sealer, receiver, slice_of(wrapping->core->bytes, DIGEST_BYTES),
                            slice_of(wrapping->key->bytes, STREAM_KEY_BYTES), wrap->bytes, err);
    key_free(receiver);
    return status;
}

static enum anb_status unwrap_key(struct node *node, const struct stream_state *stream, struct stream_key *key,
                                  struct anb_error *err)
{
    struct sealer *sealer = sealer_new();
    if (!sealer) return anb_fail(err, ANB_NO_MEMORY, "no memory for a key");
    enum anb_status status =
        seal_open(sealer, node_trust_own_encryption(node->trust), slice_of(stream->core.bytes, DIGEST_BYTES),
                  slice_of(stream->wrap.bytes, sizeof stream->wrap.bytes), key->bytes, err);
    sealer_free(sealer);
    return status;
}

static enum anb_status wrap_for_all(const struct wrapping *wrapping, struct sealed_key *sealed, size_t n,
                                    struct stream_opened *opened, struct anb_error *err)
{
    opened->receivers = sealed->receivers = calloc(n, sizeof *sealed->receivers);
    opened->n_receivers = 0;
    if (!sealed->receivers) return anb_fail(err, ANB_NO_MEMORY, "no memory for a stream's receivers");
    for (size_t i = 0; i < n; i++) {
        struct receiver *receiver = &sealed->receivers[opened->n_receivers];
        struct anb_error why;
        receiver->node = sealed->names[i];
        enum anb_status status = wrap_key(wrapping, receiver->node, &receiver->wrap, &why);
        if (status == ANB_DENIED && strcmp(receiver->node, wrapping->node->name) != 0) {
            log_event(LOG_WARN, "receiver-left-out", "node=%s job=%s reason=%s", receiver->node, opened->job, why.text);
            continue;
        }
        if (status != ANB_OK) return anb_fail(err, status, "%s", why.text);
        opened->n_receivers++;
    }
    return ANB_OK;
}

/* -- sending */

static enum anb_status seal_for_all(struct node *node, struct stream_opened *opened, const struct stream_key *key,
                                    const struct stream_envelope *envelope, const struct job_spec *spec,
                                    struct sealed_key *sealed, struct anb_error *err)
{
    size_t n = 0;
    struct wrapping wrapping = {node, sealer_new(), key, &envelope->core};
    enum anb_status status =
        wrapping.sealer ? ANB_OK : anb_fail(err, ANB_NO_MEMORY, "no memory for a stream's receivers");
    if (status == ANB_OK) status = list_receivers(node, opened, spec, sealed, &n, err);
    if (status == ANB_OK) status = wrap_for_all(&wrapping, sealed, n, opened, err);
    sealer_free(wrapping.sealer);
    return status;
}

enum anb_status envelope_seal(struct node *node, struct stream_opened *opened, const struct job_spec *spec,
                              struct sealed_key *sealed, struct anb_error *err)
{
    struct stream_key key;
    struct stream_envelope envelope;
    *sealed = (struct sealed_key){.cipher = NULL};
    opened->head = (struct head){.project = node->project, .node = node->name};
    opened->roster_version = node_trust_version(node->trust);
    enum anb_status status = random_bytes(key.bytes, sizeof key.bytes, err);
    if (status == ANB_OK) status = stream_envelope_of(opened, &envelope, err);
    if (status == ANB_OK) status = stream_commit(&key, &envelope, err);
    if (status == ANB_OK) status = stream_cipher_new(&envelope, &key, AEAD_SEAL, &sealed->cipher, err);
    if (status == ANB_OK) status = seal_for_all(node, opened, &key, &envelope, spec, sealed, err);
    if (status == ANB_OK) opened->key_commitment = envelope.commitment;
    key_wipe(&key, sizeof key);
    if (status != ANB_OK) sealed_key_fini(sealed);
    return status;
}

void sealed_key_fini(struct sealed_key *sealed)
{
    stream_cipher_free(sealed->cipher);
    free(sealed->receivers);
    free(sealed->names);
    *sealed = (struct sealed_key){.cipher = NULL};
}

/* -- receiving */

static bool has_wrap(const struct stream_state *stream)
{
    static const struct wrap none;
    return memcmp(&stream->wrap, &none, sizeof none) != 0;
}

static enum anb_status ask(struct node *node, const struct stream_state *stream, struct anb_error *err)
{
    struct record record = {.kind = RECORD_STREAM_KEY_ASKED, .is.stream_key_asked = {.stream = stream->id}};
    bool wait = stream->key_is_asked || node_is_behind(node);
    enum anb_status status = wait ? ANB_OK : node_append(node, &record, false, err);
    if (status != ANB_OK) return status;
    return anb_fail(err, ANB_AGAIN, "the key of the stream of %s was not sealed for this node yet", stream->sender);
}

static enum anb_status refuse_key(struct node *node, const struct stream_state *stream, enum stream_refusal reason,
                                  struct anb_error *err)
{
    stream_refusals_count(&node->stream_refusals, reason);
    return anb_fail(err, ANB_CORRUPT, "%s sealed for this node what is not the key of its stream (%s)", stream->sender,
                    stream_refusal_word(reason));
}

static enum anb_status make_cipher(struct node *node, const struct stream_state *stream, const struct stream_key *key,
                                   struct stream_cipher **cipher, struct anb_error *err)
{
    struct stream_envelope envelope = stream_envelope_make(&stream->id, stream->purpose, stream->round,
                                                           stream->chunk_count, &stream->core, &stream->commitment);
    enum anb_status status = stream_cipher_new(&envelope, key, AEAD_OPEN, cipher, err);
    return status == ANB_DENIED ? refuse_key(node, stream, STREAM_REFUSED_BAD_COMMITMENT, err) : status;
}

/* A wrap that does not open may have been made for a key that this node had before: it asks once. */
enum anb_status envelope_open(struct node *node, const struct stream_state *stream, struct stream_cipher **cipher,
                              struct anb_error *err)
{
    struct stream_key key;
    if (!has_wrap(stream)) return ask(node, stream, err);
    enum anb_status status = unwrap_key(node, stream, &key, err);
    if (status == ANB_DENIED && stream->n_given == 0) return ask(node, stream, err);
    if (status == ANB_DENIED) return refuse_key(node, stream, STREAM_REFUSED_BAD_WRAP, err);
    if (status == ANB_OK) status = make_cipher(node, stream, &key, cipher, err);
    key_wipe(&key, sizeof key);
    return status;
}

/* -- answering */

static enum anb_status give(struct node *node, const struct key_question *question, struct anb_error *err)
{
    struct stream_state stream;
    struct stream_key key;
    struct record record = {.kind = RECORD_STREAM_KEY_GIVEN,
                            .is.stream_key_given = {.stream = question->stream, .node = question->node}};
    struct wrapping wrapping = {node, sealer_new(), &key, &stream.core};
    enum anb_status status = wrapping.sealer ? ANB_OK : anb_fail(err, ANB_NO_MEMORY, "no memory for a key");
    if (status == ANB_OK) status = node_find_stream(node, &question->stream, &stream, err);
    if (status == ANB_OK) status = unwrap_key(node, &stream, &key, err);
    if (status == ANB_OK) status = wrap_key(&wrapping, question->node, &record.is.stream_key_given.wrap, err);
    if (status == ANB_OK) status = node_append(node, &record, false, err);
    key_wipe(&key, sizeof key);
    sealer_free(wrapping.sealer);
    return status;
}

/* The names of nodes live as long as the state. */
static bool take_question(struct node *node, struct key_question *question)
{
    node_lock(node);
    bool found = federation_key_question(node->federation, node->name, question);
    if (found) federation_key_answered(node->federation, question);
    node_unlock(node);
    return found;
}

void envelope_answer(struct node *node)
{
    struct key_question question;
    struct anb_error err;
    while (take_question(node, &question)) {
        enum anb_status status = give(node, &question, &err);
        log_event(status == ANB_OK ? LOG_INFO : LOG_WARN, status == ANB_OK ? "key-given" : "key-not-given",
                  "node=%s reason=%s", question.node, status == ANB_OK ? "asked" : err.text);
    }
}
