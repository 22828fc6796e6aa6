/* safetensors files (https://huggingface.co/docs/safetensors): 8 bytes little-endian header size, header, data section.
 * Files are read by pread and never mapped: a model costs no memory here. Any thread. */
#ifndef ANB_TENSOR_SAFETENSORS_H
#define ANB_TENSOR_SAFETENSORS_H

#include "tensor/layout.h"

struct safetensors {
    struct layout *layout;
    int64_t data_offset; /* where the data section begins in the file */
};

/* Read and check the head of the file open at `fd`, and that the file is exactly as long as the head says. `name`
 * stands in the error. Free with safetensors_fini. */
enum anb_status safetensors_open(int fd, const char *name, struct safetensors *file, struct anb_error *err);
void safetensors_fini(struct safetensors *file);

/* Append what stands before the data section, padded so that the data begins at a multiple of 64 bytes (mapped views
 * are then aligned). `metadata` may be NULL: pairs of texts, NULL at the end, written as __metadata__. */
enum anb_status safetensors_head(const struct layout *layout, const char *const *metadata, struct buf *out,
                                 struct anb_error *err);

#endif
