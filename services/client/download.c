#include "download.h"

#include "base/file.h"
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

struct download {
    struct node *node;
    const struct intake_site *site;
    struct worker *worker;
    struct transfer_inbox *inbox; /* the worker's */
    struct transfer_control control;
    const struct intake_job *job; /* whose folder is fetched */
    char folder[PATH_MAX];        /* "": it is only judged */
    struct manifest_model expected;
    bool is_initial;               /* the model must be `expected` */
    struct download_result result; /* `is_bundle` and `streams` are the order, the rest is written by the worker */
};

static enum anb_status receive(struct download *download, bool bare, int fd, struct layout **layout,
                               struct anb_error *err)
{
    struct transfer_target target = {.fd = fd, .bare = bare};
    enum anb_status status = ANB_OK;
    if (!download->inbox) status = transfer_inbox_new(download->node, &download->inbox, err);
    if (status != ANB_OK) return status;
    const struct stream_set *streams = &download->result.streams;
    status = transfer_receive(download->inbox, streams->ids, streams->n, &target, &download->control, err);
    *layout = target.layout;
    return status;
}

static enum anb_status unpack(const struct download *download, int fd, struct anb_error *err)
{
    static const struct bundle_limits limits = {BUNDLE_MAX_FILES, BUNDLE_MAX_BYTES};
    enum anb_status status = file_remove_folder(download->folder, err);
    if (status == ANB_OK) status = file_make_folders(download->folder, err);
    if (status == ANB_OK && lseek(fd, 0, SEEK_SET) != 0) status = anb_fail_errno(err, errno, "cannot read the archive");
    process_hold_births();
    if (status == ANB_OK) status = bundle_unpack(fd, &limits, download->folder, err);
    process_release_births();
    return status;
}

static enum anb_status take_bundle(struct download *download, int fd, const struct layout *layout,
                                   struct anb_error *err)
{
    struct intake_verdict *verdict = &download->result.verdict;
    char reason[INTAKE_REASON_BYTES];
    intake_judge(download->site, download->job, fd, layout, verdict);
    if (intake_denies(&verdict->decision, reason)) return anb_fail(err, ANB_DENIED, "%s", reason);
    return *download->folder ? unpack(download, fd, err) : ANB_OK;
}

static enum anb_status take_model(const struct download *download, int fd, struct anb_error *err)
{
    enum anb_status status = download->is_initial ? intake_check_model(&download->expected, fd, err) : ANB_OK;
    return status == ANB_OK ? update_seal(fd, err) : status;
}

static enum anb_status fetch(struct download *download, int fd, struct anb_error *err)
{
    bool is_bundle = download->result.is_bundle;
    struct layout *layout = NULL;
    enum anb_status status = receive(download, is_bundle, fd, &layout, err);
    if (status == ANB_OK) status = is_bundle ? take_bundle(download, fd, layout, err) : take_model(download, fd, err);
    layout_free(layout);
    if (is_bundle) { /* read once: a reader that stayed would follow the sender, and fetch its models for nobody */
        transfer_inbox_free(download->inbox);
        download->inbox = NULL;
    }
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

enum anb_status download_new(struct node *node, const struct intake_site *site, void (*wake)(void *owner), void *owner,
                             struct download **out, struct anb_error *err)
{
    struct download *download = calloc(1, sizeof *download);
    if (!download) return anb_fail(err, ANB_NO_MEMORY, "no memory for a download");
    const struct worker_config config = {.work = work, .wake = wake, .context = download, .owner = owner};
    download->node = node;
    download->site = site;
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

void download_bundle(struct download *download, const struct intake_job *job, const char *folder)
{
    download->job = job;
    download->result.streams = (struct stream_set){.ids = {job->bundle}, .n = 1};
    snprintf(download->folder, sizeof download->folder, "%s", folder ? folder : "");
    start(download, true);
}

void download_model(struct download *download, const struct stream_set *streams, const struct manifest_model *expected)
{
    download->result.streams = *streams;
    download->is_initial = expected != NULL;
    if (expected) download->expected = *expected;
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
