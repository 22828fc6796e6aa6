#include "stream/reader.h"

#include "base/log.h"
#include "crypto/digest.h"
#include "stream/inbox.h"

#include <stdlib.h>
#include <string.h>

struct lane { /* one partition */
    const struct id *stream;
    struct bus_cursor *cursor;
    struct digest_context *digest;
    int64_t start;      /* offset */
    int64_t count;      /* chunks read */
    int64_t last_index; /* -1: none */
    int64_t n_foreign;  /* records that are no chunks */
    int64_t n_repeated;
    struct mark mark;
    bool has_mark;
};

struct stream_reader {
    struct stream_inbox *inbox;
    char topic[160]; /* of the first source, for the log */
    int32_t n_partitions;
    struct lane lanes[STREAM_MAX_PARTITIONS];
    size_t n_sources;
    struct id streams[];
};

static enum anb_status open_lane(struct stream_reader *reader, const struct stream_source *source, size_t which,
                                 int32_t p, enum bus_profile profile, struct anb_error *err)
{
    struct lane *lane = &reader->lanes[p];
    if (lane->cursor) return anb_fail(err, ANB_INVALID, "two streams claim partition %d", p);
    lane->stream = &reader->streams[which];
    lane->digest = digest_new();
    if (!lane->digest) return anb_fail(err, ANB_NO_MEMORY, "no memory for a stream");
    lane->start = source->start_offsets[p];
    return inbox_take(reader->inbox, profile, source->topic, p, lane->start, &lane->cursor, err);
}

static enum anb_status open_lanes(struct stream_reader *reader, const struct stream_source *sources, size_t n_sources,
                                  uint64_t partitions, enum bus_profile profile, struct anb_error *err)
{
    for (size_t s = 0; s < n_sources; s++)
        for (int32_t p = 0; p < reader->n_partitions; p++) {
            if (!(sources[s].partitions & partitions & (uint64_t)1 << p)) continue;
            enum anb_status status = open_lane(reader, &sources[s], s, p, profile, err);
            if (status != ANB_OK) return status;
        }
    for (int32_t p = 0; p < reader->n_partitions; p++)
        if (partitions >> p & 1 && !reader->lanes[p].cursor)
            return anb_fail(err, ANB_INVALID, "no stream covers partition %d", p);
    return ANB_OK;
}

enum anb_status stream_reader_open(struct stream_inbox *inbox, const struct stream_source *sources, size_t n_sources,
                                   uint64_t partitions, int32_t n_partitions, int64_t object_bytes,
                                   struct stream_reader **out, struct anb_error *err)
{
    struct stream_reader *reader = calloc(1, sizeof *reader + n_sources * sizeof *reader->streams);
    if (!reader) return anb_fail(err, ANB_NO_MEMORY, "no memory for a stream");
    reader->inbox = inbox;
    reader->n_partitions = n_partitions;
    memcpy(reader->topic, sources[0].topic, sizeof reader->topic);
    for (size_t s = 0; s < n_sources; s++) reader->streams[s] = sources[s].stream;
    for (int32_t p = 0; p < n_partitions; p++) reader->lanes[p].last_index = -1;
    enum bus_profile profile = inbox_profile(inbox, object_bytes);
    enum anb_status status = open_lanes(reader, sources, n_sources, partitions, profile, err);
    if (status == ANB_OK)
        *out = reader;
    else
        stream_reader_close(reader);
    return status;
}

void stream_reader_close(struct stream_reader *reader)
{
    int64_t n_foreign = 0, n_repeated = 0;
    if (!reader) return;
    for (int32_t p = 0; p < reader->n_partitions; p++) {
        n_foreign += reader->lanes[p].n_foreign;
        n_repeated += reader->lanes[p].n_repeated;
        if (reader->lanes[p].cursor) inbox_return(reader->inbox, reader->lanes[p].cursor);
        digest_free(reader->lanes[p].digest);
    }
    if (n_foreign > 0 || n_repeated > 0)
        log_event(LOG_WARN, "records-passed-over", "topic=%s foreign=%lld repeated=%lld", reader->topic,
                  (long long)n_foreign, (long long)n_repeated);
    free(reader);
}

static bool is_past_mark(const struct lane *lane)
{
    return lane->has_mark && bus_cursor_position(lane->cursor) > lane->mark.last_offset;
}

/* What a record in the lane is: OK the wanted chunk, AGAIN one to pass over, CORRUPT. */
static enum anb_status judge(struct lane *lane, int64_t index, struct slice record, struct chunk *chunk,
                             struct anb_error *err)
{
    struct tag tag;
    if (chunk_parse(record, chunk, err) != ANB_OK) {
        lane->n_foreign++; /* if it was one of ours, it will be missed */
        return ANB_AGAIN;
    }
    if (!id_equal(&chunk->stream, lane->stream)) return ANB_AGAIN;
    if (chunk->index <= lane->last_index) {
        lane->n_repeated++;
        return ANB_AGAIN;
    }
    if (chunk->index != index)
        return anb_fail(err, ANB_CORRUPT, "chunk %lld is missing: chunk %d came instead", (long long)index,
                        chunk->index);
    if (chunk->codec != 0 || (size_t)chunk->plain_bytes != chunk->data.size)
        return anb_fail(err, ANB_CORRUPT, "chunk %d has codec %d and %d plain bytes in %zu: not known here",
                        chunk->index, chunk->codec, chunk->plain_bytes, chunk->data.size);
    chunk_tag(chunk->data, index, &tag);
    if (memcmp(tag.bytes, chunk->tag.bytes, sizeof tag.bytes) != 0)
        return anb_fail(err, ANB_CORRUPT, "chunk %d was altered: its tag does not fit", chunk->index);
    return ANB_OK;
}

/* A cursor that follows from an earlier stream may stand where the log was trimmed since: what counts begins at
 * `start`. */
static enum anb_status next_message(struct lane *lane, int64_t timeout_ms, struct bus_message *message,
                                    struct anb_error *err)
{
    enum anb_status status = bus_cursor_next(lane->cursor, timeout_ms, message, err);
    if (status != ANB_NOT_FOUND || bus_cursor_position(lane->cursor) >= lane->start) return status;
    status = bus_cursor_seek(lane->cursor, lane->start, err);
    return status == ANB_OK ? bus_cursor_next(lane->cursor, timeout_ms, message, err) : status;
}

enum anb_status stream_reader_next(struct stream_reader *reader, int64_t index, int64_t timeout_ms,
                                   struct stream_chunk *out, struct anb_error *err)
{
    struct lane *lane = &reader->lanes[index % reader->n_partitions];
    for (;;) {
        struct chunk chunk;
        if (is_past_mark(lane))
            return anb_fail(err, ANB_CORRUPT, "chunk %lld is missing: the closed stream does not hold it",
                            (long long)index);
        enum anb_status status = next_message(lane, timeout_ms, &out->message, err);
        if (status != ANB_OK) return status;
        status = judge(lane, index, out->message.value, &chunk, err);
        if (status == ANB_OK) {
            digest_update(lane->digest, slice_of(chunk.tag.bytes, sizeof chunk.tag.bytes));
            lane->count++;
            lane->last_index = index;
            out->payload = chunk.data;
            return ANB_OK;
        }
        bus_message_release(&out->message);
        if (status != ANB_AGAIN) return status;
    }
}

void stream_chunk_release(struct stream_chunk *chunk)
{
    bus_message_release(&chunk->message);
}

void stream_reader_set_mark(struct stream_reader *reader, const struct mark *mark)
{
    struct lane *lane = &reader->lanes[mark->partition];
    lane->mark = *mark;
    lane->has_mark = true;
}

enum anb_status stream_reader_verify(struct stream_reader *reader, int32_t partition, struct anb_error *err)
{
    struct lane *lane = &reader->lanes[partition];
    struct digest digest;
    if (!lane->has_mark || lane->count != lane->mark.count)
        return anb_fail(err, ANB_CORRUPT, "partition %d holds %lld chunks, %lld were read", partition,
                        (long long)lane->mark.count, (long long)lane->count);
    enum anb_status status = digest_finish(lane->digest, &digest, err);
    if (status != ANB_OK) return status;
    if (!digest_equal(&digest, &lane->mark.digest))
        return anb_fail(err, ANB_CORRUPT, "partition %d is not what its sender closed: the digests differ", partition);
    return ANB_OK;
}
