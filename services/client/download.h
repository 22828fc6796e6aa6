/* Fetching, on a thread of its own: a job's folder, then one model after the other, each into a sealed memfd. The
 * owner's thread calls; one fetch at a time. */
#ifndef ANB_CLIENT_DOWNLOAD_H
#define ANB_CLIENT_DOWNLOAD_H

#include "duty.h"
#include "node/node.h"

struct download;

/* `wake(owner)` runs on the worker's thread when a fetch has ended. */
enum anb_status download_new(struct node *node, void (*wake)(void *owner), void *owner, struct download **download,
                             struct anb_error *err);
void download_free(struct download *download); /* cancels; NULL is fine */

bool download_is_idle(struct download *download);
void download_cancel(struct download *download);
/* Start only when idle. A bundle is checked against its digest and unpacked into `folder`, which is made new. */
void download_bundle(struct download *download, const struct id *stream, const struct digest *digest,
                     const char *folder);
void download_model(struct download *download, const struct stream_set *streams);

struct download_result {
    bool is_bundle;
    struct stream_set streams;
    enum anb_status status;
    struct anb_error err;
    int fd; /* the caller's from now on; -1 for a bundle and on failure */
};
/* True once for each fetch. */
bool download_collect(struct download *download, struct download_result *result);
/* The model being fetched; false: none. */
bool download_is_fetching(struct download *download, const struct stream_set *streams);
void download_progress(struct download *download, int64_t *done, int64_t *total);

#endif
