/* Streams: opened, closed, abandoned, and what that means for a site's part or an aggregator's share. */
#include "job/federation_private.h"
#include "wire/wire.h"

#include <stdio.h>
#include <string.h>

/* -- giving up */

static struct round_state *round_of_stream(const struct apply *apply, const struct stream_state *stream,
                                           struct job_state **job)
{
    *job = job_find(apply->federation, stream->job);
    struct round_state *round = *job ? round_current(*job) : NULL;
    return round && round->round == stream->round ? round : NULL;
}

void stream_abandon(struct apply *apply, struct stream_state *stream)
{
    struct job_state *job;
    struct round_state *round = round_of_stream(apply, stream, &job);
    if (!stream_move(stream, STREAM_ABANDONED) || !round) return;
    struct part_state *part = part_find(round, stream->sender);
    struct share_state *share = share_find(round, stream->sender);
    if (part && id_equal(&part->stream, &stream->id) && part_move(part, PART_WAITING)) part->stream = (struct id){{0}};
    if (share && id_equal(&share->stream, &stream->id)) share->stream = (struct id){{0}};
    job_touch(apply, job);
}

enum anb_status part_exclude(struct apply *apply, struct round_state *round, struct part_state *part, enum why why,
                             const char *reason)
{
    static const char *const general[] = {"it gave up", "its update does not fit the model",
                                          "an aggregator cannot use its update", "nothing came in time"};
    struct stream_box *box = stream_find(apply->federation, &part->stream);
    if (part->phase == PART_CLOSED || part->phase == PART_EXCLUDED) return ANB_OK;
    part->why = why;
    part->reason = text_copy(round_arena(round), *reason ? reason : general[why]);
    if (!part->reason) return out_of_memory(apply);
    if (box) stream_move(&box->state, STREAM_ABANDONED);
    part->stream = (struct id){{0}};
    part_move(part, PART_EXCLUDED);
    return ANB_OK;
}

/* -- open */

static bool is_zero(const struct stream_opened *record)
{
    return record->layout_bytes == 0 && record->data_bytes == 0 && record->chunk_count == 0;
}

static bool read_partitions(const struct stream_opened *record, int32_t n_partitions, uint64_t *partitions)
{
    *partitions = 0;
    for (size_t i = 0; i < record->n_partitions; i++) {
        int32_t partition = record->partitions[i];
        if (partition < 0 || partition >= n_partitions || *partitions >> partition & 1) return false;
        *partitions |= (uint64_t)1 << partition;
    }
    return true;
}

static bool sizes_are_plausible(const struct stream_opened *record)
{
    if (record->layout_bytes < 0 || record->data_bytes < 0 || record->chunk_count < 0) return false;
    if (record->chunk_count == 0) return is_zero(record);
    if (record->chunk_bytes < 1 || record->chunk_count > INT32_MAX) return false;
    return record->data_bytes <= INT64_MAX - record->layout_bytes &&
           record->layout_bytes + record->data_bytes <= record->chunk_count * record->chunk_bytes;
}

static bool offsets_are_plausible(const struct stream_opened *record, int32_t n_partitions)
{
    for (size_t i = 0; i < record->n_start_offsets; i++)
        if (record->start_offsets[i] < 0) return false;
    return record->n_start_offsets == (size_t)n_partitions;
}

struct count_context {
    const struct stream_opened *record;
    size_t n;
};

static void count_try(struct stream_state *stream, void *context)
{
    struct count_context *count = context;
    count->n += stream->round == count->record->round && strcmp(stream->sender, count->record->head.node) == 0 &&
                strcmp(stream->job, count->record->job) == 0;
}

static enum anb_status check_stream(struct apply *apply, const struct stream_opened *record, uint64_t *partitions)
{
    int32_t n_partitions = apply->federation->partitions;
    struct count_context count = {record, 0};
    char text[ID_TEXT_BYTES];
    bool encoding_fits = record->encoding == STREAM_ENCODING_PLAIN || record->purpose == PURPOSE_UPDATE;
    if (id_is_zero(&record->stream) || !encoding_fits || !sizes_are_plausible(record) ||
        !offsets_are_plausible(record, n_partitions) || !read_partitions(record, n_partitions, partitions))
        return refuse(apply, REFUSAL_BAD_STREAM, ANB_INVALID,
                      "%s opens stream %s with sizes or an encoding that cannot be", apply->node->name,
                      id_text(&record->stream, text));
    if (stream_find(apply->federation, &record->stream))
        return refuse(apply, REFUSAL_REPEATED_STREAM, ANB_EXISTS, "stream %s was opened before",
                      id_text(&record->stream, text));
    streams_each(apply->federation, count_try, &count);
    if (count.n < MAX_STREAMS_OF_A_SENDER) return ANB_OK;
    return refuse(apply, REFUSAL_TOO_MANY_STREAMS, ANB_DENIED, "%s opened %zu streams in round %d of job %.32s",
                  apply->node->name, count.n, record->round, record->job);
}

static void keep_wrap(const struct federation *federation, const struct stream_opened *record,
                      struct stream_state *stream)
{
    for (size_t i = 0; federation->self && i < record->n_receivers; i++)
        if (strcmp(record->receivers[i].node, federation->self) == 0) stream->wrap = record->receivers[i].wrap;
}

static enum anb_status add_stream(struct apply *apply, const struct stream_opened *record, uint64_t partitions)
{
    struct digest core;
    enum anb_status status = stream_core(record, &core, apply->err);
    if (status != ANB_OK) return status;
    struct stream_box *box = stream_new(apply->federation, &record->stream);
    if (!box) return out_of_memory(apply);
    struct stream_state *stream = &box->state;
    snprintf(box->job, sizeof box->job, "%s", record->job);
    stream->sender = apply->node->name;
    stream->incarnation = apply->node->incarnation;
    stream->round = record->round;
    stream->attempt = record->attempt;
    stream->purpose = record->purpose;
    stream->params_type = record->params_type;
    stream->encoding = record->encoding;
    stream->layout_digest = record->layout_digest;
    stream->layout_bytes = record->layout_bytes;
    stream->data_bytes = record->data_bytes;
    stream->chunk_count = record->chunk_count;
    stream->chunk_bytes = record->chunk_bytes;
    stream->partitions = partitions;
    stream->weight = record->weight;
    stream->roster_version = record->roster_version;
    stream->core = core;
    stream->commitment = record->key_commitment;
    keep_wrap(apply->federation, record, stream);
    stream->opened_at = apply->offset;
    stream->closed_at = -1;
    memcpy(stream->start_offsets, record->start_offsets, record->n_start_offsets * sizeof *record->start_offsets);
    return ANB_OK;
}

/* A bundle or an initial model: a server sends it before it submits the job. */
static enum anb_status open_beginning(struct apply *apply, const struct stream_opened *record, uint64_t partitions)
{
    unsigned char id[(JOB_ID_BYTES - 1) / 2];
    if (apply->node->role != ROLE_SERVER)
        return refuse(apply, REFUSAL_WRONG_ROLE, ANB_DENIED, "%s is no server and cannot begin a job",
                      apply->node->name);
    if (!hex_decode(record->job, id, sizeof id) || partitions != all_partitions(apply->federation))
        return refuse(apply, REFUSAL_BAD_STREAM, ANB_INVALID, "%s opens a stream for job \"%.32s\" that cannot be",
                      apply->node->name, record->job);
    if (job_find(apply->federation, record->job))
        return refuse(apply, REFUSAL_LATE, ANB_EXISTS, "job %s was submitted before", record->job);
    return add_stream(apply, record, partitions);
}

static enum anb_status exclude_and_refuse(struct apply *apply, struct job_state *job, struct round_state *round,
                                          struct part_state *part, enum refusal refusal, const char *reason)
{
    enum anb_status status = part_exclude(apply, round, part, WHY_UNFIT, reason);
    if (status != ANB_OK) return status;
    job_touch(apply, job);
    return refuse(apply, refusal, ANB_INVALID, "job %s round %d: %s: %s", job->id, round->round, part->site, reason);
}

static bool fits_base(const struct stream_state *base, const struct stream_opened *record)
{
    return digest_equal(&base->layout_digest, &record->layout_digest) && base->layout_bytes == record->layout_bytes &&
           base->data_bytes == record->data_bytes && base->chunk_bytes == record->chunk_bytes &&
           base->chunk_count == record->chunk_count;
}

static void describe_misfit(const struct stream_state *base, const struct stream_opened *record, char text[256])
{
    char theirs[DIGEST_TEXT_BYTES], ours[DIGEST_TEXT_BYTES];
    if (digest_equal(&base->layout_digest, &record->layout_digest))
        snprintf(text, 256, "same layout, but %lld chunks of %d bytes, where the model has %lld of %d",
                 (long long)record->chunk_count, record->chunk_bytes, (long long)base->chunk_count, base->chunk_bytes);
    else
        snprintf(text, 256, "layout %s is not the model's, which is %s", digest_text(&record->layout_digest, theirs),
                 digest_text(&base->layout_digest, ours));
}

static const struct stream_state *base_of(const struct federation *federation, const struct round_state *round)
{
    const struct stream_box *box = round->n_base > 0 ? stream_find(federation, &round->base[0]) : NULL;
    return box ? &box->state : NULL;
}

/* What an update must be to count; a site that sends another is excluded from the round. */
static enum anb_status check_update(struct apply *apply, struct job_state *job, struct round_state *round,
                                    struct part_state *part, const struct stream_opened *record, uint64_t partitions)
{
    const struct stream_state *base = base_of(apply->federation, round);
    char reason[256];
    if (round->task == TASK_EVALUATE && !is_zero(record))
        return exclude_and_refuse(apply, job, round, part, REFUSAL_BAD_LAYOUT, "sends a model where metrics are asked");
    if (round->task == TASK_EVALUATE) return ANB_OK;
    if (!base || !fits_base(base, record)) {
        snprintf(reason, sizeof reason, "the model is gone");
        if (base) describe_misfit(base, record, reason);
        return exclude_and_refuse(apply, job, round, part, REFUSAL_BAD_LAYOUT, reason);
    }
    if (partitions == all_partitions(apply->federation)) return ANB_OK;
    return exclude_and_refuse(apply, job, round, part, REFUSAL_BAD_STREAM, "does not send all partitions");
}

static enum anb_status open_update(struct apply *apply, struct job_state *job, struct round_state *round,
                                   const struct stream_opened *record, uint64_t partitions)
{
    struct part_state *part = part_find(round, apply->node->name);
    if (!part)
        return refuse(apply, REFUSAL_NOT_A_SITE, ANB_DENIED, "job %s round %d: %s does not take part", job->id,
                      round->round, apply->node->name);
    if (part->phase == PART_EXCLUDED)
        return refuse(apply, REFUSAL_EXCLUDED, ANB_EXISTS, "job %s round %d: %s is excluded: %s", job->id, round->round,
                      part->site, part->reason);
    if (part->phase == PART_CLOSED)
        return refuse(apply, REFUSAL_REPEATED_STREAM, ANB_EXISTS, "job %s round %d: the update of %s counts already",
                      job->id, round->round, part->site);
    enum anb_status status = check_update(apply, job, round, part, record, partitions);
    if (status == ANB_OK) status = add_stream(apply, record, partitions);
    if (status != ANB_OK) return status;
    struct stream_box *former = stream_find(apply->federation, &part->stream);
    if (former) stream_move(&former->state, STREAM_ABANDONED);
    part->stream = record->stream;
    part->is_heard = !apply->unheard;
    part->weight = record->weight;
    part_move(part, PART_OPENED);
    job_touch(apply, job);
    return ANB_OK;
}

static enum anb_status check_model(struct apply *apply, const struct job_state *job, const struct round_state *round,
                                   const struct stream_opened *record, uint64_t partitions)
{
    const struct share_state *share = share_find(round, apply->node->name);
    const struct stream_state *base = base_of(apply->federation, round);
    if (record->attempt < round->attempt)
        return refuse(apply, REFUSAL_LATE, ANB_EXISTS, "job %s round %d: attempt %d is over, it is %d now", job->id,
                      round->round, record->attempt, round->attempt);
    if (record->attempt > round->attempt || apply->node->role != ROLE_AGGREGATOR || !share ||
        share->partitions != partitions)
        return refuse(apply, REFUSAL_NOT_A_SHARE, ANB_DENIED, "job %s round %d: %s has no such share", job->id,
                      round->round, apply->node->name);
    if (share->closed)
        return refuse(apply, REFUSAL_REPEATED_STREAM, ANB_EXISTS, "job %s round %d: the share of %s is closed already",
                      job->id, round->round, share->node);
    if (!base || !fits_base(base, record))
        return refuse(apply, REFUSAL_BAD_LAYOUT, ANB_INVALID, "job %s round %d: the model of %s has another layout",
                      job->id, round->round, share->node);
    return ANB_OK;
}

static enum anb_status open_model(struct apply *apply, struct job_state *job, struct round_state *round,
                                  const struct stream_opened *record, uint64_t partitions)
{
    enum anb_status status = check_model(apply, job, round, record, partitions);
    if (status == ANB_OK) status = add_stream(apply, record, partitions);
    if (status != ANB_OK) return status;
    struct share_state *share = share_find(round, apply->node->name);
    struct stream_box *former = stream_find(apply->federation, &share->stream);
    if (former) stream_move(&former->state, STREAM_ABANDONED);
    share->stream = record->stream;
    job_touch(apply, job);
    return ANB_OK;
}

enum anb_status apply_stream_opened(struct apply *apply, const struct stream_opened *record)
{
    struct job_state *job;
    uint64_t partitions = 0;
    bool begins = record->round == -1 && (record->purpose == PURPOSE_MODEL || record->purpose == PURPOSE_BUNDLE);
    enum anb_status status = check_stream(apply, record, &partitions);
    if (status != ANB_OK) return status;
    if (begins) return open_beginning(apply, record, partitions);
    status = find_job(apply, record->job, &job);
    if (status != ANB_OK) return status;
    struct round_state *round = round_current(job);
    if (job->phase != JOB_RUNNING || !round || round->round != record->round || round->phase != ROUND_OPEN)
        return refuse(apply, REFUSAL_LATE, ANB_EXISTS, "job %s: round %d is not open", job->id, record->round);
    if (record->purpose == PURPOSE_UPDATE) return open_update(apply, job, round, record, partitions);
    if (record->purpose == PURPOSE_MODEL && round->task == TASK_TRAIN)
        return open_model(apply, job, round, record, partitions);
    return refuse(apply, REFUSAL_BAD_STREAM, ANB_INVALID, "job %s round %d: no %s is asked for", job->id, round->round,
                  purpose_words[record->purpose]);
}

/* -- close */

/* How many of the object's chunks lie in the partition: j mod n_partitions == partition. */
static int64_t chunks_in(int64_t chunk_count, int32_t partition, int32_t n_partitions)
{
    return chunk_count <= partition ? 0 : (chunk_count - 1 - partition) / n_partitions + 1;
}

static bool mark_is_plausible(const struct stream_state *stream, const struct mark *mark, int32_t n_partitions)
{
    if (mark->count != chunks_in(stream->chunk_count, mark->partition, n_partitions)) return false;
    if (mark->count == 0) return mark->first_offset == -1 && mark->last_offset == -1;
    return mark->first_offset >= stream->start_offsets[mark->partition] && mark->last_offset >= mark->first_offset &&
           mark->last_offset - mark->first_offset >= mark->count - 1;
}

/* Each partition that the stream covers, once, by partition. */
static bool marks_are_plausible(const struct stream_state *stream, const struct stream_closed *record,
                                int32_t n_partitions)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < record->n_marks; i++) {
        const struct mark *mark = &record->marks[i];
        if (mark->partition < 0 || mark->partition >= n_partitions || seen >> mark->partition != 0) return false;
        if (!mark_is_plausible(stream, mark, n_partitions)) return false;
        seen |= (uint64_t)1 << mark->partition;
    }
    return seen == stream->partitions;
}

static enum anb_status find_stream(struct apply *apply, const struct id *id, struct stream_box **box)
{
    char text[ID_TEXT_BYTES];
    *box = stream_find(apply->federation, id);
    if (!*box)
        return refuse(apply, REFUSAL_UNKNOWN_STREAM, ANB_EXISTS, "stream %s is not known, or forgotten",
                      id_text(id, text));
    if ((*box)->state.sender == apply->node->name) return ANB_OK;
    return refuse(apply, REFUSAL_UNKNOWN_STREAM, ANB_DENIED, "stream %s is of %s, not of %s", id_text(id, text),
                  (*box)->state.sender, apply->node->name);
}

static enum anb_status check_close(struct apply *apply, const struct stream_state *stream,
                                   const struct stream_closed *record)
{
    char text[ID_TEXT_BYTES];
    id_text(&stream->id, text);
    if (stream->phase == STREAM_CLOSED)
        return refuse(apply, REFUSAL_REPEATED_STREAM, ANB_EXISTS, "stream %s was closed before", text);
    if (stream->phase == STREAM_ABANDONED)
        return refuse(apply, REFUSAL_ABANDONED_STREAM, ANB_EXISTS, "stream %s was abandoned", text);
    if (strcmp(stream->job, record->job) != 0 || stream->round != record->round)
        return refuse(apply, REFUSAL_BAD_STREAM, ANB_INVALID, "stream %s is of another job or round", text);
    if (!marks_are_plausible(stream, record, apply->federation->partitions))
        return refuse(apply, REFUSAL_BAD_MARKS, ANB_INVALID, "stream %s of %s is closed with marks that cannot be",
                      text, stream->sender);
    return ANB_OK;
}

static enum anb_status close_part(struct apply *apply, struct job_state *job, struct round_state *round,
                                  const struct stream_closed *record)
{
    struct part_state *part = part_find(round, apply->node->name);
    if (!copy_metrics(round_arena(round), record->metrics, record->n_metrics, &part->metrics, &part->n_metrics))
        return out_of_memory(apply);
    part_move(part, PART_CLOSED);
    job_touch(apply, job);
    return ANB_OK;
}

/* A model may stand only on updates that stand: what it was folded from must be closed before it. */
static enum anb_status close_share(struct apply *apply, struct job_state *job, struct round_state *round)
{
    if (!round_updates_are_closed(round))
        return refuse(apply, REFUSAL_ILLEGAL_MOVE, ANB_INVALID,
                      "job %s round %d: %s closes its share before all updates are closed", job->id, round->round,
                      apply->node->name);
    share_find(round, apply->node->name)->closed = true;
    job_touch(apply, job);
    return ANB_OK;
}

enum anb_status apply_stream_closed(struct apply *apply, const struct stream_closed *record)
{
    struct stream_box *box;
    struct job_state *job;
    enum anb_status status = find_stream(apply, &record->stream, &box);
    if (status == ANB_OK) status = check_close(apply, &box->state, record);
    if (status != ANB_OK) return status;
    struct stream_state *stream = &box->state;
    struct round_state *round = round_of_stream(apply, stream, &job);
    if (round && stream->purpose == PURPOSE_UPDATE) status = close_part(apply, job, round, record);
    if (round && stream->purpose == PURPOSE_MODEL) status = close_share(apply, job, round);
    if (status != ANB_OK) return status;
    for (size_t i = 0; i < record->n_marks; i++) stream->marks[record->marks[i].partition] = record->marks[i];
    stream->closed_at = apply->offset;
    stream_move(stream, STREAM_CLOSED);
    return ANB_OK;
}

/* -- what becomes known later */

static struct part_state *part_of_stream(const struct federation *federation, const struct id *id,
                                         struct round_state **round)
{
    const struct stream_box *box = stream_find(federation, id);
    struct job_state *job = box ? job_find(federation, box->job) : NULL;
    *round = job ? round_current(job) : NULL;
    struct part_state *part = *round ? part_find(*round, box->state.sender) : NULL;
    return part && id_equal(&part->stream, id) ? part : NULL;
}

static void hear_opened(struct federation *federation, const struct stream_opened *record)
{
    struct round_state *round;
    struct part_state *part = part_of_stream(federation, &record->stream, &round);
    if (!part || part->is_heard || strcmp(part->site, record->head.node) != 0) return;
    part->is_heard = true;
    part->weight = stream_find(federation, &record->stream)->state.weight = record->weight;
}

static void hear_closed(struct federation *federation, const struct stream_closed *record)
{
    struct round_state *round;
    struct part_state *part = part_of_stream(federation, &record->stream, &round);
    if (!part || part->n_metrics > 0 || strcmp(part->site, record->head.node) != 0) return;
    if (!copy_metrics(round_arena(round), record->metrics, record->n_metrics, &part->metrics, &part->n_metrics))
        part->n_metrics = 0;
}

void federation_hear(struct federation *federation, const struct record *record)
{
    if (record->kind == RECORD_STREAM_OPENED) hear_opened(federation, &record->is.stream_opened);
    if (record->kind == RECORD_STREAM_CLOSED) hear_closed(federation, &record->is.stream_closed);
}

/* -- abandon */

static bool is_stream(const struct stream_state *stream, const void *context)
{
    return stream == context;
}

static enum anb_status add_give_up(struct apply *apply, struct job_state *job, struct round_state *round,
                                   const char *reason)
{
    if (round->n_give_ups == MAX_PARTITIONS)
        return refuse(apply, REFUSAL_ILLEGAL_MOVE, ANB_INVALID, "job %s round %d: too many aggregators gave up",
                      job->id, round->round);
    struct give_up *give_up = &round->give_ups[round->n_give_ups];
    give_up->node = apply->node->name;
    give_up->reason = text_copy(round_arena(round), reason);
    if (!give_up->reason) return out_of_memory(apply);
    round->n_give_ups++;
    job_touch(apply, job);
    return ANB_OK;
}

static enum anb_status give_up(struct apply *apply, const struct stream_abandoned *record)
{
    struct job_state *job;
    enum anb_status status = find_job(apply, record->job, &job);
    if (status != ANB_OK) return status;
    struct round_state *round = round_current(job);
    if (job->phase != JOB_RUNNING || !round || round->round != record->round || round->phase != ROUND_OPEN)
        return refuse(apply, REFUSAL_LATE, ANB_EXISTS, "job %s: round %d is not open", job->id, record->round);
    struct part_state *part = part_find(round, apply->node->name);
    struct share_state *share = share_find(round, apply->node->name);
    if (part && (part->phase == PART_CLOSED || part->phase == PART_EXCLUDED))
        return refuse(apply, REFUSAL_LATE, ANB_EXISTS, "job %s round %d: %s is %s already", job->id, round->round,
                      part->site, part_machine.states[part->phase]);
    if (part) {
        job_touch(apply, job);
        return part_exclude(apply, round, part, WHY_FAILED, record->reason);
    }
    if (share && !share->closed && !round_give_up(round, share->node))
        return add_give_up(apply, job, round, record->reason);
    return refuse(apply, REFUSAL_NOT_A_SITE, ANB_EXISTS, "job %s round %d: %s has nothing to give up", job->id,
                  round->round, apply->node->name);
}

/* An aggregator of this round cannot use a site's update: damaged, or not what was promised. Closed or not, it does not
 * count. */
static enum anb_status void_update(struct apply *apply, struct stream_state *stream, const char *reason)
{
    char text[REASON_MAX_BYTES];
    struct job_state *job;
    struct round_state *round = round_of_stream(apply, stream, &job);
    struct part_state *part = round ? part_find(round, stream->sender) : NULL;
    if (!part || round->phase != ROUND_OPEN || !id_equal(&part->stream, &stream->id) ||
        !share_find(round, apply->node->name))
        return refuse(apply, REFUSAL_NOT_A_SHARE, ANB_DENIED, "%s folds no update of %s now", apply->node->name,
                      stream->sender);
    snprintf(text, sizeof text, "%s cannot use its update%s%s", apply->node->name, *reason ? ": " : "", reason);
    part->why = WHY_UNUSABLE;
    part->reason = text_copy(round_arena(round), text);
    if (!part->reason) return out_of_memory(apply);
    stream_move(stream, STREAM_ABANDONED);
    part->stream = (struct id){{0}};
    part_move(part, PART_EXCLUDED);
    job_touch(apply, job);
    return ANB_OK;
}

enum anb_status apply_stream_abandoned(struct apply *apply, const struct stream_abandoned *record)
{
    if (id_is_zero(&record->stream) && record->gives_up) return give_up(apply, record);
    struct stream_box *box = stream_find(apply->federation, &record->stream);
    if (box && box->state.sender != apply->node->name && apply->node->role == ROLE_AGGREGATOR)
        return void_update(apply, &box->state, record->reason);
    enum anb_status status = find_stream(apply, &record->stream, &box);
    if (status == ANB_OK && box->state.phase != STREAM_OPEN)
        status = refuse(apply, REFUSAL_ABANDONED_STREAM, ANB_EXISTS, "%s abandons a stream that is %s already",
                        apply->node->name, stream_machine.states[box->state.phase]);
    if (status != ANB_OK) return status;
    stream_abandon(apply, &box->state);
    if (!job_find(apply->federation, box->job)) streams_forget(apply->federation, is_stream, &box->state);
    return record->gives_up ? give_up(apply, record) : ANB_OK;
}
