/* The task of a round: due, given to the trainer, its result sent; or given up with a reason that the log keeps. */
#include "run_private.h"

#include "base/log.h"
#include "update.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void run_task_give_up(struct run *run, const char *format, ...)
{
    struct run_task *task = &run->task;
    if (task->state == TASK_NONE || task->state == TASK_LOST) return;
    va_list values;
    va_start(values, format);
    vsnprintf(task->reason, sizeof task->reason, format, values);
    va_end(values);
    task->state = TASK_LOST;
    run_say(run, "round %d is given up: %s", task->round, task->reason);
}

/* The log learns why; tried again at the next turn when the broker is away. */
static void tell_reason(struct run *run)
{
    struct run_task *task = &run->task;
    struct anb_error err;
    if (task->state != TASK_LOST || !*task->reason) return;
    struct record record = {
        .kind = RECORD_STREAM_ABANDONED,
        .is.stream_abandoned = {.job = run->job, .round = task->round, .gives_up = true, .reason = task->reason}};
    if (node_append(run->site->node, &record, false, &err) == ANB_OK)
        *task->reason = '\0';
    else
        log_event(LOG_WARN, "not-appended", "job=%s reason=%s", run->job, err.text);
}

static void begin(struct run *run, const struct duty *duty)
{
    if (!upload_is_idle(run->upload)) return; /* of the last round, cancelled: next turn */
    upload_drop(run->upload);
    run->resend_ms = 0;
    run->task = (struct run_task){
        .state = TASK_DUE, .round = duty->round, .attempt = duty->attempt, .task = duty->task, .base = duty->base};
    snprintf(run->task.id, sizeof run->task.id, "%d-%s", duty->round, task_words[duty->task]);
    log_event(LOG_DEBUG, "task-due", "job=%s task=%s", run->job, run->task.id);
}

/* The log asks for it no more. A result that is on its way has been closed, or is in vain: the state says the same. */
static void let_go(struct run *run)
{
    enum task_state state = run->task.state;
    if (state == TASK_SENDING) upload_cancel(run->upload);
    if (state == TASK_DUE || state == TASK_GIVEN)
        log_event(LOG_INFO, "task-lost", "job=%s round=%d", run->job, run->task.round);
    run->task.state = state == TASK_NONE ? TASK_NONE : TASK_LOST;
}

static struct upload_order order_of(const struct run *run)
{
    return (struct upload_order){
        .job = run->job, .round = run->task.round, .attempt = run->task.attempt, .base = run->task.base};
}

/* What leaves the site is written down before it does. */
static void send_result(struct run *run)
{
    struct anb_error err;
    struct upload_order order = order_of(run);
    char detail[160];
    snprintf(detail, sizeof detail, "%s, attempt %d, %lld bytes from the trainer, %s%s", run->task.id,
             run->task.attempt, (long long)run->task.bytes, run->scope.chain ? "filters of scope " : "no filters",
             run->scope.chain ? run->scope.name : "");
    run->resend_ms = 0;
    if (run_audit(run, AUDIT_UPDATE_SENT, "ok", detail, &err) == ANB_OK)
        upload_start(run->upload, &order);
    else
        run_task_give_up(run, "%s", err.text);
}

static void record_end(struct run *run, enum anb_status status, const char *reason)
{
    char detail[AUDIT_DETAIL_BYTES];
    snprintf(detail, sizeof detail, "%s%s%s", run->task.id, *reason ? ": " : "", reason);
    run_audit(run, AUDIT_UPDATE_ENDED, anb_status_word(status), detail, NULL);
}

/* Training for an update that may not leave would be in vain. */
static void check_budget(struct run *run)
{
    struct anb_error err;
    if (run->task.state != TASK_DUE || run->task.task != TASK_TRAIN || !run->scope.chain) return;
    if (scope_can_afford(&run->scope, &err) != ANB_OK) run_task_give_up(run, "%s", err.text);
}

void run_task_step(struct run *run, const struct duty *duty, bool settled)
{
    struct run_task *task = &run->task;
    if (duty->kind != DUTY_TASK || duty->round != task->round) {
        let_go(run);
        if (duty->kind == DUTY_TASK) begin(run, duty);
    } else if (task->state == TASK_SENT && settled) {
        run_task_give_up(run, "the control log does not take the result of round %d", task->round);
    } else {
        task->attempt = duty->attempt;
    }
    if (task->state == TASK_DUE && *run->broken) run_task_give_up(run, "%s", run->broken);
    check_budget(run);
    bool again = task->state == TASK_SENDING && run->resend_ms > 0 && run_now_ms(run) >= run->resend_ms;
    if (again && settled) send_result(run);
    tell_reason(run);
}

enum anb_status run_task_collect(struct run *run, struct anb_error *err)
{
    enum anb_status status;
    struct anb_error why;
    if (!upload_collect(run->upload, &status, &why) || run->task.state != TASK_SENDING) return ANB_OK;
    record_end(run, status, status == ANB_OK ? "" : why.text);
    if (status == ANB_OK) {
        run->task.state = TASK_SENT;
        log_event(LOG_DEBUG, "result-sent", "job=%s task=%s", run->job, run->task.id);
        upload_drop(run->upload);
    } else if (status == ANB_FATAL) {
        return anb_fail(err, ANB_FATAL, "the result of job %s cannot be sent: %s", run->job, why.text);
    } else if (anb_status_class(status) == ANB_CLASS_RETRY) {
        run->resend_ms = run_now_ms(run) + RETRY_MS;
    } else {
        run_task_give_up(run, "the result cannot be sent: %s", why.text);
    }
    return ANB_OK;
}

/* -- with the trainer */

void run_task_offer(struct run *run)
{
    struct run_task *task = &run->task;
    bool is_open = task->state == TASK_DUE || task->state == TASK_GIVEN;
    if (!run->asked || !is_open || !run_has_model(run) || !link_is_connected(run->link) || run->term_ms) return;
    const struct message_task message = {task->id, task->task, task->round, run->spec->rounds};
    struct buf text;
    buf_init(&text, MESSAGE_MAX_BYTES);
    run->asked = false;
    if (message_write_task(&message, &text, NULL) == ANB_OK) {
        task->state = TASK_GIVEN;
        strcpy(run->given, task->id);
        if (task->begun_ms == 0) task->begun_ms = run_now_ms(run);
        log_event(LOG_DEBUG, "task-given", "job=%s task=%s", run->job, task->id);
        link_send(run->link, buf_slice(&text), run->model.fd);
    }
    buf_fini(&text);
}

static void accept_result(struct run *run, const char *task, bool late)
{
    struct buf text;
    *run->given = '\0';
    buf_init(&text, MESSAGE_MAX_BYTES);
    if (message_write_accepted(task, late, &text, NULL) == ANB_OK) link_send(run->link, buf_slice(&text), -1);
    buf_fini(&text);
    if (run->spec->launch == LAUNCH_TASK && !run->ending)
        run_trainer_wind_down(run, "completed", "the task is done", run->site->grace_ms);
}

/* The model that the trainer was given, for the filters: the run lets go of its own descriptor. */
static enum anb_status share_base(const struct run *run, int *fd, struct anb_error *err)
{
    if (!run->scope.chain) return ANB_OK;
    *fd = fcntl(run->model.fd, F_DUPFD_CLOEXEC, 0);
    return *fd >= 0 ? ANB_OK : anb_fail_errno(err, errno, "no descriptor for the filters");
}

static enum anb_status keep_model(struct run *run, const struct message *message, int *fd, struct anb_error *err)
{
    struct upload_order order = order_of(run);
    struct upload_model model = {.fd = *fd, .base_fd = -1};
    enum anb_status status = update_check(*fd, &model.file, err);
    if (status != ANB_OK) return status;
    status = share_base(run, &model.base_fd, err);
    if (status == ANB_OK) status = upload_keep(run->upload, message, &order, &run->scope, &model, err);
    if (status == ANB_OK) {
        run->task.bytes = layout_data_bytes(model.file.layout);
        *fd = -1;
        return status;
    }
    if (model.base_fd >= 0) close(model.base_fd);
    safetensors_fini(&model.file);
    return status;
}

/* Takes *fd when all is well. */
static enum anb_status keep(struct run *run, const struct message *message, int *fd, struct anb_error *err)
{
    struct upload_order order = order_of(run);
    const struct upload_model none = {.fd = -1, .base_fd = -1};
    bool train = run->task.task == TASK_TRAIN;
    if (train && *fd < 0) return anb_fail(err, ANB_INVALID, "the result of a train task needs a model");
    if (!train && !message->has_metrics)
        return anb_fail(err, ANB_INVALID, "the result of an evaluate task needs metrics");
    if (train) return keep_model(run, message, fd, err);
    return upload_keep(run->upload, message, &order, &run->scope, &none, err);
}

void run_task_result(struct run *run, const struct message *message, int *fd)
{
    struct run_task *task = &run->task;
    struct anb_error err;
    if (strcmp(message->task, run->given) != 0) {
        link_refuse(run->link, message->task, "this task is not open");
    } else if (task->state != TASK_GIVEN || strcmp(message->task, task->id) != 0) {
        accept_result(run, message->task, true);
    } else if (keep(run, message, fd, &err) != ANB_OK) {
        link_refuse(run->link, message->task, err.text);
    } else {
        if (message->n_unusable > 0) run_say(run, "%zu metrics are no numbers and left out", message->n_unusable);
        task->state = TASK_SENDING;
        run_model_forget(&run->model);
        send_result(run);
        accept_result(run, message->task, false);
    }
}
