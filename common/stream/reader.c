#include "stream/reader.h"

#include "base/log.h"
#include "stream/inbox.h"

#include <stdlib.h>
#include <string.h>

struct lane {                 /* one partition */
    struct stream_part *part; /* what it comes from */
    struct bus_cursor *cursor;
    struct stream_closing *closing;
    int64_t start;      /* offset */
    int64_t count;      /* chunks read */
    int64_t last_index; /* -1: none */
    int64_t n_foreign;  /* records that are no chunks */
    int64_t n_repeated;
    struct mark mark;
    bool has_mark;
};

struct stream_part { /* one of the streams that are the object */
    struct id stream;
    struct stream_cipher *cipher;
};

struct stream_reader {
    struct stream_inbox *inbox;
    char topic[160]; /* of the first source, for the log */
    int32_t n_partitions;
    struct lane lanes[STREAM_MAX_PARTITIONS];
    size_t n_parts;
    struct stream_part parts[];
};

static enum anb_status open_lane(struct stream_reader *reader, const struct stream_source *source, size_t which,
                                 int32_t p, enum bus_profile profile, struct anb_error *err)
{
    struct lane *lane = &reader->lanes[p];
    if (lane->cursor) return anb_fail(err, ANB_INVALID, "two streams claim partition %d", p);
    lane->part = &reader->parts[which];
    lane->start = source->start_offsets[p];
    enum anb_status status = stream_closing_new(source->cipher, &lane->closing, err);
    if (status != ANB_OK) return status;
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
    struct stream_reader *reader = calloc(1, sizeof *reader + n_sources * sizeof *reader->parts);
    if (!reader) {
        for (size_t s = 0; s < n_sources; s++) stream_cipher_free(sources[s].cipher);
        return anb_fail(err, ANB_NO_MEMORY, "no memory for a stream");
    }
    reader->inbox = inbox;
    reader->n_parts = n_sources;
    reader->n_partitions = n_partitions;
    memcpy(reader->topic, sources[0].topic, sizeof reader->topic);
    for (size_t s = 0; s < n_sources; s++)
        reader->parts[s] = (struct stream_part){sources[s].stream, sources[s].cipher};
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
        stream_closing_free(reader->lanes[p].closing);
    }
    for (size_t s = 0; s < reader->n_parts; s++) stream_cipher_free(reader->parts[s].cipher);
    if (n_foreign > 0 || n_repeated > 0)
        log_event(LOG_WARN, "records-passed-over", "topic=%s foreign=%lld repeated=%lld", reader->topic,
                  (long long)n_foreign, (long long)n_repeated);
    free(reader);
}

static bool is_past_mark(const struct lane *lane)
{
    return lane->has_mark && bus_cursor_position(lane->cursor) > lane->mark.last_offset;
}

static void count(struct stream_reader *reader, enum stream_refusal refusal)
{
    stream_refusals_count(inbox_refusals(reader->inbox), refusal);
}

static enum anb_status miss(struct stream_reader *reader, int64_t index, const char *why, struct anb_error *err)
{
    count(reader, STREAM_REFUSED_MISSING);
    return anb_fail(err, ANB_CORRUPT, "chunk %lld is missing: %s", (long long)index, why);
}

/* Is a record in the lane the wanted chunk? OK; AGAIN: one to pass over; CORRUPT. */
static enum anb_status recognise(struct stream_reader *reader, struct lane *lane, int64_t index, struct slice record,
                                 struct chunk *chunk, struct anb_error *err)
{
    if (chunk_parse(record, chunk, err) != ANB_OK) {
        lane->n_foreign++; /* if it was one of ours, it will be missed */
        count(reader, STREAM_REFUSED_FOREIGN);
        return ANB_AGAIN;
    }
    if (!id_equal(&chunk->stream, &lane->part->stream)) return ANB_AGAIN;
    if (chunk->index <= lane->last_index) {
        lane->n_repeated++;
        count(reader, STREAM_REFUSED_REPEATED);
        return ANB_AGAIN;
    }
    return chunk->index == index ? ANB_OK : miss(reader, index, "a later one came instead", err);
}

/* Decrypt it where it stands: the message is the reader's own. */
static enum anb_status open_chunk(struct stream_reader *reader, struct lane *lane, const struct chunk *chunk,
                                  struct anb_error *err)
{
    struct chunk_proof proof;
    if (chunk->codec != STREAM_CODEC_SEALED) {
        count(reader, STREAM_REFUSED_PLAINTEXT);
        return anb_fail(err, ANB_CORRUPT, "chunk %d has codec %d: it is not encrypted", chunk->index, chunk->codec);
    }
    enum anb_status status = ANB_CORRUPT;
    if ((size_t)chunk->plain_bytes == chunk->data.size)
        status = stream_cipher_open(lane->part->cipher, chunk->index, (void *)chunk->data.data, chunk->data.size,
                                    &chunk->tag, &proof, err);
    if (status == ANB_CORRUPT || status == ANB_INVALID) {
        count(reader, STREAM_REFUSED_ALTERED);
        return anb_fail(err, ANB_CORRUPT, "chunk %d was altered: it is not what its sender sealed", chunk->index);
    }
    if (status == ANB_OK) stream_closing_add(lane->closing, &proof);
    return status;
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
        if (is_past_mark(lane)) return miss(reader, index, "the closed stream does not hold it", err);
        enum anb_status status = next_message(lane, timeout_ms, &out->message, err);
        if (status != ANB_OK) return status;
        status = recognise(reader, lane, index, out->message.value, &chunk, err);
        if (status == ANB_OK) status = open_chunk(reader, lane, &chunk, err);
        if (status == ANB_OK) {
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
    const struct mark *mark = &lane->mark;
    struct digest digest, content;
    enum anb_status status = stream_closing_finish(lane->closing, &digest, &content, err);
    if (status != ANB_OK) return status;
    if (lane->has_mark && lane->count == mark->count && digest_equal(&digest, &mark->digest) &&
        digest_equal(&content, &mark->content))
        return ANB_OK;
    count(reader, STREAM_REFUSED_BAD_CLOSE);
    if (!lane->has_mark || lane->count != mark->count)
        return anb_fail(err, ANB_CORRUPT, "partition %d holds %lld chunks, %lld were read", partition,
                        (long long)mark->count, (long long)lane->count);
    return anb_fail(err, ANB_CORRUPT, "partition %d is not what its sender closed: the digests differ", partition);
}
