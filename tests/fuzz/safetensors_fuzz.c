/* Any bytes as a safetensors header: refused, or read into a layout that keeps its promises and whose canonical text
 * gives the same layout again. */
#include "tensor/layout.h"

#include <stdlib.h>

static void check_places(const struct layout *layout)
{
    int64_t at = 0;
    for (size_t i = 0; i < layout_n_tensors(layout); i++) {
        const struct tensor_entry *tensor = layout_tensor(layout, i);
        if (tensor->begin != at || tensor->end < at) abort();
        if (tensor->begin < tensor->end && layout_find(layout, tensor->begin) != i) abort();
        if (tensor->begin < tensor->end && layout_find(layout, tensor->end - 1) != i) abort();
        at = tensor->end;
    }
    if (at != layout_data_bytes(layout)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct layout *layout = NULL, *again = NULL;
    if (layout_parse(slice_of(data, size), &layout, NULL) != ANB_OK) return 0;
    check_places(layout);
    if (layout_text(layout).size > size) abort();
    if (layout_parse(layout_text(layout), &again, NULL) != ANB_OK) abort();
    if (!digest_equal(layout_digest(layout), layout_digest(again))) abort();
    if (!slice_equal(layout_text(layout), layout_text(again))) abort();
    layout_free(layout);
    layout_free(again);
    return 0;
}
