/* The trainer of a run: its process, its socket, and its end. */
#include "run_private.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { LINES_PER_S = 200, LINES_AT_ONCE = 2000 };

/* -- its messages */

/* What the trainer says stays in this site's own log. */
static bool keeps_words(const struct run *run)
{
    return filter_chain_withholds(run->scope.chain, FILTER_WITHHELD_WORDS);
}

/* What others get to read of a text of the trainer. */
static const char *for_others(const struct run *run, const char *text)
{
    if (!keeps_words(run) || !*text) return text;
    log_event(LOG_INFO, "trainer-says", "job=%s text=%s", run->job, text);
    return "(the site keeps the trainer's words to itself)";
}

/* A trainer may print or log as much as it likes; the federation's topics and other people's logs take a part of it. */
static bool may_be_heard(struct run *run)
{
    if (keeps_words(run)) return false;
    if (!bucket_take(&run->lines, run_now_ms(run))) {
        run->n_left_out++;
        return false;
    }
    if (run->n_left_out > 0) run_say(run, "%zu lines of the trainer are left out: too many at once", run->n_left_out);
    run->n_left_out = 0;
    return true;
}

static void on_hello(struct run *run, const struct message *message)
{
    struct buf text;
    log_event(LOG_INFO, "trainer-connected", "job=%s library=%s", run->job, message->library);
    buf_init(&text, MESSAGE_MAX_BYTES);
    if (message_write_welcome(run->job, run->spec->name, node_name(run->site->node), run->spec->rounds, &text, NULL) ==
        ANB_OK)
        link_send(run->link, buf_slice(&text), -1);
    buf_fini(&text);
}

static void tell_end(struct run *run)
{
    struct buf text;
    buf_init(&text, MESSAGE_MAX_BYTES);
    if (message_write_end(run->outcome, run->reason, &text, NULL) == ANB_OK) link_send(run->link, buf_slice(&text), -1);
    buf_fini(&text);
}

static void on_next(struct run *run)
{
    run->asked = true;
    if (run->term_ms)
        tell_end(run);
    else
        run_task_offer(run);
}

static void on_message(void *context, const struct message *message, int *fd)
{
    struct run *run = context;
    switch (message->kind) {
    case MESSAGE_HELLO: on_hello(run, message); break;
    case MESSAGE_NEXT: on_next(run); break;
    case MESSAGE_RESULT: run_task_result(run, message, fd); break;
    case MESSAGE_LOG:
        if (!filter_chain_withholds(run->scope.chain, FILTER_WITHHELD_METRICS) && may_be_heard(run))
            node_telemetry(run->site->node, run->job, run->task.round, "metric", message->key, message->value,
                           message->step, NULL);
        break;
    case MESSAGE_FAILED:
        if (run->task.state == TASK_DUE || run->task.state == TASK_GIVEN)
            run_task_give_up(run, "the trainer says: %s", for_others(run, message->reason));
        else if (may_be_heard(run))
            run_say(run, "the trainer says: %s", message->reason);
        break;
    }
    run->site->wake(run->site->owner);
}

static void on_gone(void *context)
{
    struct run *run = context;
    run->asked = false;
}

enum anb_status run_trainer_listen(struct run *run, struct anb_error *err)
{
    const struct link_handler handler = {.message = on_message, .gone = on_gone, .context = run};
    run->lines = (struct bucket){.per_s = LINES_PER_S, .burst = LINES_AT_ONCE};
    enum anb_status status = link_new(run->site->loop, run->socket, &handler, &run->link, err);
    return status == ANB_OK ? link_expect(run->link, run_trainer_uid(run), 0, err) : status;
}

/* -- its process */

void run_trainer_line(void *context, const char *source, const char *text)
{
    struct run *run = context;
    if (may_be_heard(run))
        node_telemetry(run->site->node, run->job, run->task.round, source, NULL, 0, -1, text);
    else if (keeps_words(run))
        log_event(LOG_INFO, "trainer-line", "job=%s source=%s text=%s", run->job, source, text);
}

/* The limit that the site set and that ended it; NULL: none did. */
static const char *limit_reached(const struct run *run, int wait_status)
{
    int number = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
    bool used_up = run->limits.cpu_s > 0 && process_cpu_ms(run->process) >= run->limits.cpu_s * 1000;
    if (number == SIGXCPU || (number == SIGKILL && used_up)) return "it has used up its processor time (cpu_s)";
    if (number == SIGXFSZ) return "it has written a file larger than allowed (disk_mib)";
    return NULL;
}

/* Killed from outside, it is started again for the same task: training from the same model gives the same result. */
static bool is_revived(struct run *run, int wait_status)
{
    if (!WIFSIGNALED(wait_status) || (WTERMSIG(wait_status) != SIGKILL && WTERMSIG(wait_status) != SIGTERM))
        return false;
    return run->task.revivals++ < MAX_REVIVALS;
}

struct ending {
    char how[64], last[LINE_MAX_BYTES + 8];
    const char *limit;
    bool was_due;
};

static void close_process(struct run *run, const char *how)
{
    size_t n_strays = process_n_strays(run->process);
    if (run->n_left_out > 0) run_say(run, "%zu lines of the trainer are left out: too many at once", run->n_left_out);
    if (n_strays > 0) run_say(run, "%zu processes that the trainer had left behind were killed", n_strays);
    log_event(LOG_INFO, "trainer-ended", "job=%s how=%s cpu_ms=%lld strays=%zu", run->job, how,
              (long long)process_cpu_ms(run->process), n_strays);
    process_free(run->process);
    run->process = NULL;
    run->asked = false;
    run->n_left_out = 0;
    *run->given = '\0';
    run->term_ms = run->kill_ms = 0;
    link_hang_up(run->link);
    link_expect(run->link, run_trainer_uid(run), 0, NULL);
}

static void tell_ending(struct run *run, const struct ending *ending, int wait_status)
{
    if (ending->was_due && !run->ending) {
        if (!ending->limit && is_revived(run, wait_status)) {
            run_say(run, "the trainer was %s and is started again", ending->how);
            run->task.state = TASK_DUE;
        } else {
            run_task_give_up(run, "the trainer ended before its result: %s%s%s%s%.250s", ending->how,
                             ending->limit ? ", " : "", ending->limit ? ending->limit : "",
                             *ending->last ? "; last line: " : "", ending->last);
        }
    } else if (wait_status != 0 && !run->ending) {
        run_say(run, "the trainer ended: %s%s%s", ending->how, ending->limit ? ", " : "",
                ending->limit ? ending->limit : "");
    }
}

void run_trainer_ended(void *context, int wait_status)
{
    struct run *run = context;
    struct ending ending = {.limit = limit_reached(run, wait_status)};
    ending.was_due =
        run->task.state == TASK_GIVEN || (run->task.state == TASK_DUE && run->launched_for == run->task.round);
    process_status_text(wait_status, ending.how);
    snprintf(ending.last, sizeof ending.last, "%s", for_others(run, process_last_line(run->process)));
    run_audit(run, AUDIT_TRAINER_ENDED, wait_status == 0 ? "ok" : "failed", ending.how, NULL);
    close_process(run, ending.how);
    tell_ending(run, &ending, wait_status);
    run->site->wake(run->site->owner);
}

/* The site's bound on one task. */
static void check_time(struct run *run, int64_t now_ms)
{
    bool is_open = run->task.state == TASK_DUE || run->task.state == TASK_GIVEN;
    if (run->limits.wall_s == 0 || !is_open || run->task.begun_ms == 0) return;
    if (now_ms < run->task.begun_ms + run->limits.wall_s * 1000) return;
    run_task_give_up(run, "the trainer took longer than the %lld s that this site allows for a task (wall_s)",
                     (long long)run->limits.wall_s);
    process_signal(run->process, SIGTERM);
    run->term_ms = INT64_MAX;
    run->kill_ms = now_ms + KILL_MS;
}

static bool must_launch(const struct run *run)
{
    if (run->process || run->ending || !run->unpacked) return false;
    return run->task.state == TASK_DUE || (run->spec->launch == LAUNCH_JOB && !run->was_launched);
}

void run_trainer_step(struct run *run)
{
    int64_t now_ms = run_now_ms(run);
    if (must_launch(run)) run_launch(run);
    if (!run->process) return;
    check_time(run, now_ms);
    if (run->term_ms && now_ms >= run->term_ms) {
        process_signal(run->process, SIGTERM);
        run->term_ms = INT64_MAX;
    }
    if (run->kill_ms && now_ms >= run->kill_ms) process_signal(run->process, SIGKILL);
}

void run_trainer_wind_down(struct run *run, const char *outcome, const char *reason, int64_t grace_ms)
{
    snprintf(run->outcome, sizeof run->outcome, "%s", outcome);
    snprintf(run->reason, sizeof run->reason, "%s", reason);
    if (!run->process) return;
    run->term_ms = run_now_ms(run) + grace_ms;
    run->kill_ms = run->term_ms + KILL_MS;
    if (link_is_connected(run->link)) tell_end(run);
}
