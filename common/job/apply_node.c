/* Nodes come and go, and one of the servers leads. */
#include "job/federation_private.h"

#include <stdlib.h>
#include <string.h>

static struct node_state *insert_node(struct federation *federation, const char *name)
{
    size_t size = strlen(name) + 1;
    struct node_state *node = calloc(1, sizeof *node + size), **link = &federation->nodes;
    if (!node) return NULL;
    node->name = memcpy(node + 1, name, size);
    while (*link && strcmp((*link)->name, name) < 0) link = &(*link)->next;
    node->next = *link;
    *link = node;
    federation->n_nodes++;
    return node;
}

static bool is_orphan_of(const struct stream_state *stream, const void *context)
{
    const struct apply *apply = context;
    return stream->sender == apply->node->name && !job_find(apply->federation, stream->job);
}

static void abandon_if_open(struct stream_state *stream, void *context)
{
    struct apply *apply = context;
    if (stream->sender == apply->node->name && stream->phase == STREAM_OPEN) stream_abandon(apply, stream);
}

/* What the process that is gone left behind: it will never close what it opened, and a submission that it was busy
 * with will never come. */
static void end_incarnation(struct apply *apply)
{
    struct federation *federation = apply->federation;
    streams_forget(federation, is_orphan_of, apply);
    streams_each(federation, abandon_if_open, apply);
    if (federation->leader == apply->node->name) federation->leader = NULL;
}

enum anb_status apply_node_up(struct apply *apply, const struct node_up *record)
{
    struct federation *federation = apply->federation;
    if (apply->node && record->head.incarnation <= apply->node->incarnation)
        return refuse(apply, REFUSAL_STALE_INCARNATION, ANB_EXISTS, "%s is at incarnation %lld already, not %lld",
                      apply->node->name, (long long)apply->node->incarnation, (long long)record->head.incarnation);
    if (!apply->node && federation->n_nodes == MAX_NODES)
        return refuse(apply, REFUSAL_UNKNOWN_NODE, ANB_DENIED, "%s is one node too many: %d are known",
                      record->head.node, MAX_NODES);
    if (!apply->node) apply->node = insert_node(federation, record->head.node);
    if (!apply->node) return out_of_memory(apply);
    end_incarnation(apply);
    apply->node->role = record->role;
    apply->node->up = true;
    apply->node->incarnation = record->head.incarnation;
    apply->node->sequence = record->head.sequence;
    apply->node->activity[0] = '\0';
    apply->node->pulse_time_ms = 0;
    word_copy(apply->node->version, sizeof apply->node->version, record->version);
    mark_seen(apply);
    return ANB_OK;
}

enum anb_status apply_node_down(struct apply *apply, const struct node_down *record)
{
    (void)record;
    end_incarnation(apply);
    apply->node->up = false;
    apply->node->activity[0] = '\0';
    return ANB_OK;
}

/* No rule of a chain is checked here: a log that began anew is what others are to see. */
enum anb_status apply_audit_head(struct apply *apply, const struct audit_head *record)
{
    struct node_state *node = apply->node;
    if (record->line < 1)
        return refuse(apply, REFUSAL_BAD_RECORD, ANB_INVALID, "%s has an audit log of %lld lines", node->name,
                      (long long)record->line);
    if (!apply->federation->keep_history) return ANB_OK;
    if (!node->audit_marks) node->audit_marks = calloc(AUDIT_MARKS, sizeof *node->audit_marks);
    if (!node->audit_marks) return out_of_memory(apply);
    if (node->n_audit_marks == AUDIT_MARKS)
        memmove(node->audit_marks, node->audit_marks + 1, --node->n_audit_marks * sizeof *node->audit_marks);
    node->audit_marks[node->n_audit_marks++] = (struct audit_mark){record->line, record->digest, record->head.time_ms};
    return ANB_OK;
}

/* What it has closed was said before; what it opened is given up, and nobody waits for it. */
static void exclude(struct apply *apply, const char *reason)
{
    struct federation *federation = apply->federation;
    for (size_t i = 0; i < federation->n_jobs; i++) {
        struct job_state *job = federation->jobs[i];
        struct round_state *round = job->phase == JOB_RUNNING ? round_current(job) : NULL;
        struct part_state *part = round ? part_find(round, apply->node->name) : NULL;
        if (!part || round->phase != ROUND_OPEN) continue;
        part_exclude(apply, round, part, WHY_FAILED, reason);
        job_touch(apply, job);
    }
}

void dismiss_node(struct apply *apply, const char *reason)
{
    exclude(apply, reason);
    end_incarnation(apply);
    apply->node->up = false;
    apply->node->activity[0] = '\0';
}

enum anb_status apply_leader_claimed(struct apply *apply, const struct leader_claimed *record)
{
    struct federation *federation = apply->federation;
    if (apply->node->role != ROLE_SERVER)
        return refuse(apply, REFUSAL_WRONG_ROLE, ANB_DENIED, "%s is no server and cannot lead", apply->node->name);
    if (record->head.epoch <= federation->epoch)
        return refuse(apply, REFUSAL_STALE_EPOCH, ANB_EXISTS, "%s claims epoch %lld, but %lld is taken",
                      apply->node->name, (long long)record->head.epoch, (long long)federation->epoch);
    federation->epoch = record->head.epoch;
    federation->leader = apply->node->name;
    federation->leader_since_ms = apply->now_ms;
    return ANB_OK;
}
