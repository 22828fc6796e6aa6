#include "stream/writer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void chunk_tag(struct slice payload, int64_t index, struct tag *tag)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(payload.data, payload.size, (XXH64_hash_t)index);
    for (int i = 0; i < 8; i++) {
        tag->bytes[i] = (unsigned char)(hash.high64 >> (56 - 8 * i));
        tag->bytes[8 + i] = (unsigned char)(hash.low64 >> (56 - 8 * i));
    }
}
