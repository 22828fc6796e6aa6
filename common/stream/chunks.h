/* The chunk table of an object: a pure function of its layout and the chunk size.
 *
 * First come the chunks of the layout's text, then those of the data section; none holds bytes of both. No element is
 * ever split: where a chunk of full size would end inside an element it ends before it. Chunk j travels in partition j
 * mod partitions. Nothing here grows with the object. Any thread. */
#ifndef ANB_STREAM_CHUNKS_H
#define ANB_STREAM_CHUNKS_H

#include "tensor/layout.h"

enum { CHUNK_DEFAULT_BYTES = 983040, CHUNK_LEAST_BYTES = 8 };

struct chunk_place {
    int64_t index;
    bool is_layout;     /* bytes of the layout's text; else of the data section */
    int64_t begin, end; /* in the text or in the data section */
};

/* A walk over all chunks in order. Start with chunk_walk_begin; each chunk_walk_next gives the next place or false. */
struct chunk_walk {
    const struct layout *layout;
    int32_t chunk_bytes;
    struct chunk_place next;
};

void chunk_walk_begin(struct chunk_walk *walk, const struct layout *layout, int32_t chunk_bytes);
bool chunk_walk_next(struct chunk_walk *walk, struct chunk_place *place);

int64_t chunks_of_layout(int64_t layout_bytes, int32_t chunk_bytes);
int64_t chunks_count(const struct layout *layout, int32_t chunk_bytes); /* all; walks the table once */

#endif
