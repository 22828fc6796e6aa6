/* Fetching, on a thread of its own: a job's folder, which is judged (intake.h) and unpacked, then one model after the
 * other, each into a sealed memfd. The owner's thread calls; one fetch at a time. */
#ifndef ANB_CLIENT_DOWNLOAD_H
#define ANB_CLIENT_DOWNLOAD_H

#include "duty.h"
#include "intake.h"
#include "node/node.h"

struct download;

/* `wake(owner)` runs on the worker's thread when a fetch has ended. */
enum anb_status download_new(struct node *node, const struct intake_site *site, void (*wake)(void *owner), void *owner,
                             struct download **download, struct anb_error *err);
void download_free(struct download *download); /* cancels; NULL is fine */

bool download_is_idle(struct download *download);
void download_cancel(struct download *download);
/* Start only when idle. A job folder is judged and, when it may, unpacked into `folder`, which is made new; NULL: only
 * judged. `job` must live until the result is collected. */
void download_bundle(struct download *download, const struct intake_job *job, const char *folder);
/* `expected`: the initial model as it was signed; NULL for all others. */
void download_model(struct download *download, const struct stream_set *streams, const struct manifest_model *expected);

struct download_result {
    bool is_bundle;
    struct stream_set streams;
    enum anb_status status; /* of a bundle: DENIED when the verdict is no */
    struct anb_error err;
    struct intake_verdict verdict; /* of a bundle that came */
    int fd;                        /* the caller's from now on; -1 for a bundle and on failure */
};
/* True once for each fetch. */
bool download_collect(struct download *download, struct download_result *result);
/* The model being fetched; false: none. */
bool download_is_fetching(struct download *download, const struct stream_set *streams);
void download_progress(struct download *download, int64_t *done, int64_t *total);

#endif
