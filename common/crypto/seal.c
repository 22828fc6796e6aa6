/* The names of RFC 9180 in the comments: Encap and Decap make the shared secret, KeySchedule the key and nonce. */
#include "crypto/seal.h"

#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "crypto/openssl.h"
#include "crypto/seal_private.h"

#include <stdlib.h>
#include <string.h>

enum { LABELED_BYTES = 256, SHARED_BYTES = 32, CONTEXT_BYTES = 1 + 2 * HKDF_BYTES };
static const char kem_suite[] = "KEM\x00\x10", suite[] = "HPKE\x00\x10\x00\x01\x00\x02";
#define KEM_SUITE slice_of(kem_suite, sizeof kem_suite - 1)
#define SUITE slice_of(suite, sizeof suite - 1)

struct sealer {
    struct hkdf *hkdf;
    unsigned char psk_id_hash[HKDF_BYTES]; /* of the empty one: the same for all */
};

/* -- labelled steps */

static void put(unsigned char *to, size_t *used, struct slice bytes)
{
    if (bytes.size > 0) memcpy(to + *used, bytes.data, bytes.size);
    *used += bytes.size;
}

/* LabeledExtract(salt, label, ikm): "HPKE-v1" | suite | label | ikm */
static enum anb_status extract(struct sealer *sealer, struct slice salt, struct slice suite_id, const char *label,
                               struct slice secret, unsigned char out[HKDF_BYTES], struct anb_error *err)
{
    unsigned char labelled[LABELED_BYTES];
    size_t used = 0;
    put(labelled, &used, slice_of_text("HPKE-v1"));
    put(labelled, &used, suite_id);
    put(labelled, &used, slice_of_text(label));
    put(labelled, &used, secret);
    enum anb_status status = hkdf_extract(sealer->hkdf, salt, slice_of(labelled, used), out, err);
    key_wipe(labelled, used);
    return status;
}

/* LabeledExpand(prk, label, info, L): I2OSP(L, 2) | "HPKE-v1" | suite | label | info */
static enum anb_status expand(struct sealer *sealer, const unsigned char prk[HKDF_BYTES], struct slice suite_id,
                              const char *label, struct slice info, unsigned char *out, size_t size,
                              struct anb_error *err)
{
    unsigned char labelled[LABELED_BYTES] = {(unsigned char)(size >> 8), (unsigned char)size};
    size_t used = 2;
    put(labelled, &used, slice_of_text("HPKE-v1"));
    put(labelled, &used, suite_id);
    put(labelled, &used, slice_of_text(label));
    put(labelled, &used, info);
    return hkdf_expand(sealer->hkdf, prk, slice_of(labelled, used), out, size, err);
}

struct sealer *sealer_new(void)
{
    struct sealer *sealer = calloc(1, sizeof *sealer);
    if (!sealer) return NULL;
    sealer->hkdf = hkdf_new();
    if (sealer->hkdf && extract(sealer, slice_of(NULL, 0), SUITE, "psk_id_hash", slice_of(NULL, 0), sealer->psk_id_hash,
                                NULL) == ANB_OK)
        return sealer;
    sealer_free(sealer);
    return NULL;
}

void sealer_free(struct sealer *sealer)
{
    if (!sealer) return;
    hkdf_free(sealer->hkdf);
    free(sealer);
}

/* -- Encap and Decap */

static enum anb_status agree(const struct key *own, const struct key *other, unsigned char out[SHARED_BYTES],
                             struct anb_error *err)
{
    size_t size = SHARED_BYTES;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own->evp, NULL);
    bool done = context && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, other->evp) == 1 &&
                EVP_PKEY_derive(context, out, &size) == 1 && size == SHARED_BYTES;
    EVP_PKEY_CTX_free(context);
    return done ? ANB_OK : crypto_fail(err, ANB_FATAL, "cannot agree on a secret");
}

static enum anb_status share(struct sealer *sealer, const struct key *own, const struct key *other,
                             const struct key_point *ephemeral, const struct key_point *receiver,
                             unsigned char shared[SHARED_BYTES], struct anb_error *err)
{
    unsigned char secret[SHARED_BYTES], prk[HKDF_BYTES], context[2 * KEY_POINT_BYTES];
    memcpy(context, ephemeral->bytes, KEY_POINT_BYTES);
    memcpy(context + KEY_POINT_BYTES, receiver->bytes, KEY_POINT_BYTES);
    enum anb_status status = agree(own, other, secret, err);
    if (status == ANB_OK)
        status = extract(sealer, slice_of(NULL, 0), KEM_SUITE, "eae_prk", slice_of(secret, sizeof secret), prk, err);
    if (status == ANB_OK)
        status = expand(sealer, prk, KEM_SUITE, "shared_secret", slice_of(context, sizeof context), shared,
                        SHARED_BYTES, err);
    key_wipe(secret, sizeof secret);
    key_wipe(prk, sizeof prk);
    return status;
}

/* -- KeySchedule, and the first message of its context */

struct schedule {
    unsigned char key[AEAD_KEY_BYTES], nonce[AEAD_NONCE_BYTES];
};

/* info_hash, for which `info` may be longer than a labelled text has room */
static enum anb_status hash_info(struct sealer *sealer, struct slice info, unsigned char out[HKDF_BYTES],
                                 struct anb_error *err)
{
    if (info.size <= SEAL_INFO_MAX_BYTES) return extract(sealer, slice_of(NULL, 0), SUITE, "info_hash", info, out, err);
    return anb_fail(err, ANB_TOO_LARGE, "the place of sealed bytes has at most %d bytes", SEAL_INFO_MAX_BYTES);
}

static enum anb_status schedule(struct sealer *sealer, const unsigned char shared[SHARED_BYTES], struct slice info,
                                struct schedule *out, struct anb_error *err)
{
    unsigned char secret[HKDF_BYTES], context[CONTEXT_BYTES] = {0}; /* mode_base */
    memcpy(context + 1, sealer->psk_id_hash, HKDF_BYTES);
    const struct slice all = slice_of(context, sizeof context);
    enum anb_status status = hash_info(sealer, info, context + 1 + HKDF_BYTES, err);
    if (status == ANB_OK)
        status = extract(sealer, slice_of(shared, SHARED_BYTES), SUITE, "secret", slice_of(NULL, 0), secret, err);
    if (status == ANB_OK) status = expand(sealer, secret, SUITE, "key", all, out->key, sizeof out->key, err);
    if (status == ANB_OK) status = expand(sealer, secret, SUITE, "base_nonce", all, out->nonce, sizeof out->nonce, err);
    key_wipe(secret, sizeof secret);
    return status;
}

static enum anb_status encrypt(const struct schedule *schedule, struct slice associated, unsigned char *bytes,
                               size_t size, struct anb_error *err)
{
    struct aead *aead = NULL;
    enum anb_status status = aead_new(schedule->key, AEAD_SEAL, &aead, err);
    if (status == ANB_OK) status = aead_seal(aead, schedule->nonce, associated, bytes, size, bytes + size, err);
    aead_free(aead);
    return status;
}

static enum anb_status decrypt(const struct schedule *schedule, struct slice associated, unsigned char *bytes,
                               size_t size, const unsigned char *tag, struct anb_error *err)
{
    struct aead *aead = NULL;
    enum anb_status status = aead_new(schedule->key, AEAD_OPEN, &aead, err);
    if (status == ANB_OK) status = aead_open(aead, schedule->nonce, associated, bytes, size, tag, err);
    aead_free(aead);
    return status;
}

/* -- seal */

enum anb_status seal_with(struct sealer *sealer, const struct key *ephemeral, const struct key *receiver,
                          struct slice info, struct slice associated, struct slice plain, unsigned char *out,
                          struct anb_error *err)
{
    struct key_point own, other;
    unsigned char shared[SHARED_BYTES];
    struct schedule keys;
    if (plain.size > SEAL_MAX_BYTES)
        return anb_fail(err, ANB_TOO_LARGE, "at most %d bytes are sealed at once", SEAL_MAX_BYTES);
    enum anb_status status = key_point(ephemeral, &own, err);
    if (status == ANB_OK) status = key_point(receiver, &other, err);
    if (status == ANB_OK) status = share(sealer, ephemeral, receiver, &own, &other, shared, err);
    if (status == ANB_OK) status = schedule(sealer, shared, info, &keys, err);
    if (status == ANB_OK) {
        memcpy(out, own.bytes, KEY_POINT_BYTES);
        if (plain.size > 0) memcpy(out + KEY_POINT_BYTES, plain.data, plain.size);
        status = encrypt(&keys, associated, out + KEY_POINT_BYTES, plain.size, err);
    }
    key_wipe(shared, sizeof shared);
    key_wipe(&keys, sizeof keys);
    return status;
}

enum anb_status seal_bytes(struct sealer *sealer, const struct key *receiver, struct slice info, struct slice plain,
                           unsigned char *out, struct anb_error *err)
{
    struct key *ephemeral = NULL;
    enum anb_status status = key_make(&ephemeral, err);
    if (status == ANB_OK) status = seal_with(sealer, ephemeral, receiver, info, slice_of(NULL, 0), plain, out, err);
    key_free(ephemeral);
    return status;
}

/* -- open */

static enum anb_status open_with(struct sealer *sealer, const struct key *receiver, const struct key *ephemeral,
                                 const struct key_point *point, struct slice info, struct schedule *keys)
{
    struct key_point own;
    unsigned char shared[SHARED_BYTES];
    enum anb_status status = key_point(receiver, &own, NULL);
    if (status == ANB_OK) status = share(sealer, receiver, ephemeral, point, &own, shared, NULL);
    if (status == ANB_OK) status = schedule(sealer, shared, info, keys, NULL);
    key_wipe(shared, sizeof shared);
    return status;
}

enum anb_status seal_open_with(struct sealer *sealer, const struct key *receiver, struct slice info,
                               struct slice associated, struct slice sealed, unsigned char *out, struct anb_error *err)
{
    const unsigned char *bytes = sealed.data;
    struct key_point point;
    struct key *ephemeral = NULL;
    struct schedule keys = {{0}, {0}};
    enum anb_status status = ANB_INVALID;
    if (sealed.size >= SEAL_OVERHEAD_BYTES && sealed.size <= SEAL_MAX_BYTES + SEAL_OVERHEAD_BYTES) {
        size_t size = sealed.size - SEAL_OVERHEAD_BYTES;
        memcpy(point.bytes, bytes, KEY_POINT_BYTES);
        status = key_of_point(&point, &ephemeral, NULL);
        if (status == ANB_OK) status = open_with(sealer, receiver, ephemeral, &point, info, &keys);
        if (status == ANB_OK && size > 0) memcpy(out, bytes + KEY_POINT_BYTES, size);
        if (status == ANB_OK) status = decrypt(&keys, associated, out, size, bytes + KEY_POINT_BYTES + size, NULL);
    }
    key_free(ephemeral);
    key_wipe(&keys, sizeof keys);
    return status == ANB_OK ? ANB_OK : anb_fail(err, ANB_DENIED, "sealed bytes cannot be opened with this key");
}

enum anb_status seal_open(struct sealer *sealer, const struct key *receiver, struct slice info, struct slice sealed,
                          unsigned char *out, struct anb_error *err)
{
    return seal_open_with(sealer, receiver, info, slice_of(NULL, 0), sealed, out, err);
}
