#include "duty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool contains(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool has_answered(const struct job_state *job, const char *site)
{
    for (size_t i = 0; i < job->n_answers; i++)
        if (strcmp(job->answers[i].site, site) == 0) return true;
    return false;
}

static const struct part_state *part_of(const struct round_state *round, const char *site)
{
    for (size_t i = 0; round && i < round->n_parts; i++)
        if (strcmp(round->parts[i].site, site) == 0) return &round->parts[i];
    return NULL;
}

static void copy_streams(struct stream_set *set, const struct id *ids, size_t n)
{
    if (n > MAX_PARTITIONS) return;
    memcpy(set->ids, ids, n * sizeof *ids);
    set->n = n;
}

/* The streams the aggregators are writing, once all have begun: the next model, unless the round is cut. */
static void copy_shares(struct stream_set *set, const struct round_state *round)
{
    for (size_t i = 0; i < round->n_shares; i++)
        if (id_is_zero(&round->shares[i].stream)) return;
    if (round->n_shares > MAX_PARTITIONS) return;
    for (size_t i = 0; i < round->n_shares; i++) set->ids[i] = round->shares[i].stream;
    set->n = round->n_shares;
}

static void foresee(const struct job_state *job, const struct round_state *round, struct duty *duty)
{
    if (!round)
        copy_streams(&duty->next, &job->model, 1);
    else if (round->task != TASK_TRAIN || (round->round + 1 >= job->spec->rounds && !job->spec->final_evaluation))
        return;
    else if (round->phase == ROUND_OPEN)
        copy_shares(&duty->next, round);
    else
        copy_streams(&duty->next, round->model, round->n_model);
}

static void duty_while_running(const struct job_state *job, const char *site, struct duty *duty)
{
    const struct round_state *round = job_round(job);
    const struct part_state *part = part_of(round, site);
    duty->kind = DUTY_STAND_BY;
    foresee(job, round, duty);
    if (!part || round->phase != ROUND_OPEN) return;
    if (part->phase != PART_WAITING && part->phase != PART_OPENED) return;
    duty->kind = DUTY_TASK;
    duty->task = round->task;
    duty->round = round->round;
    duty->attempt = round->attempt;
    copy_streams(&duty->base, round->base, round->n_base);
}

void duty_of(const struct job_state *job, const char *site, struct duty *duty)
{
    *duty = (struct duty){.kind = DUTY_NONE, .round = -1};
    if (!job || job->phase == JOB_ENDED) {
        duty->kind = DUTY_END;
        duty->outcome = job ? job->outcome : OUTCOME_ABORTED;
        snprintf(duty->reason, sizeof duty->reason, "%s", job && job->reason ? job->reason : "");
    } else if (job->phase == JOB_SUBMITTED) {
        bool invited = job->spec->n_site_names == 0 ||
                       contains((const char *const *)job->spec->site_names, job->spec->n_site_names, site);
        if (invited && !has_answered(job, site)) duty->kind = DUTY_ANSWER;
    } else if (contains((const char *const *)job->sites, job->n_sites, site)) {
        duty_while_running(job, site, duty);
    }
}

bool stream_set_equal(const struct stream_set *a, const struct stream_set *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        bool found = false;
        for (size_t j = 0; j < b->n && !found; j++) found = id_equal(&a->ids[i], &b->ids[j]);
        if (!found) return false;
    }
    return true;
}

static bool is_in_path(const char *program, const char *path)
{
    char file[4096];
    for (const char *at = path; at && *at;) {
        size_t n = strcspn(at, ":");
        int size = snprintf(file, sizeof file, "%.*s/%s", (int)n, at, program);
        if (size > 0 && (size_t)size < sizeof file && access(file, X_OK) == 0) return true;
        at += n + (at[n] == ':');
    }
    return false;
}

bool duty_refusal(const struct job_spec *spec, const char *path, char reason[256])
{
    const char *program = spec->n_command > 0 ? spec->command[0] : "";
    bool from_bundle = strchr(program, '/') && program[0] != '/';
    bool there = program[0] == '/' ? access(program, X_OK) == 0 : from_bundle || is_in_path(program, path);
    if (!there) snprintf(reason, 256, "the trainer's program \"%.100s\" is not on this site", program);
    return !there;
}
