/* A model's layout: its tensor table, ordered by place in the data section of a safetensors file.
 *
 * Two models have the same layout when names, dtypes, shapes and order are the same; the digest of the canonical text
 * says so. The canonical text is the safetensors header as JSON without blanks, tensors in data order, each
 * "name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}; __metadata__ is left out. A layout is constant once made:
 * any thread may read it. */
#ifndef ANB_TENSOR_LAYOUT_H
#define ANB_TENSOR_LAYOUT_H

#include "crypto/digest.h"
#include "tensor/dtype.h"

enum { LAYOUT_MAX_BYTES = 5 << 18, LAYOUT_MAX_TENSORS = 10000, LAYOUT_MAX_DIMENSIONS = 16 };

struct tensor_entry {
    const char *name; /* UTF-8, no NUL */
    enum dtype dtype;
    int n_dimensions;
    int64_t *shape;
    int64_t begin, end; /* bytes in the data section */
};

struct layout;

/* Read a safetensors header (the JSON text, blanks behind it are fine). INVALID names the tensor and what is wrong:
 * unknown dtype, shape and bytes that disagree, holes or overlaps, too many tensors or dimensions, the same name twice,
 * not UTF-8. Free with layout_free. */
enum anb_status layout_parse(struct slice header, struct layout **layout, struct anb_error *err);
/* The same, and takes the header's memory over, or frees it before it makes its own: half the memory of layout_parse.
 * `header` is empty afterwards, whatever the outcome. */
enum anb_status layout_take(struct buf *header, struct layout **layout, struct anb_error *err);
/* One u8 tensor for each part, in this order: how plain bytes (a job's archive) travel as a stream. */
struct layout_part {
    const char *name;
    int64_t bytes;
};
enum anb_status layout_of_bytes(const struct layout_part *parts, size_t n_parts, struct layout **layout,
                                struct anb_error *err);
void layout_free(struct layout *layout);

size_t layout_n_tensors(const struct layout *layout);
const struct tensor_entry *layout_tensor(const struct layout *layout, size_t index);
int64_t layout_data_bytes(const struct layout *layout);
struct slice layout_text(const struct layout *layout); /* canonical, lives as long as the layout */
const struct digest *layout_digest(const struct layout *layout);
/* Which tensor holds byte `at` of the data section; zero-sized tensors never do. `at` < layout_data_bytes. O(log n). */
size_t layout_find(const struct layout *layout, int64_t at);

#endif
