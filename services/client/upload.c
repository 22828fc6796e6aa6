#include "upload.h"

#include "node/transfer.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct upload {
    struct node *node;
    struct worker *worker;
    struct transfer_control control;
    struct arena texts; /* names of the metrics */
    struct metric metrics[PART_MAX_METRICS];
    size_t n_metrics;
    enum params_type params_type;
    double weight;
    int fd; /* -1: metrics alone */
    struct safetensors file;
    struct filtering *filtering; /* NULL: it leaves as it is */
    char job[32];
    struct upload_order order;
    enum anb_status status; /* written by the worker */
    struct anb_error err;
};

static void work(void *context)
{
    struct upload *upload = context;
    struct id stream;
    const struct transfer_filter *filter = NULL;
    upload->status = upload->filtering ? filtering_prepare(upload->filtering, &filter, &upload->err) : ANB_OK;
    if (upload->status != ANB_OK) return;
    const struct transfer_offer offer = {.job = upload->job,
                                         .round = upload->order.round,
                                         .attempt = upload->order.attempt,
                                         .purpose = PURPOSE_UPDATE,
                                         .params_type = filter ? PARAMS_TYPE_DIFF : upload->params_type,
                                         .weight = upload->weight,
                                         .base = upload->order.base.ids,
                                         .n_base = upload->order.base.n,
                                         .metrics = upload->metrics,
                                         .n_metrics = upload->n_metrics,
                                         .filter = filter};
    upload->status = transfer_send(upload->node, &offer, upload->file.layout, upload->fd, upload->file.data_offset,
                                   &upload->control, &stream, &upload->err);
}

enum anb_status upload_new(struct node *node, void (*wake)(void *owner), void *owner, struct upload **out,
                           struct anb_error *err)
{
    struct upload *upload = calloc(1, sizeof *upload);
    if (!upload) return anb_fail(err, ANB_NO_MEMORY, "no memory for an upload");
    const struct worker_config config = {.work = work, .wake = wake, .context = upload, .owner = owner};
    upload->node = node;
    upload->fd = -1;
    arena_init(&upload->texts, 2 * MESSAGE_MAX_BYTES);
    enum anb_status status = worker_new(&config, &upload->worker, err);
    if (status == ANB_OK)
        *out = upload;
    else
        free(upload);
    return status;
}

void upload_free(struct upload *upload)
{
    if (!upload) return;
    upload_cancel(upload);
    worker_free(upload->worker);
    upload_drop(upload);
    arena_fini(&upload->texts);
    free(upload);
}

/* Last of all, so that nothing is taken when something fails. */
static enum anb_status take_model(struct upload *upload, const struct message *message,
                                  const struct upload_order *order, const struct scope *scope,
                                  const struct upload_model *model, struct anb_error *err)
{
    snprintf(upload->job, sizeof upload->job, "%s", order->job);
    upload->file = model->file;
    const struct filtering_result result = {.scope = scope,
                                            .file = &upload->file,
                                            .fd = model->fd,
                                            .base_fd = model->base_fd,
                                            .is_change = message->params_type == PARAMS_TYPE_DIFF,
                                            .job = upload->job,
                                            .round = order->round};
    enum anb_status status = ANB_OK;
    if (model->fd >= 0 && scope->chain) status = filtering_new(&result, &upload->filtering, err);
    if (status == ANB_OK)
        upload->fd = model->fd;
    else
        upload->file = (struct safetensors){0};
    return status;
}

enum anb_status upload_keep(struct upload *upload, const struct message *message, const struct upload_order *order,
                            const struct scope *scope, const struct upload_model *model, struct anb_error *err)
{
    upload_drop(upload);
    for (size_t i = 0; i < message->n_metrics; i++) {
        const char *name = arena_text(&upload->texts, slice_of_text(message->metrics[i].name));
        if (!name) return anb_fail(err, ANB_NO_MEMORY, "no memory for metrics");
        upload->metrics[i] = (struct metric){.name = name, .value = message->metrics[i].value};
    }
    upload->n_metrics = filter_chain_withholds(scope->chain, FILTER_WITHHELD_METRICS) ? 0 : message->n_metrics;
    upload->params_type = message->params_type;
    upload->weight = filter_chain_withholds(scope->chain, FILTER_WITHHELD_WEIGHT) ? 1 : message->weight;
    return take_model(upload, message, order, scope, model, err);
}

void upload_start(struct upload *upload, const struct upload_order *order)
{
    atomic_store(&upload->control.cancel, false);
    atomic_store(&upload->control.bytes_done, 0);
    upload->order = *order;
    worker_start(upload->worker);
}

void upload_drop(struct upload *upload)
{
    filtering_free(upload->filtering);
    upload->filtering = NULL;
    safetensors_fini(&upload->file);
    upload->file = (struct safetensors){0};
    if (upload->fd >= 0) close(upload->fd);
    upload->fd = -1;
    upload->n_metrics = 0;
    arena_reset(&upload->texts);
}

bool upload_is_idle(struct upload *upload)
{
    return worker_is_idle(upload->worker);
}

void upload_cancel(struct upload *upload)
{
    atomic_store(&upload->control.cancel, true);
}

bool upload_collect(struct upload *upload, enum anb_status *status, struct anb_error *err)
{
    if (!worker_collect(upload->worker)) return false;
    *status = upload->status;
    *err = upload->err;
    return true;
}

void upload_progress(struct upload *upload, int64_t *done, int64_t *total)
{
    *done = atomic_load(&upload->control.bytes_done);
    *total = atomic_load(&upload->control.bytes_total);
}
