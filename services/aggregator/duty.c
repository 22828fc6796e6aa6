#include "duty.h"

#include <string.h>

/* The set that this attempt folds is there: every site of it has opened its update. */
static bool all_are_open(const struct round_state *round)
{
    size_t n = 0;
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        if (!part->counts) continue;
        if (part->phase != PART_OPENED && part->phase != PART_CLOSED) return false;
        n++;
    }
    return n > 0;
}

static const struct share_state *share_of(const struct round_state *round, const char *node)
{
    for (size_t i = 0; i < round->n_shares; i++)
        if (strcmp(round->shares[i].node, node) == 0) return &round->shares[i];
    return NULL;
}

/* The round of `job` that `node` works on, or NULL. */
static const struct round_state *open_round(const struct job_state *job, const char *node)
{
    const struct round_state *round = job ? job_round(job) : NULL;
    if (!round || job->phase != JOB_RUNNING || round->phase != ROUND_OPEN || round->task != TASK_TRAIN) return NULL;
    const struct share_state *share = share_of(round, node);
    return share && !share->closed && share->partitions ? round : NULL;
}

static bool copy_inputs(const struct federation *federation, const struct round_state *round, struct arena *arena,
                        struct duty *duty)
{
    duty->inputs = arena_alloc_array(arena, round->n_parts, sizeof *duty->inputs);
    if (!duty->inputs) return false;
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        if (!part->counts) continue;
        const struct stream_state *stream = federation_stream(federation, &part->stream);
        struct duty_input *input = &duty->inputs[duty->n_inputs++];
        *input = (struct duty_input){arena_text(arena, slice_of_text(part->site)), part->stream, part->is_heard,
                                     part->weight};
        if (!input->site || !stream) return false;
        duty->needs_base |= stream->params_type == PARAMS_TYPE_DIFF;
    }
    return true;
}

static bool copy_duty(const struct federation *federation, const struct job_state *job, const struct round_state *round,
                      const char *node, struct arena *arena, struct duty *duty)
{
    *duty = (struct duty){.round = round->round,
                          .attempt = round->attempt,
                          .partitions = share_of(round, node)->partitions,
                          .job = arena_text(arena, slice_of_text(job->id)),
                          .rule = arena_text(arena, slice_of_text(job->spec->rule)),
                          .base = arena_alloc_array(arena, round->n_base, sizeof *duty->base),
                          .n_base = round->n_base};
    if (!duty->job || !duty->rule || !duty->base) return false;
    memcpy(duty->base, round->base, round->n_base * sizeof *duty->base);
    return copy_inputs(federation, round, arena, duty);
}

bool duty_find(const struct federation *federation, const char *node, bool (*is_taken)(void *context, const char *job),
               void *context, struct arena *arena, struct duty *duty)
{
    for (size_t i = 0; i < federation_n_jobs(federation); i++) {
        const struct job_state *job = federation_job_at(federation, i);
        const struct round_state *round = open_round(job, node);
        if (!round || !all_are_open(round) || is_taken(context, job->id)) continue;
        return copy_duty(federation, job, round, node, arena, duty);
    }
    return false;
}

static const struct part_state *part_of(const struct round_state *round, const char *site)
{
    for (size_t i = 0; i < round->n_parts; i++)
        if (strcmp(round->parts[i].site, site) == 0) return &round->parts[i];
    return NULL;
}

size_t duty_hear(const struct federation *federation, struct duty *duty)
{
    const struct job_state *job = federation_job(federation, duty->job);
    const struct round_state *round = job ? job_round(job) : NULL;
    size_t first = duty->n_inputs;
    for (size_t i = duty->n_inputs; i > 0; i--) {
        struct duty_input *input = &duty->inputs[i - 1];
        const struct part_state *part = round && !input->is_heard ? part_of(round, input->site) : NULL;
        if (part && id_equal(&part->stream, &input->stream)) {
            input->is_heard = part->is_heard;
            input->weight = part->weight;
        }
        if (!input->is_heard) first = i - 1;
    }
    return first;
}

bool duty_is_current(const struct federation *federation, const char *node, const struct duty *duty)
{
    const struct round_state *round = open_round(federation_job(federation, duty->job), node);
    if (!round || round->round != duty->round || round->attempt != duty->attempt) return false;
    for (size_t i = 0; i < duty->n_inputs; i++) {
        const struct part_state *part = part_of(round, duty->inputs[i].site);
        if (!part || (part->phase != PART_OPENED && part->phase != PART_CLOSED)) return false;
        if (!id_equal(&part->stream, &duty->inputs[i].stream)) return false;
    }
    return true;
}
