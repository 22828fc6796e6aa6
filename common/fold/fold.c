#include "fold/fold.h"

#include "fold/rules.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct fold_rule *fold_rule_find(const char *name)
{
    static const struct fold_rule *const rules[] = {&fold_fedavg};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i]->name, name) == 0) return rules[i];
    return NULL;
}

/* Where the work on the current chunk stands: it can stop before each of these and go on later. */
enum stage { STAGE_NEXT_CHUNK, STAGE_INPUTS, STAGE_BUFFER, STAGE_SEND };

struct fold {
    struct fold_config config;
    double total_weight;
    double base_weight; /* of the inputs that are changes: each is added to the base */
    struct chunk_walk walk;
    struct chunk_place place;
    enum stage stage;
    size_t next_input; /* n_inputs: the base */
    double *sums;
    unsigned char *out; /* the writer's buffer for this chunk */
    int64_t bytes_done;
    int64_t nonfinite;
};

/* Elements a chunk can hold: at least one byte each. */
static size_t most_elements(const struct fold_config *config)
{
    size_t least_bytes = 8;
    for (size_t i = 0; i < layout_n_tensors(config->layout); i++) {
        size_t bytes = dtype_bytes(layout_tensor(config->layout, i)->dtype);
        if (bytes < least_bytes) least_bytes = bytes;
    }
    int64_t largest = layout_data_bytes(config->layout);
    if (largest > config->chunk_bytes) largest = config->chunk_bytes;
    return (size_t)largest / least_bytes + 1;
}

enum anb_status fold_new(const struct fold_config *config, struct fold **out, struct anb_error *err)
{
    double total = 0, changes = 0;
    for (size_t k = 0; k < config->n_inputs; k++) {
        total += config->inputs[k].weight;
        if (config->inputs[k].is_change) changes += config->inputs[k].weight;
    }
    if (changes > 0 && !config->base)
        return anb_fail(err, ANB_INVALID, "changes (DIFF) need the model that they change");
    if (!(total > 0) || !isfinite(total))
        return anb_fail(err, ANB_INVALID, "the weights of %zu updates add up to %g: nothing to average",
                        config->n_inputs, total);
    struct fold *fold = calloc(1, sizeof *fold);
    if (!fold) return anb_fail(err, ANB_NO_MEMORY, "no memory for a fold");
    fold->config = *config;
    fold->total_weight = total;
    fold->base_weight = changes;
    fold->sums = malloc(most_elements(config) * sizeof *fold->sums);
    if (!fold->sums) {
        free(fold);
        return anb_fail(err, ANB_NO_MEMORY, "no memory for a fold");
    }
    chunk_walk_begin(&fold->walk, config->layout, config->chunk_bytes);
    *out = fold;
    return ANB_OK;
}

void fold_free(struct fold *fold)
{
    if (!fold) return;
    free(fold->sums);
    free(fold);
}

int64_t fold_bytes_done(const struct fold *fold)
{
    return fold->bytes_done;
}

int64_t fold_nonfinite(const struct fold *fold)
{
    return fold->nonfinite;
}

/* The chunk's elements, run by run: a chunk may hold parts of several tensors. */
struct run {
    const struct tensor_entry *tensor;
    enum dtype dtype;
    size_t at; /* byte in the chunk */
    size_t n;  /* elements */
    size_t first_sum;
};

static bool next_run(const struct fold *fold, struct run *run)
{
    const struct layout *layout = fold->config.layout;
    run->at += run->n * dtype_bytes(run->dtype);
    run->first_sum += run->n;
    int64_t begin = fold->place.begin + (int64_t)run->at;
    if (begin >= fold->place.end) return false;
    const struct tensor_entry *tensor = layout_tensor(layout, layout_find(layout, begin));
    int64_t end = tensor->end < fold->place.end ? tensor->end : fold->place.end;
    run->tensor = tensor;
    run->dtype = tensor->dtype;
    run->n = (size_t)(end - begin) / dtype_bytes(tensor->dtype);
    return true;
}

static size_t elements_of_chunk(const struct fold *fold)
{
    struct run run = {0};
    while (next_run(fold, &run)) {}
    return run.first_sum;
}

static struct encoding_run encoded(const struct fold *fold, const struct run *run, enum encoding encoding)
{
    int64_t width = (int64_t)dtype_bytes(run->dtype), first = fold->place.begin + (int64_t)run->at - run->tensor->begin;
    return (struct encoding_run){encoding, run->dtype, (run->tensor->end - run->tensor->begin) / width, first / width,
                                 run->n};
}

static size_t payload_bytes(const struct fold *fold, enum encoding encoding)
{
    struct run run = {0};
    size_t bytes = 0;
    if (fold->place.is_layout || encoding == ENCODING_PLAIN) return (size_t)(fold->place.end - fold->place.begin);
    while (next_run(fold, &run)) {
        struct encoding_run part = encoded(fold, &run, encoding);
        bytes += encoding_run_bytes(&part);
    }
    return bytes;
}

static void add_input(struct fold *fold, const unsigned char *payload, enum encoding encoding, double weight)
{
    struct run run = {0};
    while (next_run(fold, &run)) {
        struct encoding_run part = encoded(fold, &run, encoding);
        struct encoding_reader reader;
        struct encoding_piece piece;
        double *sums = fold->sums + run.first_sum;
        encoding_read_begin(&reader, &part, payload);
        for (; encoding_read_next(&reader, &piece); sums += piece.n)
            fold->config.rule->add(sums, piece.dtype, piece.codes, piece.n, weight * piece.scale);
        payload += encoding_run_bytes(&part);
    }
}

static size_t chunk_size(const struct fold *fold)
{
    return (size_t)(fold->place.end - fold->place.begin);
}

static struct slice layout_part(const struct fold *fold)
{
    struct slice text = layout_text(fold->config.layout);
    return slice_of((const char *)text.data + fold->place.begin, chunk_size(fold));
}

static enum anb_status take_payload(struct fold *fold, struct slice payload, enum encoding encoding, double weight,
                                    struct anb_error *err)
{
    size_t expected = payload_bytes(fold, encoding);
    if (payload.size != expected)
        return anb_fail(err, ANB_CORRUPT, "chunk %lld has %zu bytes, the layout says %zu", (long long)fold->place.index,
                        payload.size, expected);
    if (!fold->place.is_layout)
        add_input(fold, payload.data, encoding, weight);
    else if (!slice_equal(payload, layout_part(fold)))
        return anb_fail(err, ANB_CORRUPT, "chunk %lld is not the layout that was promised",
                        (long long)fold->place.index);
    return ANB_OK;
}

static enum anb_status read_one(struct fold *fold, int64_t timeout_ms, size_t *culprit, struct anb_error *err)
{
    struct stream_chunk chunk;
    bool is_base = fold->next_input == fold->config.n_inputs;
    const struct fold_input base = {.reader = fold->config.base, .weight = fold->base_weight};
    const struct fold_input *input = is_base ? &base : &fold->config.inputs[fold->next_input];
    enum anb_status status = stream_reader_next(input->reader, fold->place.index, timeout_ms, &chunk, err);
    if (status == ANB_OK) {
        status = take_payload(fold, chunk.payload, input->encoding, input->weight, err);
        stream_chunk_release(&chunk);
    }
    if (status != ANB_OK && status != ANB_AGAIN) {
        *culprit = fold->next_input;
        if (!is_base) anb_error_prefix(err, "update of %s: ", input->site);
    }
    return status;
}

static enum anb_status read_inputs(struct fold *fold, int64_t timeout_ms, size_t *culprit, struct anb_error *err)
{
    size_t n = fold->config.n_inputs + (fold->config.base ? 1 : 0);
    for (; fold->next_input < n; fold->next_input++) {
        enum anb_status status = read_one(fold, timeout_ms, culprit, err);
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

static void fill_buffer(struct fold *fold)
{
    struct run run = {0};
    if (fold->place.is_layout) {
        memcpy(fold->out, layout_part(fold).data, chunk_size(fold));
        return;
    }
    while (next_run(fold, &run))
        fold->nonfinite += (int64_t)fold->config.rule->finish(run.dtype, fold->out + run.at, fold->sums + run.first_sum,
                                                              run.n, fold->total_weight);
}

static bool is_of_share(const struct fold *fold)
{
    return fold->config.partitions >> (fold->place.index % fold->config.n_partitions) & 1;
}

static enum anb_status begin_chunk(struct fold *fold)
{
    do {
        if (!chunk_walk_next(&fold->walk, &fold->place)) return ANB_CLOSED;
    } while (!is_of_share(fold));
    fold->next_input = 0;
    if (!fold->place.is_layout) kernel_zero(fold->sums, elements_of_chunk(fold));
    return ANB_OK;
}

/* One stage; OK moves to the next one. */
static enum anb_status run_stage(struct fold *fold, int64_t timeout_ms, size_t *culprit, struct anb_error *err)
{
    enum anb_status status;
    switch (fold->stage) {
    case STAGE_NEXT_CHUNK: return begin_chunk(fold);
    case STAGE_INPUTS: return read_inputs(fold, timeout_ms, culprit, err);
    case STAGE_BUFFER:
        status = stream_writer_buffer(fold->config.writer, timeout_ms, &fold->out, err);
        if (status == ANB_OK) fill_buffer(fold);
        return status;
    case STAGE_SEND:
        status = stream_writer_send(fold->config.writer, fold->place.index, chunk_size(fold), err);
        if (status == ANB_OK) fold->bytes_done += (int64_t)chunk_size(fold);
        return status;
    }
    return ANB_FATAL;
}

enum anb_status fold_step(struct fold *fold, int64_t timeout_ms, size_t *culprit, struct anb_error *err)
{
    *culprit = fold->config.n_inputs;
    for (;;) {
        enum anb_status status = run_stage(fold, timeout_ms, culprit, err);
        if (status != ANB_OK) return status;
        fold->stage = fold->stage == STAGE_SEND ? STAGE_NEXT_CHUNK : fold->stage + 1;
    }
}
