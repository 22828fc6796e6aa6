#include "folding.h"

#include "base/clock.h"
#include "base/log.h"
#include "fold/fold.h"
#include "node/envelope.h"

#include <stdlib.h>
#include <string.h>

enum { OUTBOX_TIMEOUT_MS = 2000, HEAR_TIMEOUT_MS = 5000, KEY_TIMEOUT_MS = 20000 };

enum stage { STAGE_WEIGHTS, STAGE_LAYOUT, STAGE_KEYS, STAGE_OPEN, STAGE_FOLD, STAGE_FLUSH, STAGE_INPUTS, STAGE_CLOSE };

struct folding {
    struct folding_bench *bench;
    struct node *node;
    struct duty *duty;
    enum stage stage;
    int64_t begun_ms;
    struct stream_state first;   /* of the first input: what all must agree on */
    struct stream_cipher **keys; /* of the inputs, then of the base; each until its reader has it */
    size_t n_keys;
    int64_t key_deadline_ms; /* 0: no key is being waited for */
    struct fold_input *inputs;
    struct stream_reader *base;
    struct stream_reader *layout_reader;
    struct buf layout_text;
    int64_t n_layout_chunks_read;
    struct id stream;
    bool is_opened;
    int32_t partitions[STREAM_MAX_PARTITIONS];
    int64_t offsets[STREAM_MAX_PARTITIONS];
    struct sealed_key sealed;
    struct stream_writer *writer;
    struct fold *fold;
    int64_t seen; /* control offset */
};

enum anb_status folding_new(struct folding_bench *bench, struct duty *duty, struct folding **out, struct anb_error *err)
{
    struct folding *folding = calloc(1, sizeof *folding);
    if (!folding) return anb_fail(err, ANB_NO_MEMORY, "no memory for a share");
    folding->bench = bench;
    folding->node = bench->node;
    folding->duty = duty;
    folding->begun_ms = clock_monotonic_ms();
    buf_init(&folding->layout_text, LAYOUT_MAX_BYTES);
    folding->inputs = calloc(duty->n_inputs, sizeof *folding->inputs);
    folding->keys = calloc(duty->n_inputs + duty->n_base, sizeof *folding->keys);
    enum anb_status status = folding->inputs && folding->keys
                                 ? node_find_stream(folding->node, &duty->inputs[0].stream, &folding->first, err)
                                 : anb_fail(err, ANB_NO_MEMORY, "no memory for a share");
    if (status == ANB_OK)
        *out = folding;
    else
        folding_free(folding);
    return status;
}

void folding_free(struct folding *folding)
{
    if (!folding) return;
    stream_writer_close(folding->writer);
    sealed_key_fini(&folding->sealed);
    fold_free(folding->fold);
    for (size_t k = 0; folding->keys && k < folding->n_keys; k++) stream_cipher_free(folding->keys[k]);
    for (size_t k = 0; folding->inputs && k < folding->duty->n_inputs; k++)
        stream_reader_close(folding->inputs[k].reader);
    stream_reader_close(folding->base);
    stream_reader_close(folding->layout_reader);
    buf_fini(&folding->layout_text);
    free(folding->inputs);
    free(folding->keys);
    free(folding);
}

/* -- bad updates */

/* Tell the conductor that the stream of an input cannot be used: "stream S of site X: why". */
static void refuse_input(struct folding *folding, size_t k, const struct anb_error *err)
{
    const struct duty_input *input = &folding->duty->inputs[k];
    struct record record = {
        .kind = RECORD_STREAM_ABANDONED,
        .is.stream_abandoned = {
            .stream = input->stream, .job = folding->duty->job, .round = folding->duty->round, .reason = err->text}};
    node_append(folding->node, &record, false, NULL);
    log_event(LOG_WARN, "update-refused", "job=%s round=%d site=%s reason=%s", folding->duty->job, folding->duty->round,
              input->site, err->text);
}

/* Giving up for good tells the conductor to look for another aggregator; a stream that is only late or refused does
 * not. */
static bool is_for_good(enum anb_status status)
{
    return status == ANB_INVALID || status == ANB_NOT_FOUND || status == ANB_TOO_LARGE || status == ANB_NO_MEMORY;
}

static void abandon(struct folding *folding, enum anb_status status, const struct anb_error *err)
{
    bool for_good = is_for_good(status);
    if (!folding->is_opened && !for_good) return;
    struct record record = {.kind = RECORD_STREAM_ABANDONED,
                            .is.stream_abandoned = {.stream = folding->stream,
                                                    .job = folding->duty->job,
                                                    .round = folding->duty->round,
                                                    .gives_up = for_good,
                                                    .reason = err->text}};
    node_append(folding->node, &record, false, NULL);
}

/* -- opening */

/* A site that has just read of this aggregator in a new roster lets it hear soon. */
static enum anb_status hear_inputs(struct folding *folding, struct anb_error *err)
{
    size_t k = duty_hear(node_lock(folding->node), folding->duty);
    node_unlock(folding->node);
    if (k == folding->duty->n_inputs) return ANB_OK;
    anb_fail(err, ANB_CORRUPT, "%s does not let %s read the weight of its update", folding->duty->inputs[k].site,
             node_name(folding->node));
    if (clock_monotonic_ms() < folding->begun_ms + HEAR_TIMEOUT_MS) return ANB_AGAIN;
    refuse_input(folding, k, err);
    return ANB_CORRUPT;
}

/* The cipher of a stream that is read. AGAIN: its sender was asked for the key; NOT_FOUND: it does not answer. */
static enum anb_status find_key(struct folding *folding, const struct id *id, int64_t timeout_ms,
                                struct stream_cipher **cipher, struct anb_error *err)
{
    struct stream_state stream;
    enum anb_status status = node_find_stream(folding->node, id, &stream, err);
    if (status == ANB_OK) status = envelope_open(folding->node, &stream, cipher, err);
    if (status != ANB_AGAIN) {
        folding->key_deadline_ms = 0;
        return status;
    }
    int64_t now_ms = clock_monotonic_ms();
    if (!folding->key_deadline_ms) folding->key_deadline_ms = now_ms + KEY_TIMEOUT_MS;
    if (now_ms > folding->key_deadline_ms)
        return anb_fail(err, ANB_NOT_FOUND, "%s was asked for the key of its stream and does not answer",
                        stream.sender);
    folding->seen = node_wait(folding->node, folding->seen, timeout_ms);
    return ANB_AGAIN;
}

static enum anb_status find_keys(struct folding *folding, int64_t timeout_ms, struct anb_error *err)
{
    const struct duty *duty = folding->duty;
    size_t n = duty->n_inputs + (duty->needs_base ? duty->n_base : 0);
    while (folding->n_keys < n) {
        size_t k = folding->n_keys;
        const struct id *id = k < duty->n_inputs ? &duty->inputs[k].stream : &duty->base[k - duty->n_inputs];
        enum anb_status status = find_key(folding, id, timeout_ms, &folding->keys[k], err);
        if (status == ANB_CORRUPT && k < duty->n_inputs) refuse_input(folding, k, err);
        if (status != ANB_OK) return status;
        folding->n_keys++;
    }
    return ANB_OK;
}

/* Where a stream is read from. Its key goes over to the source. */
static void source_of(const struct folding *folding, const struct stream_state *stream, struct stream_cipher **key,
                      struct stream_source *source)
{
    source->stream = stream->id;
    source->partitions = stream->partitions;
    source->cipher = *key;
    *key = NULL;
    memcpy(source->start_offsets, stream->start_offsets, sizeof source->start_offsets);
    node_outbox_of(folding->node, stream->sender, source->topic);
}

static int64_t object_bytes(const struct folding *folding)
{
    return folding->first.layout_bytes + folding->first.data_bytes;
}

static enum anb_status open_input(struct folding *folding, size_t k, struct anb_error *err)
{
    const struct duty_input *input = &folding->duty->inputs[k];
    struct stream_state stream;
    struct stream_source source;
    enum anb_status status = node_find_stream(folding->node, &input->stream, &stream, err);
    if (status != ANB_OK) return status;
    if (!weight_is_good(input->weight))
        return anb_fail(err, ANB_CORRUPT, "weight %g is not in %g..%g", input->weight, WEIGHT_LEAST, WEIGHT_MOST);
    if (stream.chunk_bytes != folding->first.chunk_bytes || stream.chunk_count != folding->first.chunk_count)
        return anb_fail(err, ANB_CORRUPT, "%s sends its update in another way than %s", input->site,
                        folding->duty->inputs[0].site);
    source_of(folding, &stream, &folding->keys[k], &source);
    folding->inputs[k].site = input->site;
    folding->inputs[k].weight = input->weight;
    folding->inputs[k].encoding = (enum encoding)stream.encoding;
    folding->inputs[k].is_change = stream.params_type == PARAMS_TYPE_DIFF;
    return stream_reader_open(folding->bench->inbox, &source, 1, folding->duty->partitions,
                              node_partitions(folding->node), object_bytes(folding), &folding->inputs[k].reader, err);
}

static enum anb_status open_inputs(struct folding *folding, struct anb_error *err)
{
    for (size_t k = 0; k < folding->duty->n_inputs; k++) {
        enum anb_status status = open_input(folding, k, err);
        if (status == ANB_CORRUPT) refuse_input(folding, k, err);
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

/* Changes need the model they answer, whose shares may lie in several outboxes. */
static enum anb_status open_base(struct folding *folding, struct anb_error *err)
{
    if (!folding->duty->needs_base) return ANB_OK;
    struct stream_source *sources = calloc(folding->duty->n_base, sizeof *sources);
    if (!sources) return anb_fail(err, ANB_NO_MEMORY, "no memory for a share");
    enum anb_status status = ANB_OK;
    for (size_t s = 0; status == ANB_OK && s < folding->duty->n_base; s++) {
        struct stream_state stream;
        status = node_find_stream(folding->node, &folding->duty->base[s], &stream, err);
        if (status == ANB_OK) source_of(folding, &stream, &folding->keys[folding->duty->n_inputs + s], &sources[s]);
    }
    for (size_t s = 0; status != ANB_OK && s < folding->duty->n_base; s++) stream_cipher_free(sources[s].cipher);
    if (status == ANB_OK)
        status = stream_reader_open(folding->bench->inbox, sources, folding->duty->n_base, folding->duty->partitions,
                                    node_partitions(folding->node), object_bytes(folding), &folding->base, err);
    free(sources);
    return status;
}

/* The record that opens the share's stream, and its key. */
static enum anb_status describe(struct folding *folding, struct record *record, struct anb_error *err)
{
    size_t n_partitions = 0, n_all = (size_t)node_partitions(folding->node);
    for (size_t p = 0; p < n_all; p++) {
        folding->offsets[p] = atomic_load(&node_outbox_ends(folding->node)[p]);
        if (folding->duty->partitions >> p & 1) folding->partitions[n_partitions++] = (int32_t)p;
    }
    *record = (struct record){.kind = RECORD_STREAM_OPENED,
                              .is.stream_opened = {.stream = folding->stream,
                                                   .job = folding->duty->job,
                                                   .round = folding->duty->round,
                                                   .attempt = folding->duty->attempt,
                                                   .purpose = PURPOSE_MODEL,
                                                   .layout_digest = folding->first.layout_digest,
                                                   .layout_bytes = folding->first.layout_bytes,
                                                   .data_bytes = folding->first.data_bytes,
                                                   .chunk_bytes = folding->first.chunk_bytes,
                                                   .chunk_count = folding->first.chunk_count,
                                                   .partitions = folding->partitions,
                                                   .n_partitions = n_partitions,
                                                   .start_offsets = folding->offsets,
                                                   .n_start_offsets = n_all,
                                                   .base = folding->duty->base,
                                                   .n_base = folding->duty->n_base}};
    return envelope_seal(folding->node, &record->is.stream_opened, NULL, &folding->sealed, err);
}

static enum anb_status open_writer(struct folding *folding, struct anb_error *err)
{
    int64_t largest = folding->first.layout_bytes > folding->first.data_bytes ? folding->first.layout_bytes
                                                                              : folding->first.data_bytes;
    if (largest > folding->first.chunk_bytes) largest = folding->first.chunk_bytes;
    struct stream_writer_config config = {.bus = node_bus(folding->node),
                                          .topic = node_outbox(folding->node),
                                          .n_partitions = node_partitions(folding->node),
                                          .stream = folding->stream,
                                          .cipher = folding->sealed.cipher,
                                          .buffer_bytes = (size_t)largest,
                                          .outbox_ends = node_outbox_ends(folding->node)};
    return stream_writer_open(&config, &folding->writer, err);
}

static enum anb_status open_fold(struct folding *folding, struct anb_error *err)
{
    struct fold_config config = {.rule = fold_rule_find(folding->duty->rule),
                                 .layout = folding->bench->layout,
                                 .chunk_bytes = folding->first.chunk_bytes,
                                 .n_partitions = node_partitions(folding->node),
                                 .partitions = folding->duty->partitions,
                                 .inputs = folding->inputs,
                                 .n_inputs = folding->duty->n_inputs,
                                 .base = folding->base,
                                 .writer = folding->writer};
    if (!config.rule) return anb_fail(err, ANB_INVALID, "rule \"%s\" is not known here", folding->duty->rule);
    return fold_new(&config, &folding->fold, err);
}

static enum anb_status open_all(struct folding *folding, struct anb_error *err)
{
    struct record opening;
    enum anb_status status = node_open_outbox(folding->node, OUTBOX_TIMEOUT_MS, err);
    if (status == ANB_OK) status = open_inputs(folding, err);
    if (status == ANB_OK) status = open_base(folding, err);
    if (status == ANB_OK) status = bus_random_id(node_bus(folding->node), &folding->stream, err);
    if (status == ANB_OK) status = describe(folding, &opening, err);
    if (status == ANB_OK) status = open_writer(folding, err);
    if (status == ANB_OK) status = open_fold(folding, err);
    if (status == ANB_OK) status = node_append(folding->node, &opening, false, err);
    folding->is_opened = status == ANB_OK;
    return status;
}

/* -- the layout: the same for all rounds of most jobs */

static enum anb_status open_layout_reader(struct folding *folding, int64_t timeout_ms, struct anb_error *err)
{
    struct stream_source source;
    struct stream_cipher *key = NULL;
    enum anb_status status = find_key(folding, &folding->first.id, timeout_ms, &key, err);
    if (status != ANB_OK) return status;
    int64_t n = chunks_of_layout(folding->first.layout_bytes, folding->first.chunk_bytes);
    uint64_t partitions = 0;
    for (int64_t j = 0; j < n; j++) partitions |= (uint64_t)1 << (j % node_partitions(folding->node));
    source_of(folding, &folding->first, &key, &source);
    return stream_reader_open(folding->bench->inbox, &source, 1, partitions, node_partitions(folding->node),
                              object_bytes(folding), &folding->layout_reader, err);
}

static enum anb_status accept_layout(struct folding *folding, struct anb_error *err)
{
    struct layout *layout;
    enum anb_status status = layout_take(&folding->layout_text, &layout, err);
    if (status != ANB_OK) return ANB_CORRUPT;
    if (!digest_equal(layout_digest(layout), &folding->first.layout_digest) ||
        layout_data_bytes(layout) != folding->first.data_bytes ||
        chunks_count(layout, folding->first.chunk_bytes) != folding->first.chunk_count) {
        layout_free(layout);
        return anb_fail(err, ANB_CORRUPT, "the layout that was sent is not the one that was promised");
    }
    layout_free(folding->bench->layout);
    folding->bench->layout = layout;
    return ANB_OK;
}

static enum anb_status read_layout_chunks(struct folding *folding, int64_t timeout_ms, struct anb_error *err)
{
    int64_t n = chunks_of_layout(folding->first.layout_bytes, folding->first.chunk_bytes);
    while (folding->n_layout_chunks_read < n) {
        struct stream_chunk chunk;
        enum anb_status status =
            stream_reader_next(folding->layout_reader, folding->n_layout_chunks_read, timeout_ms, &chunk, err);
        if (status != ANB_OK) return status;
        status = buf_append(&folding->layout_text, chunk.payload, err);
        stream_chunk_release(&chunk);
        if (status != ANB_OK) return ANB_CORRUPT;
        folding->n_layout_chunks_read++;
    }
    return accept_layout(folding, err);
}

static enum anb_status read_layout(struct folding *folding, int64_t timeout_ms, struct anb_error *err)
{
    const struct layout *known = folding->bench->layout;
    if (known && digest_equal(layout_digest(known), &folding->first.layout_digest)) return ANB_OK;
    enum anb_status status = ANB_OK;
    if (!folding->layout_reader) status = open_layout_reader(folding, timeout_ms, err);
    if (status == ANB_OK) status = read_layout_chunks(folding, timeout_ms, err);
    if (status == ANB_CORRUPT) refuse_input(folding, 0, err);
    if (status != ANB_OK) return status;
    stream_reader_close(folding->layout_reader);
    folding->layout_reader = NULL;
    return ANB_OK;
}

/* -- the end */

/* Give the readers the marks of inputs that are closed. AGAIN while one is open. */
static enum anb_status mark_inputs(struct folding *folding, struct anb_error *err)
{
    enum anb_status result = ANB_OK;
    for (size_t k = 0; k < folding->duty->n_inputs; k++) {
        struct stream_state stream;
        enum anb_status status = node_find_stream(folding->node, &folding->duty->inputs[k].stream, &stream, err);
        if (status != ANB_OK) return status;
        if (stream.phase != STREAM_CLOSED) result = ANB_AGAIN;
        for (int32_t p = 0; stream.phase == STREAM_CLOSED && p < node_partitions(folding->node); p++)
            if (folding->duty->partitions >> p & 1) stream_reader_set_mark(folding->inputs[k].reader, &stream.marks[p]);
    }
    return result;
}

static enum anb_status verify_inputs(struct folding *folding, struct anb_error *err)
{
    enum anb_status status = mark_inputs(folding, err);
    for (size_t k = 0; status == ANB_OK && k < folding->duty->n_inputs; k++) {
        for (int32_t p = 0; status == ANB_OK && p < node_partitions(folding->node); p++)
            if (folding->duty->partitions >> p & 1) status = stream_reader_verify(folding->inputs[k].reader, p, err);
        if (status != ANB_OK) refuse_input(folding, k, err);
    }
    return status;
}

static enum anb_status append_closed(struct folding *folding, struct anb_error *err)
{
    struct mark marks[STREAM_MAX_PARTITIONS];
    struct metric nonfinite = {"nonfinite_elements", (double)fold_nonfinite(folding->fold)};
    enum anb_status status = stream_writer_finish(folding->writer, 0, folding->duty->partitions, marks, err);
    if (status != ANB_OK) return status;
    struct record record = {.kind = RECORD_STREAM_CLOSED,
                            .is.stream_closed = {.stream = folding->stream,
                                                 .job = folding->duty->job,
                                                 .round = folding->duty->round,
                                                 .marks = marks,
                                                 .n_marks = (size_t)__builtin_popcountll(folding->duty->partitions),
                                                 .metrics = &nonfinite,
                                                 .n_metrics = fold_nonfinite(folding->fold) > 0}};
    status = node_append(folding->node, &record, true, err);
    return status == ANB_OK ? ANB_CLOSED : status;
}

/* -- steps */

static enum anb_status step_fold(struct folding *folding, int64_t timeout_ms, struct anb_error *err)
{
    size_t culprit;
    enum anb_status status = fold_step(folding->fold, timeout_ms, &culprit, err);
    if (status == ANB_CLOSED) return ANB_OK;
    if (status == ANB_CORRUPT && culprit < folding->duty->n_inputs) refuse_input(folding, culprit, err);
    return status;
}

static enum anb_status run_stage(struct folding *folding, int64_t timeout_ms, struct anb_error *err)
{
    struct mark marks[STREAM_MAX_PARTITIONS];
    switch (folding->stage) {
    case STAGE_WEIGHTS: return hear_inputs(folding, err);
    case STAGE_LAYOUT: return read_layout(folding, timeout_ms, err);
    case STAGE_KEYS: return find_keys(folding, timeout_ms, err);
    case STAGE_OPEN: return open_all(folding, err);
    case STAGE_FOLD: return step_fold(folding, timeout_ms, err);
    case STAGE_FLUSH: return stream_writer_finish(folding->writer, timeout_ms, folding->duty->partitions, marks, err);
    case STAGE_INPUTS: return verify_inputs(folding, err);
    case STAGE_CLOSE: return append_closed(folding, err);
    }
    return ANB_FATAL;
}

static bool is_current(struct folding *folding)
{
    bool current = duty_is_current(node_lock(folding->node), node_name(folding->node), folding->duty);
    node_unlock(folding->node);
    return current;
}

/* Something must be waited for: is the work still wanted, and what has been closed meanwhile? */
static enum anb_status look_around(struct folding *folding, int64_t timeout_ms, struct anb_error *err)
{
    if (!is_current(folding)) return anb_fail(err, ANB_ABANDONED, "the round has changed");
    if (folding->stage == STAGE_INPUTS || folding->stage == STAGE_WEIGHTS)
        folding->seen = node_wait(folding->node, folding->seen, timeout_ms);
    if (folding->stage != STAGE_FOLD) return ANB_AGAIN;
    enum anb_status status = mark_inputs(folding, err);
    return status == ANB_OK ? ANB_AGAIN : status;
}

enum anb_status folding_step(struct folding *folding, int64_t timeout_ms, struct anb_error *err)
{
    struct anb_error own;
    if (!err) err = &own;
    for (;;) {
        enum anb_status status = run_stage(folding, timeout_ms, err);
        if (status == ANB_AGAIN || status == ANB_UNAVAILABLE) {
            status = look_around(folding, timeout_ms, err);
            if (status == ANB_AGAIN) return status;
        }
        if (status != ANB_OK) {
            if (status != ANB_CLOSED) abandon(folding, status, err);
            return status;
        }
        folding->stage++;
        if (folding->stage < STAGE_CLOSE) continue;
        if (!is_current(folding)) {
            anb_fail(err, ANB_ABANDONED, "the round has changed");
            abandon(folding, ANB_ABANDONED, err);
            return ANB_ABANDONED;
        }
    }
}
