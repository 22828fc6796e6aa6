/* Which model to fetch now: the one the task needs, else the one the next task will most likely need, while the
 * aggregators are still writing it. A fetch that nobody wants any more is cancelled. */
#include "run_private.h"

#include "base/log.h"

#include <unistd.h>

void run_model_forget(struct run_model *model)
{
    if (model->fd >= 0) close(model->fd);
    *model = (struct run_model){.fd = -1};
}

static bool is_here(const struct run_model *model, const struct stream_set *streams)
{
    return model->fd >= 0 && stream_set_equal(&model->streams, streams);
}

bool run_has_model(const struct run *run)
{
    return is_here(&run->model, &run->task.base);
}

/* What should be on its way; NULL: nothing. */
static const struct stream_set *wanted(struct run *run, const struct duty *duty)
{
    if (run->task.state == TASK_DUE && !run_has_model(run)) return &run->task.base;
    if (duty->next.n == 0 || is_here(&run->next, &duty->next) || is_here(&run->model, &duty->next)) return NULL;
    return &duty->next;
}

void run_model_step(struct run *run, const struct duty *duty)
{
    if (run->task.state == TASK_DUE && !run_has_model(run) && is_here(&run->next, &run->task.base)) {
        run_model_forget(&run->model);
        run->model = run->next;
        run->next = (struct run_model){.fd = -1};
    }
    const struct stream_set *streams = wanted(run, duty);
    if (!run->unpacked || *run->broken) return;
    if (!download_is_idle(run->download)) {
        if (!streams || !download_is_fetching(run->download, streams)) download_cancel(run->download);
        return;
    }
    bool pause = streams && stream_set_equal(streams, &run->failed) && run_now_ms(run) < run->retry_ms;
    if (!streams || pause) return;
    log_event(LOG_DEBUG, "fetch", "job=%s round=%d ahead=%s", run->job, run->task.round,
              streams == &duty->next ? "true" : "false");
    bool is_initial = streams->n == 1 && id_equal(&streams->ids[0], &run->origin.model);
    download_model(run->download, streams, is_initial ? &run->signed_model : NULL);
}
