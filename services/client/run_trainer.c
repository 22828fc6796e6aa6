/* The trainer of a run: its process, its socket, and its end. */
#include "run_private.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { MAX_VARIABLES = 256, VARIABLE_MAX_BYTES = 40000 };

/* -- its messages */

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
        node_telemetry(run->site->node, run->job, run->task.round, "metric", message->key, message->value,
                       message->step, NULL);
        break;
    case MESSAGE_FAILED:
        if (run->task.state == TASK_DUE || run->task.state == TASK_GIVEN)
            run_task_give_up(run, "the trainer says: %s", message->reason);
        else
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
    return link_new(run->site->loop, run->socket, &handler, &run->link, err);
}

/* -- its process */

static void on_line(void *context, const char *source, const char *text)
{
    struct run *run = context;
    node_telemetry(run->site->node, run->job, run->task.round, source, NULL, 0, -1, text);
}

/* Killed from outside, it is started again for the same task: training from the same model gives the same result. */
static bool is_revived(struct run *run, int wait_status)
{
    if (!WIFSIGNALED(wait_status) || (WTERMSIG(wait_status) != SIGKILL && WTERMSIG(wait_status) != SIGTERM))
        return false;
    return run->task.revivals++ < MAX_REVIVALS;
}

static void on_ended(void *context, int wait_status)
{
    struct run *run = context;
    char how[64], last[LINE_MAX_BYTES + 8];
    bool was_due =
        run->task.state == TASK_GIVEN || (run->task.state == TASK_DUE && run->launched_for == run->task.round);
    process_status_text(wait_status, how);
    snprintf(last, sizeof last, "%s", process_last_line(run->process));
    process_free(run->process);
    run->process = NULL;
    run->asked = false;
    *run->given = '\0';
    run->term_ms = run->kill_ms = 0;
    link_hang_up(run->link);
    log_event(LOG_INFO, "trainer-ended", "job=%s how=%s", run->job, how);
    if (was_due && !run->ending) {
        if (is_revived(run, wait_status)) {
            run_say(run, "the trainer was %s and is started again", how);
            run->task.state = TASK_DUE;
        } else {
            run_task_give_up(run, "the trainer ended before its result: %s%s%.250s", how, *last ? "; last line: " : "",
                             last);
        }
    } else if (wait_status != 0 && !run->ending) {
        run_say(run, "the trainer ended: %s", how);
    }
    run->site->wake(run->site->owner);
}

struct variables {
    char bytes[VARIABLE_MAX_BYTES];
    size_t used;
    const char *list[MAX_VARIABLES + 1];
    size_t n;
};

/* Later ones of the same name win; what does not fit is left out (job files have a bound far below). */
static void set_variable(struct variables *variables, const char *name, const char *text)
{
    size_t name_bytes = strlen(name), at = 0;
    int size = text ? snprintf(NULL, 0, "%s=%s", name, text) : -1;
    if (size < 0 || variables->used + (size_t)size + 1 > sizeof variables->bytes) return;
    char *variable = variables->bytes + variables->used;
    sprintf(variable, "%s=%s", name, text);
    while (at < variables->n &&
           (strncmp(variables->list[at], name, name_bytes) != 0 || variables->list[at][name_bytes] != '='))
        at++;
    if (at == MAX_VARIABLES) return;
    variables->list[at] = variable;
    if (at == variables->n) variables->n++;
    variables->used += (size_t)size + 1;
}

static void fill_environment(const struct run *run, struct variables *variables)
{
    static const char *const inherited[] = {"PATH", "HOME", "LANG", "PYTHONPATH"};
    for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++)
        set_variable(variables, inherited[i], getenv(inherited[i]));
    set_variable(variables, "PYTHONUNBUFFERED", "1");
    for (size_t i = 0; i < run->spec->n_environment; i++)
        set_variable(variables, run->spec->environment[i].name, run->spec->environment[i].text);
    set_variable(variables, "ANABRANCH_SOCKET", run->socket);
}

static void launch(struct run *run)
{
    struct anb_error err;
    struct variables *variables = calloc(1, sizeof *variables);
    const char **command = calloc(run->spec->n_command + 1, sizeof *command);
    bool is_due = run->task.state == TASK_DUE;
    run->was_launched = true;
    run->launched_for = is_due ? run->task.round : -1;
    if (variables && command) {
        memcpy(command, run->spec->command, run->spec->n_command * sizeof *command);
        fill_environment(run, variables);
        const struct process_config config = {command, variables->list, run->folder, on_line, on_ended, run};
        if (process_start(run->site->loop, &config, &run->process, &err) == ANB_OK)
            log_event(LOG_INFO, "trainer-started", "job=%s pid=%d", run->job, (int)process_id(run->process));
        else if (is_due)
            run_task_give_up(run, "the trainer cannot be started: %s", err.text);
        else
            run_say(run, "the trainer cannot be started: %s", err.text);
    }
    free(variables);
    free(command);
}

static bool must_launch(const struct run *run)
{
    if (run->process || run->ending || !run->unpacked) return false;
    return run->task.state == TASK_DUE || (run->spec->launch == LAUNCH_JOB && !run->was_launched);
}

void run_trainer_step(struct run *run)
{
    int64_t now_ms = run_now_ms(run);
    if (must_launch(run)) launch(run);
    if (!run->process) return;
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
