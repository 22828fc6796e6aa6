#include "wire/frame.h"

static const unsigned char marker[2] = {0xc3, 0x01};

void frame_write(enum record_kind kind, unsigned char out[FRAME_BYTES])
{
    uint64_t fingerprint = wire_schemas[kind].fingerprint;
    out[0] = marker[0];
    out[1] = marker[1];
    for (int i = 0; i < 8; i++) out[2 + i] = (unsigned char)(fingerprint >> (8 * i));
}

static bool find_kind(uint64_t fingerprint, enum record_kind *kind)
{
    for (int i = 0; i < N_RECORD_KINDS; i++) {
        if (wire_schemas[i].fingerprint != fingerprint) continue;
        *kind = (enum record_kind)i;
        return true;
    }
    return false;
}

enum anb_status frame_open(struct slice bytes, enum record_kind *kind, struct slice *datum, struct anb_error *err)
{
    const unsigned char *in = bytes.data;
    if (bytes.size < FRAME_BYTES || in[0] != marker[0] || in[1] != marker[1])
        return anb_fail(err, ANB_CORRUPT, "not a record: its %zu bytes do not begin with an Avro single-object header",
                        bytes.size);
    uint64_t fingerprint = 0;
    for (int i = 0; i < 8; i++) fingerprint |= (uint64_t)in[2 + i] << (8 * i);
    if (!find_kind(fingerprint, kind))
        return anb_fail(err, ANB_CORRUPT,
                        "record with the unknown schema %016llx: is its sender another version of Anabranch?",
                        (unsigned long long)fingerprint);
    *datum = slice_of(in + FRAME_BYTES, bytes.size - FRAME_BYTES);
    return ANB_OK;
}

size_t varint_write(int64_t value, unsigned char out[VARINT_MAX_BYTES])
{
    uint64_t zigzag = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
    size_t size = 0;
    for (; zigzag > 0x7f; zigzag >>= 7) out[size++] = (unsigned char)(zigzag | 0x80);
    out[size++] = (unsigned char)zigzag;
    return size;
}

bool varint_read(struct slice *rest, int64_t *value)
{
    const unsigned char *in = rest->data;
    uint64_t zigzag = 0;
    for (size_t i = 0; i < rest->size && i < VARINT_MAX_BYTES; i++) {
        zigzag |= (uint64_t)(in[i] & 0x7f) << (7 * i);
        if (in[i] & 0x80) continue;
        if (i == VARINT_MAX_BYTES - 1 && in[i] > 1) return false; /* bits beyond the 64th */
        *value = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
        slice_skip(rest, i + 1);
        return true;
    }
    return false;
}

void slice_skip(struct slice *rest, size_t size)
{
    rest->data = (const unsigned char *)rest->data + size;
    rest->size -= size;
}
