/* Chunk records without a copy. schemas/chunk.avsc puts the payload last, so the header is written in front of it; a
 * reader points into the record. The fields stand here in the schema's order; tests compare with Avro C. */
#include "wire/frame.h"
#include "wire/wire.h"

#include <string.h>

static size_t put_bytes(unsigned char *out, const void *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return size;
}

size_t chunk_header_write(const struct chunk *chunk, size_t data_bytes, unsigned char *end)
{
    unsigned char header[CHUNK_HEADER_MAX_BYTES + VARINT_MAX_BYTES];
    frame_write(RECORD_CHUNK, header);
    size_t size = FRAME_BYTES;
    size += put_bytes(header + size, chunk->stream.bytes, ID_BYTES);
    size += varint_write(chunk->index, header + size);
    size += varint_write(chunk->codec, header + size);
    size += varint_write(chunk->plain_bytes, header + size);
    size += put_bytes(header + size, chunk->tag.bytes, sizeof chunk->tag.bytes);
    size += varint_write((int64_t)data_bytes, header + size);
    memcpy(end - size, header, size);
    return size;
}

static bool take_bytes(struct slice *rest, void *to, size_t size)
{
    if (rest->size < size) return false;
    memcpy(to, rest->data, size);
    slice_skip(rest, size);
    return true;
}

static bool take_int(struct slice *rest, int32_t *to)
{
    int64_t value;
    if (!varint_read(rest, &value) || value < INT32_MIN || value > INT32_MAX) return false;
    *to = (int32_t)value;
    return true;
}

enum anb_status chunk_parse(struct slice bytes, struct chunk *chunk, struct anb_error *err)
{
    enum record_kind kind;
    struct slice rest;
    enum anb_status status = frame_open(bytes, &kind, &rest, err);
    if (status != ANB_OK) return status;
    if (kind != RECORD_CHUNK) return anb_fail(err, ANB_CORRUPT, "a %s record where a chunk belongs", record_name(kind));
    struct chunk got;
    int64_t data_bytes;
    bool whole = take_bytes(&rest, got.stream.bytes, ID_BYTES) && take_int(&rest, &got.index) &&
                 take_int(&rest, &got.codec) && take_int(&rest, &got.plain_bytes) &&
                 take_bytes(&rest, got.tag.bytes, sizeof got.tag.bytes) && varint_read(&rest, &data_bytes);
    if (!whole)
        return anb_fail(err, ANB_CORRUPT, "Chunk record of %zu bytes: its header is cut off or no header", bytes.size);
    if (data_bytes < 0 || (uint64_t)data_bytes != rest.size)
        return anb_fail(err, ANB_CORRUPT, "Chunk record: a payload of %lld bytes is announced, %zu are there",
                        (long long)data_bytes, rest.size);
    got.data = rest;
    *chunk = got;
    return ANB_OK;
}
