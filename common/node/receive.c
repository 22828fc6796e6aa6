/* Receiving: the streams of one object become a file. */
#include "base/clock.h"
#include "base/file.h"
#include "node/envelope.h"
#include "node/node_private.h"
#include "node/transfer.h"
#include "stream/chunks.h"
#include "tensor/safetensors.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_MS = 50, KEY_TIMEOUT_MS = 60000 };

struct transfer_inbox {
    struct node *node;
    struct stream_inbox *inbox;
};

enum anb_status transfer_inbox_new(struct node *node, struct transfer_inbox **out, struct anb_error *err)
{
    struct transfer_inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox) return anb_fail(err, ANB_NO_MEMORY, "no memory for an inbox");
    inbox->node = node;
    enum anb_status status = stream_inbox_new(node->bus, BUS_BULK, &node->stream_refusals, &inbox->inbox, err);
    if (status == ANB_OK)
        *out = inbox;
    else
        free(inbox);
    return status;
}

void transfer_inbox_free(struct transfer_inbox *inbox)
{
    if (!inbox) return;
    stream_inbox_free(inbox->inbox);
    free(inbox);
}

struct receiving {
    struct node *node;
    const struct id *streams;
    size_t n_streams;
    struct transfer_target *target;
    struct transfer_control *control;
    struct stream_state first; /* what all streams of the object say alike */
    struct stream_reader *reader;
    struct buf text; /* the layout's, until it is whole */
};

/* Look at every stream again: ABANDONED when one is; tells the reader what was closed; AGAIN while one is open. */
static enum anb_status look(struct receiving *receiving, struct anb_error *err)
{
    enum anb_status result = transfer_check_cancel(receiving->control, err);
    for (size_t s = 0; result != ANB_ABANDONED && s < receiving->n_streams; s++) {
        struct stream_state stream;
        enum anb_status status = node_find_stream(receiving->node, &receiving->streams[s], &stream, err);
        if (status != ANB_OK) return status;
        if (stream.phase == STREAM_ABANDONED)
            return anb_fail(err, ANB_ABANDONED, "%s gave its stream up", stream.sender);
        if (stream.phase == STREAM_OPEN) result = ANB_AGAIN;
        for (int32_t p = 0; stream.phase == STREAM_CLOSED && p < receiving->node->partitions; p++)
            if (stream.partitions >> p & 1) stream_reader_set_mark(receiving->reader, &stream.marks[p]);
    }
    return result;
}

/* The stream's cipher; waits while its sender is asked for the key. */
static enum anb_status await_key(struct receiving *receiving, const struct id *id, struct stream_cipher **cipher,
                                 struct anb_error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + KEY_TIMEOUT_MS, seen = 0;
    for (;;) {
        struct stream_state stream;
        enum anb_status status = transfer_check_cancel(receiving->control, err);
        if (status == ANB_OK) status = node_find_stream(receiving->node, id, &stream, err);
        if (status == ANB_OK) status = envelope_open(receiving->node, &stream, cipher, err);
        if (status != ANB_AGAIN) return status;
        if (stream.phase == STREAM_ABANDONED)
            return anb_fail(err, ANB_ABANDONED, "%s gave its stream up", stream.sender);
        if (clock_monotonic_ms() > deadline_ms)
            return anb_fail(err, ANB_TIMEOUT, "%s was asked for the key of its stream and does not answer",
                            stream.sender);
        seen = node_wait(receiving->node, seen, STEP_MS);
    }
}

static enum anb_status await_keys(struct receiving *receiving, struct stream_source *sources, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (size_t s = 0; status == ANB_OK && s < receiving->n_streams; s++)
        status = await_key(receiving, &receiving->streams[s], &sources[s].cipher, err);
    for (size_t s = 0; status != ANB_OK && s < receiving->n_streams; s++) stream_cipher_free(sources[s].cipher);
    return status;
}

static enum anb_status describe(struct receiving *receiving, struct stream_source *sources, struct anb_error *err)
{
    for (size_t s = 0; s < receiving->n_streams; s++) {
        struct stream_state stream;
        enum anb_status status = node_find_stream(receiving->node, &receiving->streams[s], &stream, err);
        if (status != ANB_OK) return status;
        if (s == 0) receiving->first = stream;
        const struct stream_state *first = &receiving->first;
        if (stream.chunk_bytes != first->chunk_bytes || stream.chunk_count != first->chunk_count ||
            stream.layout_bytes != first->layout_bytes || stream.data_bytes != first->data_bytes ||
            !digest_equal(&stream.layout_digest, &first->layout_digest))
            return anb_fail(err, ANB_CORRUPT, "%s and %s send shares of different objects", first->sender,
                            stream.sender);
        sources[s].stream = stream.id;
        sources[s].partitions = stream.partitions;
        memcpy(sources[s].start_offsets, stream.start_offsets, sizeof sources[s].start_offsets);
        node_outbox_of(receiving->node, stream.sender, sources[s].topic);
    }
    return ANB_OK;
}

static enum anb_status check_promises(const struct stream_state *stream, struct anb_error *err)
{
    if (stream->chunk_bytes < CHUNK_LEAST_BYTES || stream->chunk_bytes > CHUNK_DEFAULT_BYTES ||
        stream->layout_bytes < 1 || stream->layout_bytes > LAYOUT_MAX_BYTES || stream->data_bytes < 0)
        return anb_fail(err, ANB_CORRUPT,
                        "the stream of %s promises %lld bytes of layout in chunks of %d: not possible", stream->sender,
                        (long long)stream->layout_bytes, stream->chunk_bytes);
    return ANB_OK;
}

static enum anb_status open_reader(struct receiving *receiving, struct transfer_inbox *inbox, struct anb_error *err)
{
    struct stream_source *sources = calloc(receiving->n_streams, sizeof *sources);
    if (!sources) return anb_fail(err, ANB_NO_MEMORY, "no memory for a stream");
    enum anb_status status = describe(receiving, sources, err);
    if (status == ANB_OK) status = check_promises(&receiving->first, err);
    if (status == ANB_OK) status = await_keys(receiving, sources, err);
    if (status == ANB_OK)
        status =
            stream_reader_open(inbox->inbox, sources, receiving->n_streams, node_all_partitions(receiving->node),
                               receiving->node->partitions, receiving->first.layout_bytes + receiving->first.data_bytes,
                               &receiving->reader, err);
    free(sources);
    return status;
}

static enum anb_status next_chunk(struct receiving *receiving, int64_t index, struct stream_chunk *chunk,
                                  struct anb_error *err)
{
    for (;;) {
        enum anb_status status = stream_reader_next(receiving->reader, index, STEP_MS, chunk, err);
        if (status != ANB_AGAIN && status != ANB_UNAVAILABLE) return status;
        status = look(receiving, err);
        if (status != ANB_OK && status != ANB_AGAIN) return status;
    }
}

static enum anb_status receive_layout(struct receiving *receiving, struct anb_error *err)
{
    const struct stream_state *first = &receiving->first;
    int64_t n = chunks_of_layout(first->layout_bytes, first->chunk_bytes);
    for (int64_t j = 0; j < n; j++) {
        struct stream_chunk chunk;
        enum anb_status status = next_chunk(receiving, j, &chunk, err);
        if (status != ANB_OK) return status;
        status = buf_append(&receiving->text, chunk.payload, err);
        stream_chunk_release(&chunk);
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

static enum anb_status accept_layout(struct receiving *receiving, struct anb_error *err)
{
    const struct stream_state *first = &receiving->first;
    struct transfer_target *target = receiving->target;
    enum anb_status status = layout_take(&receiving->text, &target->layout, err);
    if (status != ANB_OK) return status;
    if (!digest_equal(layout_digest(target->layout), &first->layout_digest) ||
        layout_data_bytes(target->layout) != first->data_bytes ||
        chunks_count(target->layout, first->chunk_bytes) != first->chunk_count)
        return anb_fail(err, ANB_CORRUPT, "the layout that %s sent is not the one it promised", first->sender);
    return ANB_OK;
}

static enum anb_status write_head(struct transfer_target *target, struct anb_error *err)
{
    struct buf head;
    target->data_offset = 0;
    if (target->bare) return ANB_OK;
    buf_init(&head, 2 * (size_t)LAYOUT_MAX_BYTES);
    enum anb_status status = safetensors_head(target->layout, target->metadata, &head, err);
    if (status == ANB_OK) status = file_write_all(target->fd, head.data, head.size, 0, err);
    target->data_offset = (int64_t)head.size;
    buf_fini(&head);
    return status;
}

static enum anb_status receive_one(struct receiving *receiving, const struct chunk_place *place, struct anb_error *err)
{
    struct stream_chunk chunk;
    struct transfer_target *target = receiving->target;
    enum anb_status status = next_chunk(receiving, place->index, &chunk, err);
    if (status != ANB_OK) return status;
    if ((int64_t)chunk.payload.size != place->end - place->begin)
        status = anb_fail(err, ANB_CORRUPT, "chunk %lld has %zu bytes, the layout says %lld", (long long)place->index,
                          chunk.payload.size, (long long)(place->end - place->begin));
    else
        status =
            file_write_all(target->fd, chunk.payload.data, chunk.payload.size, target->data_offset + place->begin, err);
    atomic_fetch_add(&receiving->control->bytes_done, (long long)chunk.payload.size);
    stream_chunk_release(&chunk);
    return status;
}

static enum anb_status receive_data(struct receiving *receiving, struct anb_error *err)
{
    struct chunk_walk walk;
    struct chunk_place place;
    chunk_walk_begin(&walk, receiving->target->layout, receiving->first.chunk_bytes);
    while (chunk_walk_next(&walk, &place)) {
        if (place.is_layout) continue;
        enum anb_status status = receive_one(receiving, &place, err);
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

/* All bytes are here: wait until every sender has closed, then compare. */
static enum anb_status verify(struct receiving *receiving, struct anb_error *err)
{
    enum anb_status status;
    int64_t seen = 0;
    while ((status = look(receiving, err)) == ANB_AGAIN) seen = node_wait(receiving->node, seen, STEP_MS);
    for (int32_t p = 0; status == ANB_OK && p < receiving->node->partitions; p++)
        status = stream_reader_verify(receiving->reader, p, err);
    return status;
}

enum anb_status transfer_receive(struct transfer_inbox *inbox, const struct id *streams, size_t n_streams,
                                 struct transfer_target *target, struct transfer_control *control,
                                 struct anb_error *err)
{
    struct receiving receiving = {inbox->node, streams, n_streams, target, control, .reader = NULL};
    target->layout = NULL;
    buf_init(&receiving.text, LAYOUT_MAX_BYTES);
    enum anb_status status = open_reader(&receiving, inbox, err);
    if (status == ANB_OK) {
        atomic_store(&control->bytes_total, receiving.first.layout_bytes + receiving.first.data_bytes);
        status = receive_layout(&receiving, err);
    }
    if (status == ANB_OK) status = accept_layout(&receiving, err);
    if (status == ANB_OK) status = write_head(target, err);
    if (status == ANB_OK) status = receive_data(&receiving, err);
    if (status == ANB_OK) status = verify(&receiving, err);
    if (status != ANB_OK) {
        layout_free(target->layout);
        target->layout = NULL;
    }
    stream_reader_close(receiving.reader);
    buf_fini(&receiving.text);
    return status;
}
