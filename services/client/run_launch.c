/* How the trainer of a run is started: its environment, and what confines it. */
#include "run_private.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_VARIABLES = 256, VARIABLE_MAX_BYTES = 40000 };

/* All that it gets of the agent's: where programs and libraries are, how text looks, which cards to use. */
static const char *const inherited[] = {"PATH",       "LANG",           "LC_ALL",          "TZ",
                                        "PYTHONPATH", "PYTHONUSERBASE", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"};

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
    char temporary[PATH_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s/.tmp", run->folder);
    for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++)
        set_variable(variables, inherited[i], getenv(inherited[i]));
    set_variable(variables, "HOME", run->folder);
    set_variable(variables, "TMPDIR", temporary);
    set_variable(variables, "PYTHONUNBUFFERED", "1");
    for (size_t i = 0; i < run->spec->n_environment; i++)
        set_variable(variables, run->spec->environment[i].name, run->spec->environment[i].text);
    set_variable(variables, "ANABRANCH_SOCKET", run->socket);
}

uid_t run_trainer_uid(const struct run *run)
{
    return run->site->confine->user ? run->site->confine->user->uid : geteuid();
}

/* The command and what confines it, in the audit log before anything of it runs. */
static enum anb_status record_start(const struct run *run, const struct confinement *confinement, struct anb_error *err)
{
    char on[64], detail[AUDIT_DETAIL_BYTES];
    size_t used = (size_t)snprintf(detail, sizeof detail, "%s; command", confinement->text);
    snprintf(on, sizeof on, "job %s", run->job);
    for (size_t i = 0; i < run->spec->n_command && used < sizeof detail; i++)
        used += (size_t)snprintf(detail + used, sizeof detail - used, " %s", run->spec->command[i]);
    const struct audit_event started = {.what = AUDIT_TRAINER_STARTED, .on = on, .detail = detail};
    return audit_write(run->site->audit, &started, err);
}

static enum anb_status start(struct run *run, const char *const *command, const struct variables *variables,
                             struct anb_error *err)
{
    struct confinement confinement;
    enum anb_status status = confine_give(run->site->confine, run->folder, err);
    if (status != ANB_OK) return status;
    status = confine_prepare(run->site->confine, run->folder, &run->limits, &confinement, err);
    if (status != ANB_OK) return status;
    const struct process_config config = {.command = command,
                                          .environment = variables->list,
                                          .folder = run->folder,
                                          .confinement = &confinement,
                                          .line = run_trainer_line,
                                          .ended = run_trainer_ended,
                                          .context = run};
    status = record_start(run, &confinement, err);
    if (status == ANB_OK) status = process_start(run->site->loop, &config, &run->process, err);
    if (status == ANB_OK) status = link_expect(run->link, run_trainer_uid(run), process_id(run->process), err);
    if (status == ANB_OK)
        log_event(LOG_INFO, "trainer-started", "job=%s pid=%d confined=%s", run->job, (int)process_id(run->process),
                  confinement.text);
    confine_fini(&confinement);
    return status;
}

void run_launch(struct run *run)
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
        enum anb_status status = start(run, command, variables, &err);
        if (status == ANB_OK && is_due && run->task.begun_ms == 0) run->task.begun_ms = run_now_ms(run);
        if (status != ANB_OK && is_due)
            run_task_give_up(run, "the trainer cannot be started: %s", err.text);
        else if (status != ANB_OK)
            run_say(run, "the trainer cannot be started: %s", err.text);
    }
    free(variables);
    free(command);
}
