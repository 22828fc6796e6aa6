#include "stream/chunks.h"

void chunk_walk_begin(struct chunk_walk *walk, const struct layout *layout, int32_t chunk_bytes)
{
    *walk = (struct chunk_walk){.layout = layout, .chunk_bytes = chunk_bytes, .next = {.is_layout = true}};
}

/* Where a chunk of the data section that begins at `begin` ends. */
static int64_t data_end(const struct layout *layout, int64_t begin, int32_t chunk_bytes)
{
    int64_t end = begin + chunk_bytes;
    if (end >= layout_data_bytes(layout)) return layout_data_bytes(layout);
    const struct tensor_entry *tensor = layout_tensor(layout, layout_find(layout, end));
    return end - (end - tensor->begin) % (int64_t)dtype_bytes(tensor->dtype);
}

bool chunk_walk_next(struct chunk_walk *walk, struct chunk_place *place)
{
    struct chunk_place *next = &walk->next;
    int64_t text_bytes = (int64_t)layout_text(walk->layout).size;
    if (next->is_layout && next->begin == text_bytes) {
        next->is_layout = false;
        next->begin = 0;
    }
    if (next->is_layout)
        next->end = text_bytes - next->begin < walk->chunk_bytes ? text_bytes : next->begin + walk->chunk_bytes;
    else if (next->begin == layout_data_bytes(walk->layout))
        return false;
    else
        next->end = data_end(walk->layout, next->begin, walk->chunk_bytes);
    *place = *next;
    next->begin = next->end;
    next->index++;
    return true;
}

int64_t chunks_of_layout(int64_t layout_bytes, int32_t chunk_bytes)
{
    return (layout_bytes + chunk_bytes - 1) / chunk_bytes;
}

int64_t chunks_count(const struct layout *layout, int32_t chunk_bytes)
{
    struct chunk_walk walk;
    struct chunk_place place;
    int64_t count = 0;
    chunk_walk_begin(&walk, layout, chunk_bytes);
    while (chunk_walk_next(&walk, &place)) count++;
    return count;
}
