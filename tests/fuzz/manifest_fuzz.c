/* Any bytes as a signed manifest. What is read is written as the same bytes. */
#include "bundle/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool truth)
{
    if (!truth) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct slice body = slice_of(data, size);
    struct signature signature;
    struct manifest *manifest = NULL;
    struct buf again;
    if (size % 2) signature_split(body, "a manifest", &body, &signature, NULL);
    if (manifest_read(body, &manifest, NULL) != ANB_OK) return 0;
    buf_init(&again, MANIFEST_MAX_BYTES);
    require(manifest_write(manifest, &again, NULL) == ANB_OK);
    require(slice_equal(buf_slice(&again), body));
    for (size_t i = 0; i < manifest->n_files; i++)
        require(manifest_find(manifest, manifest->files[i].path) == &manifest->files[i]);
    buf_fini(&again);
    manifest_free(manifest);
    return 0;
}
