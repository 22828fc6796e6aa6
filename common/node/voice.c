#include "node/voice.h"

#include "crypto/aead.h"
#include "crypto/hkdf.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum label { LABEL_CONTROL, LABEL_TELEMETRY, N_LABELS };

static const char *const label_words[N_LABELS] = {"control", "telemetry"};

struct channel { /* of control records, or of telemetry */
    unsigned char key[AEAD_KEY_BYTES];
    struct aead *seal, *open; /* made when first needed */
    int64_t last_sealed;      /* sequence number */
};

struct voice {
    unsigned char key[VOICE_KEY_BYTES];
    struct digest commitment;
    pthread_mutex_t lock; /* guards the channels */
    struct channel channels[N_LABELS];
};

/* -- keys */

/* label | 0 | project | 0 | node | 0 | incarnation: names hold no NUL, so no two places give the same bytes. */
static enum anb_status write_place(const struct voice_place *place, const char *label, struct buf *out,
                                   struct anb_error *err)
{
    unsigned char number[8];
    const char *const texts[] = {label, place->project, place->node};
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < sizeof texts / sizeof *texts; i++)
        status = buf_append(out, slice_of(texts[i], strlen(texts[i]) + 1), err);
    for (int i = 0; i < 8; i++) number[i] = (unsigned char)((uint64_t)place->incarnation >> (56 - 8 * i));
    return status == ANB_OK ? buf_append(out, slice_of(number, sizeof number), err) : status;
}

static enum anb_status derive(struct hkdf *hkdf, const unsigned char extracted[HKDF_BYTES],
                              const struct voice_place *place, const char *label, void *out, struct anb_error *err)
{
    struct buf info;
    buf_init(&info, 256);
    enum anb_status status = write_place(place, label, &info, err);
    if (status == ANB_OK) status = hkdf_expand(hkdf, extracted, buf_slice(&info), out, HKDF_BYTES, err);
    buf_fini(&info);
    return status;
}

static enum anb_status derive_all(struct voice *voice, const struct voice_place *place, struct anb_error *err)
{
    unsigned char extracted[HKDF_BYTES];
    struct hkdf *hkdf = hkdf_new();
    if (!hkdf) return anb_fail(err, ANB_NO_MEMORY, "no memory for a voice");
    enum anb_status status =
        hkdf_extract(hkdf, slice_of_text("anabranch voice"), slice_of(voice->key, sizeof voice->key), extracted, err);
    for (int i = 0; status == ANB_OK && i < N_LABELS; i++)
        status = derive(hkdf, extracted, place, label_words[i], voice->channels[i].key, err);
    if (status == ANB_OK) status = derive(hkdf, extracted, place, "commitment", voice->commitment.bytes, err);
    key_wipe(extracted, sizeof extracted);
    hkdf_free(hkdf);
    return status;
}

enum anb_status voice_new(const struct voice_place *place, const unsigned char key[VOICE_KEY_BYTES], struct voice **out,
                          struct anb_error *err)
{
    struct voice *voice = calloc(1, sizeof *voice);
    if (!voice) return anb_fail(err, ANB_NO_MEMORY, "no memory for a voice");
    pthread_mutex_init(&voice->lock, NULL);
    memcpy(voice->key, key, VOICE_KEY_BYTES);
    enum anb_status status = derive_all(voice, place, err);
    if (status == ANB_OK)
        *out = voice;
    else
        voice_free(voice);
    return status;
}

enum anb_status voice_make(const struct voice_place *place, struct voice **voice, struct anb_error *err)
{
    struct id random[VOICE_KEY_BYTES / ID_BYTES] = {{{0}}};
    unsigned char key[VOICE_KEY_BYTES];
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < sizeof random / sizeof *random; i++) status = id_random(&random[i], err);
    memcpy(key, random, sizeof key);
    if (status == ANB_OK) status = voice_new(place, key, voice, err);
    key_wipe(random, sizeof random);
    key_wipe(key, sizeof key);
    return status;
}

void voice_free(struct voice *voice)
{
    if (!voice) return;
    for (int i = 0; i < N_LABELS; i++) {
        aead_free(voice->channels[i].seal);
        aead_free(voice->channels[i].open);
    }
    pthread_mutex_destroy(&voice->lock);
    key_wipe(voice, sizeof *voice);
    free(voice);
}

const struct digest *voice_commitment(const struct voice *voice)
{
    return &voice->commitment;
}

void voice_replace(struct voice *voice, struct voice *next)
{
    pthread_mutex_lock(&voice->lock);
    for (int i = 0; i < N_LABELS; i++) {
        struct channel former = voice->channels[i];
        voice->channels[i] = next->channels[i];
        next->channels[i] = former; /* wiped with `next` */
        key_wipe(&former, sizeof former);
    }
    memcpy(voice->key, next->key, sizeof voice->key);
    voice->commitment = next->commitment;
    pthread_mutex_unlock(&voice->lock);
    voice_free(next);
}

/* -- wraps */

/* Binds a wrap to its place; a digest, since a sealer's info is short. */
static enum anb_status wrap_info(const struct voice_place *place, struct digest *info, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, 256);
    enum anb_status status = write_place(place, "anabranch voice", &text, err);
    if (status == ANB_OK) status = digest_of(buf_slice(&text), info, err);
    buf_fini(&text);
    return status;
}

_Static_assert(sizeof(struct wrap) == VOICE_KEY_BYTES + SEAL_OVERHEAD_BYTES, "a wrap holds just a key");

enum anb_status voice_wrap(const struct voice *voice, const struct voice_place *place, const struct key *receiver,
                           struct wrap *wrap, struct anb_error *err)
{
    struct digest info;
    enum anb_status status = wrap_info(place, &info, err);
    if (status != ANB_OK) return status;
    struct sealer *sealer = sealer_new();
    if (!sealer) return anb_fail(err, ANB_NO_MEMORY, "no memory for a voice");
    status = seal_bytes(sealer, receiver, slice_of(info.bytes, sizeof info.bytes),
                        slice_of(voice->key, sizeof voice->key), wrap->bytes, err);
    sealer_free(sealer);
    return status;
}

static enum anb_status open_wrap(const struct voice_place *place, const struct key *receiver, const struct wrap *wrap,
                                 unsigned char key[VOICE_KEY_BYTES], struct anb_error *err)
{
    struct digest info;
    enum anb_status status = wrap_info(place, &info, err);
    if (status != ANB_OK) return status;
    struct sealer *sealer = sealer_new();
    if (!sealer) return anb_fail(err, ANB_NO_MEMORY, "no memory for a voice");
    status = seal_open(sealer, receiver, slice_of(info.bytes, sizeof info.bytes),
                       slice_of(wrap->bytes, sizeof wrap->bytes), key, err);
    sealer_free(sealer);
    return status;
}

enum anb_status voice_unwrap(const struct voice_place *place, const struct digest *commitment,
                             const struct key *receiver, const struct wrap *wrap, struct voice **out,
                             struct anb_error *err)
{
    unsigned char key[VOICE_KEY_BYTES];
    struct voice *voice = NULL;
    enum anb_status status = open_wrap(place, receiver, wrap, key, err);
    if (status == ANB_OK) status = voice_new(place, key, &voice, err);
    key_wipe(key, sizeof key);
    if (status == ANB_OK && !digest_equal(&voice->commitment, commitment))
        status = anb_fail(err, ANB_DENIED, "%s gives another voice than the one it has announced", place->node);
    if (status == ANB_OK)
        *out = voice;
    else
        voice_free(voice);
    return status;
}

/* -- records */

static struct channel *channel_of(struct voice *voice, const struct record *record)
{
    return &voice->channels[record->kind == RECORD_TELEMETRY ? LABEL_TELEMETRY : LABEL_CONTROL];
}

static void write_nonce(int64_t sequence, unsigned char nonce[AEAD_NONCE_BYTES])
{
    memset(nonce, 0, AEAD_NONCE_BYTES);
    for (int i = 0; i < 8; i++) nonce[AEAD_NONCE_BYTES - 1 - i] = (unsigned char)((uint64_t)sequence >> 8 * i);
}

/* What is said stands at the end of the encoded record, with room for its tag: sealed where it is. */
static enum anb_status seal_tail(struct channel *channel, int64_t sequence, unsigned char *bytes, size_t size,
                                 size_t said_bytes, struct anb_error *err)
{
    unsigned char nonce[AEAD_NONCE_BYTES], *said = bytes + size - said_bytes;
    size_t plain_bytes = said_bytes - VOICE_OVERHEAD_BYTES;
    if (sequence <= channel->last_sealed)
        return anb_fail(err, ANB_FATAL, "record %lld comes after record %lld: nothing is sealed twice under a number",
                        (long long)sequence, (long long)channel->last_sealed);
    enum anb_status status = channel->seal ? ANB_OK : aead_new(channel->key, AEAD_SEAL, &channel->seal, err);
    if (status != ANB_OK) return status;
    channel->last_sealed = sequence;
    write_nonce(sequence, nonce);
    return aead_seal(channel->seal, nonce, slice_of(bytes, size - said_bytes), said, plain_bytes, said + plain_bytes,
                     err);
}

/* `inner` is what is said and room for the tag. */
static enum anb_status write_sealed(struct channel *channel, struct record *record, struct slice inner, struct buf *out,
                                    struct anb_error *err)
{
    size_t before = out->size;
    struct slice *said = record_said(record);
    *said = inner;
    enum anb_status status = wire_encode(record, out, err);
    *said = slice_of(NULL, 0);
    if (status == ANB_OK)
        status =
            seal_tail(channel, record_head(record)->sequence, out->data + before, out->size - before, inner.size, err);
    if (status != ANB_OK) out->size = before;
    return status;
}

enum anb_status voice_write(struct voice *voice, struct record *record, struct buf *out, struct anb_error *err)
{
    static const unsigned char room[VOICE_OVERHEAD_BYTES];
    struct buf inner;
    if (!record_said(record)) return wire_encode(record, out, err);
    buf_init(&inner, CONTROL_RECORD_MAX_BYTES);
    enum anb_status status = said_encode(record, &inner, err);
    if (status == ANB_OK) status = buf_append(&inner, slice_of(room, sizeof room), err);
    if (status == ANB_OK) {
        struct channel *channel = channel_of(voice, record);
        pthread_mutex_lock(&voice->lock);
        if (record->kind == RECORD_TELEMETRY) record_head(record)->sequence = channel->last_sealed + 1;
        status = write_sealed(channel, record, buf_slice(&inner), out, err);
        pthread_mutex_unlock(&voice->lock);
    }
    buf_fini(&inner);
    return status;
}

/* Decrypts in the arena's copy of what was said, which is filled anew: another voice may have been tried before. */
static enum anb_status open_tail(struct voice *voice, struct slice bytes, const struct record *record,
                                 struct slice said, struct anb_error *err)
{
    unsigned char nonce[AEAD_NONCE_BYTES], *sealed = (unsigned char *)(uintptr_t)said.data;
    size_t plain_bytes = said.size - VOICE_OVERHEAD_BYTES;
    struct channel *channel = channel_of(voice, record);
    memcpy(sealed, (const unsigned char *)bytes.data + bytes.size - said.size, said.size);
    write_nonce(record_head_const(record)->sequence, nonce);
    pthread_mutex_lock(&voice->lock);
    enum anb_status status = channel->open ? ANB_OK : aead_new(channel->key, AEAD_OPEN, &channel->open, err);
    if (status == ANB_OK)
        status = aead_open(channel->open, nonce, slice_of(bytes.data, bytes.size - said.size), sealed, plain_bytes,
                           sealed + plain_bytes, err);
    pthread_mutex_unlock(&voice->lock);
    return status;
}

enum anb_status voice_hear(struct voice *voice, struct slice bytes, struct arena *arena, struct record *record,
                           struct anb_error *err)
{
    const struct slice *place = record_said(record);
    if (!place) return ANB_OK;
    const char *node = record_head(record)->node;
    if (place->size < VOICE_OVERHEAD_BYTES || place->size > bytes.size)
        return anb_fail(err, ANB_CORRUPT, "what %.64s says is cut off", node);
    enum anb_status status = open_tail(voice, bytes, record, *place, err);
    if (status == ANB_CORRUPT)
        return anb_fail(err, ANB_CORRUPT, "what %.64s says was altered, or said elsewhere", node);
    if (status != ANB_OK) return status;
    return said_decode(slice_of(place->data, place->size - VOICE_OVERHEAD_BYTES), arena, record, err);
}
