/* Keys come from HKDF-SHA256 with the stream's id as salt; each purpose's name is followed by the core, so that a key
 * that was wrapped for one record is of no use for another. Chunks follow the STREAM construction of V. T. Hoang, R.
 * Reyhanitabar, P. Rogaway and D. Vizar ("Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance",
 * 2015): the nonce holds the chunk's number and whether it is the last one.
 *
 * GCM's tag is no hash: who has the key can make another ciphertext with the same tag. So the closing digest covers the
 * chunks' bytes wherever somebody who may be hostile has the key: all but updates. It takes the digest of the plain
 * bytes, which for one key says as much as the digest of the ciphertext, since encryption with a given nonce is a
 * bijection, and which gives the model's digest in the same pass. It begins with a secret derived from the key, so that
 * nobody without the key can try guesses against it. */
#include "stream/cipher.h"

#include "crypto/hkdf.h"
#include "crypto/key.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

enum { NONCE_PREFIX_BYTES = 7, CLOSING_KEY_BYTES = 32, LABEL_MAX_BYTES = 16 };

_Static_assert(NONCE_PREFIX_BYTES + 4 + 1 == AEAD_NONCE_BYTES, "a nonce is prefix, index, final");

struct stream_cipher {
    struct stream_envelope envelope;
    struct aead *aead;
    unsigned char nonce_prefix[NONCE_PREFIX_BYTES];
    unsigned char closing_key[CLOSING_KEY_BYTES];
};

/* -- what a record promises */

struct stream_envelope stream_envelope_make(const struct id *stream, enum purpose purpose, int32_t round,
                                            int64_t chunk_count, const struct digest *core,
                                            const struct digest *commitment)
{
    return (struct stream_envelope){.stream = *stream,
                                    .core = *core,
                                    .commitment = *commitment,
                                    .chunk_count = chunk_count,
                                    .binds_content = purpose != PURPOSE_UPDATE,
                                    .tells_content = purpose == PURPOSE_MODEL && round >= 0};
}

enum anb_status stream_envelope_of(const struct stream_opened *opened, struct stream_envelope *envelope,
                                   struct anb_error *err)
{
    struct digest core;
    enum anb_status status = stream_core(opened, &core, err);
    if (status != ANB_OK) return status;
    *envelope = stream_envelope_make(&opened->stream, opened->purpose, opened->round, opened->chunk_count, &core,
                                     &opened->key_commitment);
    return ANB_OK;
}

/* -- keys */

struct schedule { /* one stream's secret and what is derived from it; wiped */
    struct hkdf *hkdf;
    const struct stream_envelope *envelope;
    unsigned char secret[HKDF_BYTES];
};

static enum anb_status schedule_begin(struct schedule *schedule, const struct stream_envelope *envelope,
                                      const struct stream_key *key, struct anb_error *err)
{
    *schedule = (struct schedule){.hkdf = hkdf_new(), .envelope = envelope};
    if (!schedule->hkdf) return anb_fail(err, ANB_NO_MEMORY, "no memory for a key");
    return hkdf_extract(schedule->hkdf, slice_of(envelope->stream.bytes, ID_BYTES),
                        slice_of(key->bytes, sizeof key->bytes), schedule->secret, err);
}

static enum anb_status derive(struct schedule *schedule, const char *label, void *out, size_t size,
                              struct anb_error *err)
{
    unsigned char info[LABEL_MAX_BYTES + DIGEST_BYTES];
    size_t n = strlen(label);
    memcpy(info, label, n);
    memcpy(info + n, schedule->envelope->core.bytes, DIGEST_BYTES);
    return hkdf_expand(schedule->hkdf, schedule->secret, slice_of(info, n + DIGEST_BYTES), out, size, err);
}

static void schedule_end(struct schedule *schedule)
{
    hkdf_free(schedule->hkdf);
    key_wipe(schedule, sizeof *schedule);
}

enum anb_status stream_commit(const struct stream_key *key, struct stream_envelope *envelope, struct anb_error *err)
{
    struct schedule schedule;
    enum anb_status status = schedule_begin(&schedule, envelope, key, err);
    if (status == ANB_OK) status = derive(&schedule, "commit", envelope->commitment.bytes, DIGEST_BYTES, err);
    schedule_end(&schedule);
    return status;
}

static enum anb_status check_commitment(struct schedule *schedule, struct anb_error *err)
{
    struct digest commitment;
    enum anb_status status = derive(schedule, "commit", commitment.bytes, DIGEST_BYTES, err);
    if (status != ANB_OK || digest_equal(&commitment, &schedule->envelope->commitment)) return status;
    return anb_fail(err, ANB_DENIED, "the key is not the one that the stream is committed to");
}

static enum anb_status derive_all(struct stream_cipher *cipher, struct schedule *schedule,
                                  enum aead_direction direction, struct anb_error *err)
{
    unsigned char key[AEAD_KEY_BYTES];
    enum anb_status status = check_commitment(schedule, err);
    if (status == ANB_OK) status = derive(schedule, "nonce", cipher->nonce_prefix, NONCE_PREFIX_BYTES, err);
    if (status == ANB_OK) status = derive(schedule, "closing", cipher->closing_key, CLOSING_KEY_BYTES, err);
    if (status == ANB_OK) status = derive(schedule, "chunk", key, sizeof key, err);
    if (status == ANB_OK) status = aead_new(key, direction, &cipher->aead, err);
    key_wipe(key, sizeof key);
    return status;
}

enum anb_status stream_cipher_new(const struct stream_envelope *envelope, const struct stream_key *key,
                                  enum aead_direction direction, struct stream_cipher **out, struct anb_error *err)
{
    struct schedule schedule;
    struct stream_cipher *cipher = calloc(1, sizeof *cipher);
    if (!cipher) return anb_fail(err, ANB_NO_MEMORY, "no memory for a key");
    cipher->envelope = *envelope;
    enum anb_status status = schedule_begin(&schedule, &cipher->envelope, key, err);
    if (status == ANB_OK) status = derive_all(cipher, &schedule, direction, err);
    schedule_end(&schedule);
    if (status == ANB_OK)
        *out = cipher;
    else
        stream_cipher_free(cipher);
    return status;
}

void stream_cipher_free(struct stream_cipher *cipher)
{
    if (!cipher) return;
    aead_free(cipher->aead);
    key_wipe(cipher, sizeof *cipher);
    free(cipher);
}

/* -- chunks */

static unsigned char *put_number(unsigned char *at, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++) at[i] = (unsigned char)(value >> 8 * (n_bytes - 1 - i));
    return at + n_bytes;
}

/* The place of a chunk: its nonce, and what its tag binds it to. */
static enum anb_status place_chunk(const struct stream_cipher *cipher, int64_t index, size_t size,
                                   unsigned char nonce[AEAD_NONCE_BYTES], struct chunk_proof *proof,
                                   struct anb_error *err)
{
    int64_t count = cipher->envelope.chunk_count;
    if (index < 0 || index >= count || index > INT32_MAX || size > AEAD_MAX_BYTES)
        return anb_fail(err, ANB_INVALID, "chunk %lld of %lld, %zu bytes: there is no such chunk", (long long)index,
                        (long long)count, size);
    unsigned char final = index == count - 1;
    memcpy(nonce, cipher->nonce_prefix, NONCE_PREFIX_BYTES);
    put_number(put_number(nonce + NONCE_PREFIX_BYTES, (uint64_t)index, 4), final, 1);
    *proof = (struct chunk_proof){.content = {{0}}};
    memcpy(proof->associated, cipher->envelope.core.bytes, DIGEST_BYTES);
    unsigned char *at = put_number(proof->associated + DIGEST_BYTES, (uint64_t)index, 4);
    at = put_number(at, (uint64_t)count, 8);
    at = put_number(at, final, 1);
    put_number(at, size, 4);
    return ANB_OK;
}

static enum anb_status note_content(const struct stream_cipher *cipher, const void *bytes, size_t size,
                                    struct chunk_proof *proof, struct anb_error *err)
{
    return cipher->envelope.binds_content ? digest_of(slice_of(bytes, size), &proof->content, err) : ANB_OK;
}

enum anb_status stream_cipher_seal(struct stream_cipher *cipher, int64_t index, void *bytes, size_t size,
                                   struct chunk_proof *proof, struct anb_error *err)
{
    unsigned char nonce[AEAD_NONCE_BYTES];
    enum anb_status status = place_chunk(cipher, index, size, nonce, proof, err);
    if (status == ANB_OK) status = note_content(cipher, bytes, size, proof, err);
    if (status != ANB_OK) return status;
    return aead_seal(cipher->aead, nonce, slice_of(proof->associated, sizeof proof->associated), bytes, size,
                     proof->tag.bytes, err);
}

enum anb_status stream_cipher_open(struct stream_cipher *cipher, int64_t index, void *bytes, size_t size,
                                   const struct tag *tag, struct chunk_proof *proof, struct anb_error *err)
{
    unsigned char nonce[AEAD_NONCE_BYTES];
    enum anb_status status = place_chunk(cipher, index, size, nonce, proof, err);
    if (status != ANB_OK) return status;
    proof->tag = *tag;
    status = aead_open(cipher->aead, nonce, slice_of(proof->associated, sizeof proof->associated), bytes, size,
                       tag->bytes, err);
    return status == ANB_OK ? note_content(cipher, bytes, size, proof, err) : status;
}

/* -- the close */

struct stream_closing {
    bool binds_content;
    struct digest_context *all;
    struct digest_context *content; /* NULL: not told */
};

enum anb_status stream_closing_new(const struct stream_cipher *cipher, struct stream_closing **out,
                                   struct anb_error *err)
{
    struct stream_closing *closing = calloc(1, sizeof *closing);
    if (!closing) return anb_fail(err, ANB_NO_MEMORY, "no memory for a stream");
    closing->binds_content = cipher->envelope.binds_content;
    closing->all = digest_new();
    if (cipher->envelope.tells_content) closing->content = digest_new();
    if (!closing->all || (cipher->envelope.tells_content && !closing->content)) {
        stream_closing_free(closing);
        return anb_fail(err, ANB_NO_MEMORY, "no memory for a stream");
    }
    digest_update(closing->all, slice_of(cipher->closing_key, sizeof cipher->closing_key));
    *out = closing;
    return ANB_OK;
}

void stream_closing_add(struct stream_closing *closing, const struct chunk_proof *proof)
{
    digest_update(closing->all, slice_of(proof->associated, sizeof proof->associated));
    digest_update(closing->all, slice_of(proof->tag.bytes, sizeof proof->tag.bytes));
    if (closing->binds_content) digest_update(closing->all, slice_of(proof->content.bytes, DIGEST_BYTES));
    if (closing->content) digest_update(closing->content, slice_of(proof->content.bytes, DIGEST_BYTES));
}

enum anb_status stream_closing_finish(struct stream_closing *closing, struct digest *digest, struct digest *content,
                                      struct anb_error *err)
{
    *content = (struct digest){{0}};
    enum anb_status status = digest_finish(closing->all, digest, err);
    return status == ANB_OK && closing->content ? digest_finish(closing->content, content, err) : status;
}

void stream_closing_free(struct stream_closing *closing)
{
    if (!closing) return;
    digest_free(closing->all);
    digest_free(closing->content);
    free(closing);
}
