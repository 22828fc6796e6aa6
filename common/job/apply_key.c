/* Keys of streams that come later: a node that may open a stream and has no wrap asks; the sender gives, or, when that
 * has said that it is down, the first by name of those who may open the stream and are up. Who gives need not be
 * believed: the stream is committed to its key. */
#include "job/federation_private.h"
#include "job/receivers.h"

#include <stdlib.h>
#include <string.h>

static void forget_asker(struct federation *federation, struct asker **link)
{
    struct asker *asker = *link;
    *link = asker->next;
    free(asker);
    federation->n_askers--;
}

void askers_forget(struct federation *federation, struct stream_box *box)
{
    while (box->askers) forget_asker(federation, &box->askers);
}

static struct asker **find_asker(struct stream_box *box, const char *node)
{
    struct asker **link = &box->askers;
    while (*link && strcmp((*link)->node->name, node) != 0) link = &(*link)->next;
    return link;
}

static bool is_self(const struct federation *federation, const char *node)
{
    return federation->self && strcmp(federation->self, node) == 0;
}

static enum anb_status find_living(struct apply *apply, const struct id *id, struct stream_box **box)
{
    char text[ID_TEXT_BYTES];
    *box = stream_find(apply->federation, id);
    if (*box && (*box)->state.phase != STREAM_ABANDONED) return ANB_OK;
    return refuse(apply, *box ? REFUSAL_ABANDONED_STREAM : REFUSAL_UNKNOWN_STREAM, ANB_EXISTS,
                  "stream %s is not known, or given up", id_text(id, text));
}

static bool may_open(const struct federation *federation, const struct stream_state *stream,
                     const struct node_state *node)
{
    struct stream_audience audience =
        stream_audience_of(stream->purpose, stream->sender, job_find(federation, stream->job));
    return stream_is_for(&audience, node->role, node->name);
}

enum anb_status apply_stream_key_asked(struct apply *apply, const struct stream_key_asked *record)
{
    struct stream_box *box;
    char text[ID_TEXT_BYTES];
    enum anb_status status = find_living(apply, &record->stream, &box);
    if (status != ANB_OK) return status;
    const struct stream_state *stream = &box->state;
    if (!may_open(apply->federation, stream, apply->node))
        return refuse(apply, REFUSAL_NOT_A_RECEIVER, ANB_DENIED,
                      "%s asks for the key of stream %s, which is not for it", apply->node->name,
                      id_text(&stream->id, text));
    struct asker **end = find_asker(box, apply->node->name);
    if (*end)
        return refuse(apply, REFUSAL_REPEATED_QUESTION, ANB_EXISTS, "%s has asked for the key of stream %s before",
                      apply->node->name, id_text(&stream->id, text));
    *end = calloc(1, sizeof **end);
    if (!*end) return out_of_memory(apply);
    (*end)->node = apply->node;
    apply->federation->n_askers++;
    if (is_self(apply->federation, apply->node->name)) box->state.key_is_asked = true;
    return ANB_OK;
}

enum anb_status apply_stream_key_given(struct apply *apply, const struct stream_key_given *record)
{
    struct stream_box *box;
    enum anb_status status = find_living(apply, &record->stream, &box);
    if (status != ANB_OK) return status;
    if (!may_open(apply->federation, &box->state, apply->node))
        return refuse(apply, REFUSAL_NOT_A_RECEIVER, ANB_DENIED, "%s gives the key of a stream of %s",
                      apply->node->name, box->state.sender);
    struct asker **asker = find_asker(box, record->node);
    if (*asker) forget_asker(apply->federation, asker);
    if (!is_self(apply->federation, record->node)) return ANB_OK;
    box->state.wrap = record->wrap;
    box->state.key_is_asked = false;
    box->state.n_given++;
    return ANB_OK;
}

/* -- for who gives */

static bool is_giver(const struct federation *federation, const struct stream_box *box, const struct node_state *self)
{
    const struct stream_state *stream = &box->state;
    if (stream->sender == self->name) return true;
    if (node_find(federation, stream->sender)->up) return false;
    for (const struct node_state *node = federation->nodes; node; node = node->next)
        if (node->up && node != box->askers->node && may_open(federation, stream, node)) return node == self;
    return false;
}

bool federation_key_question(const struct federation *federation, const char *self, struct key_question *question)
{
    const struct node_state *node = federation->n_askers > 0 ? node_find(federation, self) : NULL;
    for (size_t i = 0; node && i < STREAM_BUCKETS; i++)
        for (const struct stream_box *box = federation->streams[i]; box; box = box->next) {
            if (!box->askers || !is_giver(federation, box, node)) continue;
            *question = (struct key_question){box->state.id, box->askers->node->name};
            return true;
        }
    return false;
}

void federation_key_answered(struct federation *federation, const struct key_question *question)
{
    struct stream_box *box = stream_find(federation, &question->stream);
    struct asker **asker = box ? find_asker(box, question->node) : NULL;
    if (asker && *asker) forget_asker(federation, asker);
}
