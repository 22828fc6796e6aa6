/* Any bytes in the places of an envelope: as the opening of a stream, as a wrap of its key, as changes of a chunk
 * record that was sealed. Nothing but what was sealed may open. */
#include "base/log.h"
#include "bus/memory.h"
#include "crypto/seal.h"
#include "stream/reader.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

enum { PLAIN_BYTES = 64, ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct id stream_id = {{7}};
static const char topic[] = "p.out.a";

static struct { /* one for all inputs */
    struct stream_envelope envelope;
    struct stream_key key;
    struct key *receiver;
    struct sealer *sealer;
    struct wrap wrap;
    unsigned char record[CHUNK_HEADER_MAX_BYTES + PLAIN_BYTES];
    size_t record_bytes;
} fixed;

static void require(bool truth)
{
    if (!truth) abort();
}

static void seal_chunk(void)
{
    struct stream_cipher *cipher;
    struct chunk_proof proof;
    unsigned char *payload = fixed.record + CHUNK_HEADER_MAX_BYTES;
    require(stream_cipher_new(&fixed.envelope, &fixed.key, AEAD_SEAL, &cipher, NULL) == ANB_OK);
    memset(payload, 0x5a, PLAIN_BYTES);
    require(stream_cipher_seal(cipher, 0, payload, PLAIN_BYTES, &proof, NULL) == ANB_OK);
    const struct chunk chunk = {.stream = stream_id, .codec = 1, .plain_bytes = PLAIN_BYTES, .tag = proof.tag};
    size_t header = chunk_header_write(&chunk, PLAIN_BYTES, payload);
    memmove(fixed.record, payload - header, header + PLAIN_BYTES);
    fixed.record_bytes = header + PLAIN_BYTES;
    stream_cipher_free(cipher);
}

static void prepare(void)
{
    struct digest core = {{1}}, none = {{0}};
    if (fixed.sealer) return;
    log_setup("fuzz", LOG_ERROR);
    fixed.sealer = sealer_new();
    require(fixed.sealer && key_make(&fixed.receiver, NULL) == ANB_OK);
    memset(fixed.key.bytes, 0x11, sizeof fixed.key.bytes);
    fixed.envelope = stream_envelope_make(&stream_id, PURPOSE_MODEL, 0, 2, &core, &none);
    require(stream_commit(&fixed.key, &fixed.envelope, NULL) == ANB_OK);
    require(seal_bytes(fixed.sealer, fixed.receiver, slice_of(core.bytes, sizeof core.bytes),
                       slice_of(fixed.key.bytes, STREAM_KEY_BYTES), fixed.wrap.bytes, NULL) == ANB_OK);
    seal_chunk();
}

/* Our key fits only what is committed to it; a fuzzer that watches the comparison finds out how that would look. */
static void try_key(struct stream_envelope *envelope)
{
    struct stream_cipher *cipher = NULL;
    struct digest said = envelope->commitment;
    enum anb_status status = stream_cipher_new(envelope, &fixed.key, AEAD_OPEN, &cipher, NULL);
    stream_cipher_free(cipher);
    require(stream_commit(&fixed.key, envelope, NULL) == ANB_OK);
    require(status == (digest_equal(&said, &envelope->commitment) ? ANB_OK : ANB_DENIED));
}

/* An opening that somebody wrote. */
static void try_opening(struct slice bytes)
{
    struct arena arena;
    struct record record;
    struct stream_envelope envelope;
    arena_init(&arena, ARENA_BYTES);
    if (wire_decode(bytes, &arena, &record, NULL) == ANB_OK && record.kind == RECORD_STREAM_OPENED) {
        require(stream_envelope_of(&record.is.stream_opened, &envelope, NULL) == ANB_OK);
        try_key(&envelope);
    }
    arena_fini(&arena);
}

static void change(unsigned char *bytes, size_t n_bytes, struct slice changes)
{
    const unsigned char *at = changes.data;
    for (size_t i = 0; i + 1 < changes.size; i += 2) bytes[at[i] % n_bytes] ^= at[i + 1];
}

static void try_wrap(struct slice changes)
{
    unsigned char key[STREAM_KEY_BYTES];
    struct wrap wrap = fixed.wrap;
    change(wrap.bytes, sizeof wrap.bytes, changes);
    bool same = memcmp(&wrap, &fixed.wrap, sizeof wrap) == 0;
    enum anb_status status = seal_open(fixed.sealer, fixed.receiver, slice_of(fixed.envelope.core.bytes, DIGEST_BYTES),
                                       slice_of(wrap.bytes, sizeof wrap.bytes), key, NULL);
    require(status == (same ? ANB_OK : ANB_DENIED));
}

static enum anb_status read_first(struct slice record)
{
    const struct bus_topic config = {.name = topic, .partitions = 1, .retention_ms = -1, .retention_bytes = -1};
    struct stream_source source = {.stream = stream_id, .topic = "p.out.a", .partitions = 1};
    struct stream_refusals refusals = {{0}};
    struct bus *bus;
    struct stream_inbox *inbox;
    struct stream_reader *reader;
    struct stream_chunk chunk;
    struct memory_log *log = memory_log_new(NULL, NULL, 1);
    require(bus_memory_open(log, &bus, NULL) == ANB_OK && bus_topic_ensure(bus, &config, 0, NULL) == ANB_OK);
    require(memory_log_put(log, topic, 0, record) == ANB_OK);
    require(stream_inbox_new(bus, BUS_BULK, &refusals, &inbox, NULL) == ANB_OK);
    require(stream_cipher_new(&fixed.envelope, &fixed.key, AEAD_OPEN, &source.cipher, NULL) == ANB_OK);
    require(stream_reader_open(inbox, &source, 1, 1, 1, PLAIN_BYTES, &reader, NULL) == ANB_OK);
    enum anb_status status = stream_reader_next(reader, 0, 0, &chunk, NULL);
    if (status == ANB_OK) stream_chunk_release(&chunk);
    stream_reader_close(reader);
    stream_inbox_free(inbox);
    bus_close(bus, 0);
    memory_log_free(log);
    return status;
}

static void try_chunk(struct slice changes)
{
    unsigned char record[sizeof fixed.record];
    memcpy(record, fixed.record, fixed.record_bytes);
    change(record, fixed.record_bytes, changes);
    bool same = memcmp(record, fixed.record, fixed.record_bytes) == 0;
    enum anb_status status = read_first(slice_of(record, fixed.record_bytes));
    require(same ? status == ANB_OK : status == ANB_CORRUPT || status == ANB_AGAIN);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size == 0) return 0;
    prepare();
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] % 3 == 0) try_opening(rest);
    if (data[0] % 3 == 1) try_wrap(rest);
    if (data[0] % 3 == 2) try_chunk(rest);
    return 0;
}
