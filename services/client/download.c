#include "download.h"

#include "base/file.h"
#include "bundle/bundle.h"
#include "node/transfer.h"
#include "process.h"
#include "update.h"
#include "worker.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIGEST_STEP_BYTES = 65536 };

struct download {
    struct node *node;
    struct worker *worker;
    struct transfer_inbox *inbox; /* the worker's */
    struct transfer_control control;
    struct digest digest;
    char folder[PATH_MAX];
    struct download_result result; /* `is_bundle` and `streams` are the order, the rest is written by the worker */
};

static enum anb_status receive(struct download *download, bool bare, int fd, struct anb_error *err)
{
    struct transfer_target target = {.fd = fd, .bare = bare};
    enum anb_status status = ANB_OK;
    if (!download->inbox) status = transfer_inbox_new(download->node, &download->inbox, err);
    if (status != ANB_OK) return status;
    const struct stream_set *streams = &download->result.streams;
    status = transfer_receive(download->inbox, streams->ids, streams->n, &target, &download->control, err);
    layout_free(target.layout);
    return status;
}

static enum anb_status check_digest(const struct download *download, int fd, struct anb_error *err)
{
    char bytes[DIGEST_STEP_BYTES];
    struct digest found;
    struct digest_context *context = digest_new();
    if (!context) return anb_fail(err, ANB_NO_MEMORY, "no memory for a digest");
    ssize_t got;
    for (off_t at = 0; (got = pread(fd, bytes, sizeof bytes, at)) > 0; at += got)
        digest_update(context, slice_of(bytes, (size_t)got));
    enum anb_status status =
        got < 0 ? anb_fail_errno(err, errno, "cannot read the job folder") : digest_finish(context, &found, err);
    digest_free(context);
    if (status != ANB_OK) return status;
    if (digest_equal(&found, &download->digest)) return ANB_OK;
    return anb_fail(err, ANB_CORRUPT, "the job folder that came is not the one that was submitted: its digest differs");
}

static enum anb_status unpack(const struct download *download, int fd, struct anb_error *err)
{
    const struct bundle_limits limits = {BUNDLE_MAX_FILES, BUNDLE_MAX_BYTES};
    enum anb_status status = file_remove_folder(download->folder, err);
    if (status == ANB_OK) status = file_make_folders(download->folder, err);
    if (status == ANB_OK && lseek(fd, 0, SEEK_SET) != 0) status = anb_fail_errno(err, errno, "cannot read the archive");
    process_hold_births();
    if (status == ANB_OK) status = bundle_unpack(fd, &limits, download->folder, err);
    process_release_births();
    return status;
}

static enum anb_status fetch(struct download *download, int fd, struct anb_error *err)
{
    bool is_bundle = download->result.is_bundle;
    enum anb_status status = receive(download, is_bundle, fd, err);
    if (status == ANB_OK && is_bundle) status = check_digest(download, fd, err);
    if (status == ANB_OK) status = is_bundle ? unpack(download, fd, err) : update_seal(fd, err);
    return status;
}

static void work(void *context)
{
    struct download *download = context;
    struct download_result *result = &download->result;
    int fd = -1;
    result->status = update_new_memfd(result->is_bundle ? "anabranch-bundle" : "anabranch-model", &fd, &result->err);
    if (result->status == ANB_OK) result->status = fetch(download, fd, &result->err);
    if (fd >= 0 && (result->is_bundle || result->status != ANB_OK)) {
        close(fd);
        fd = -1;
    }
    result->fd = fd;
}

enum anb_status download_new(struct node *node, void (*wake)(void *owner), void *owner, struct download **out,
                             struct anb_error *err)
{
    struct download *download = calloc(1, sizeof *download);
    if (!download) return anb_fail(err, ANB_NO_MEMORY, "no memory for a download");
    const struct worker_config config = {.work = work, .wake = wake, .context = download, .owner = owner};
    download->node = node;
    download->result.fd = -1;
    enum anb_status status = worker_new(&config, &download->worker, err);
    if (status == ANB_OK)
        *out = download;
    else
        free(download);
    return status;
}

void download_free(struct download *download)
{
    if (!download) return;
    download_cancel(download);
    worker_free(download->worker);
    if (download->result.fd >= 0) close(download->result.fd); /* nobody collected it */
    transfer_inbox_free(download->inbox);
    free(download);
}

bool download_is_idle(struct download *download)
{
    return worker_is_idle(download->worker);
}

void download_cancel(struct download *download)
{
    atomic_store(&download->control.cancel, true);
}

static void start(struct download *download, bool is_bundle)
{
    atomic_store(&download->control.cancel, false);
    atomic_store(&download->control.bytes_done, 0);
    atomic_store(&download->control.bytes_total, 0);
    download->result.is_bundle = is_bundle;
    worker_start(download->worker);
}

void download_bundle(struct download *download, const struct id *stream, const struct digest *digest,
                     const char *folder)
{
    download->digest = *digest;
    download->result.streams = (struct stream_set){.ids = {*stream}, .n = 1};
    snprintf(download->folder, sizeof download->folder, "%s", folder);
    start(download, true);
}

void download_model(struct download *download, const struct stream_set *streams)
{
    download->result.streams = *streams;
    start(download, false);
}

bool download_collect(struct download *download, struct download_result *result)
{
    if (!worker_collect(download->worker)) return false;
    *result = download->result;
    download->result.fd = -1;
    return true;
}

bool download_is_fetching(struct download *download, const struct stream_set *streams)
{
    return !worker_is_idle(download->worker) && !download->result.is_bundle &&
           stream_set_equal(&download->result.streams, streams);
}

void download_progress(struct download *download, int64_t *done, int64_t *total)
{
    *done = atomic_load(&download->control.bytes_done);
    *total = atomic_load(&download->control.bytes_total);
}
