#include "stream/writer.h"

#include "base/clock.h"
#include "base/condition.h"

#include <stdlib.h>
#include <string.h>

struct buffer {
    struct stream_writer *writer;
    struct buffer *next_free;
    int32_t partition;
    bool is_sealed;           /* the bus was full: it must not be encrypted twice */
    struct chunk_proof proof; /* once sealed */
    unsigned char *memory;    /* room for the header, then the payload */
};

struct lane { /* one partition of the outbox */
    struct stream_closing *closing;
    int64_t count;
    int64_t first_offset, last_offset;
};

struct stream_writer {
    struct stream_writer_config config;
    struct lane lanes[STREAM_MAX_PARTITIONS];
    struct buffer *current; /* given to the owner, not sent yet */
    struct buffer buffers[STREAM_WRITER_BUFFERS];
    int n_made;

    pthread_mutex_t lock; /* guards what follows, and the lanes' offsets */
    pthread_cond_t changed;
    struct buffer *free;
    int n_in_flight;
    enum anb_status failure;
};

enum anb_status stream_writer_open(const struct stream_writer_config *config, struct stream_writer **out,
                                   struct anb_error *err)
{
    struct stream_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return anb_fail(err, ANB_NO_MEMORY, "no memory for a stream");
    writer->config = *config;
    pthread_mutex_init(&writer->lock, NULL);
    condition_init(&writer->changed);
    for (int p = 0; p < config->n_partitions; p++) {
        struct lane *lane = &writer->lanes[p];
        *lane = (struct lane){.first_offset = -1, .last_offset = -1};
        enum anb_status status = stream_closing_new(config->cipher, &lane->closing, err);
        if (status == ANB_OK) continue;
        stream_writer_close(writer);
        return status;
    }
    *out = writer;
    return ANB_OK;
}

static struct buffer *make_buffer(struct stream_writer *writer)
{
    struct buffer *buffer = &writer->buffers[writer->n_made];
    buffer->memory = malloc(CHUNK_HEADER_MAX_BYTES + writer->config.buffer_bytes);
    if (!buffer->memory) return NULL;
    buffer->writer = writer;
    writer->n_made++;
    return buffer;
}

static struct buffer *take_free(struct stream_writer *writer, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&writer->lock);
    while (!writer->free && writer->failure == ANB_OK && condition_wait(&writer->changed, &writer->lock, deadline_ms)) {
    }
    struct buffer *buffer = writer->free;
    if (buffer) writer->free = buffer->next_free;
    pthread_mutex_unlock(&writer->lock);
    return buffer;
}

static enum anb_status failure_of(struct stream_writer *writer, struct anb_error *err)
{
    pthread_mutex_lock(&writer->lock);
    enum anb_status failure = writer->failure;
    pthread_mutex_unlock(&writer->lock);
    if (failure == ANB_OK) return ANB_OK;
    return anb_fail(err, failure, "the broker did not take a chunk (%s): the stream is given up",
                    anb_status_word(failure));
}

enum anb_status stream_writer_buffer(struct stream_writer *writer, int64_t timeout_ms, unsigned char **out,
                                     struct anb_error *err)
{
    enum anb_status status = failure_of(writer, err);
    if (status != ANB_OK) return status;
    if (!writer->current) writer->current = take_free(writer, 0);
    if (!writer->current && writer->n_made < STREAM_WRITER_BUFFERS) {
        writer->current = make_buffer(writer);
        if (!writer->current) return anb_fail(err, ANB_NO_MEMORY, "no memory for a chunk");
    }
    if (!writer->current) writer->current = take_free(writer, timeout_ms);
    status = failure_of(writer, err);
    if (status != ANB_OK) return status;
    if (!writer->current) return ANB_AGAIN;
    *out = writer->current->memory + CHUNK_HEADER_MAX_BYTES;
    return ANB_OK;
}

static void raise_to(atomic_llong *end, int64_t value)
{
    long long seen = atomic_load(end);
    while (seen < value && !atomic_compare_exchange_weak(end, &seen, value)) {}
}

static void note_delivery(struct stream_writer *writer, int32_t partition, int64_t offset)
{
    struct lane *lane = &writer->lanes[partition];
    if (lane->first_offset < 0) lane->first_offset = offset;
    lane->last_offset = offset;
    if (writer->config.outbox_ends) raise_to(&writer->config.outbox_ends[partition], offset + 1);
}

static void delivered(void *context, enum anb_status status, int64_t offset)
{
    struct buffer *buffer = context;
    struct stream_writer *writer = buffer->writer;
    pthread_mutex_lock(&writer->lock);
    if (status == ANB_OK)
        note_delivery(writer, buffer->partition, offset);
    else
        writer->failure = status;
    buffer->is_sealed = false;
    buffer->next_free = writer->free;
    writer->free = buffer;
    writer->n_in_flight--;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

static void count_in_flight(struct stream_writer *writer, int by)
{
    pthread_mutex_lock(&writer->lock);
    writer->n_in_flight += by;
    pthread_mutex_unlock(&writer->lock);
}

static enum anb_status seal(struct stream_writer *writer, struct buffer *buffer, int64_t index, size_t size,
                            struct anb_error *err)
{
    if (buffer->is_sealed) return ANB_OK;
    enum anb_status status = stream_cipher_seal(writer->config.cipher, index, buffer->memory + CHUNK_HEADER_MAX_BYTES,
                                                size, &buffer->proof, err);
    buffer->is_sealed = status == ANB_OK;
    return status;
}

static enum anb_status append(struct stream_writer *writer, struct buffer *buffer, int64_t index, size_t size,
                              struct anb_error *err)
{
    unsigned char *payload = buffer->memory + CHUNK_HEADER_MAX_BYTES;
    const struct chunk chunk = {.stream = writer->config.stream,
                                .index = (int32_t)index,
                                .codec = STREAM_CODEC_SEALED,
                                .plain_bytes = (int32_t)size,
                                .tag = buffer->proof.tag};
    size_t header = chunk_header_write(&chunk, size, payload);
    struct bus_append append = {.topic = writer->config.topic,
                                .partition = buffer->partition,
                                .value = slice_of(payload - header, header + size),
                                .delivered = delivered,
                                .context = buffer};
    count_in_flight(writer, 1);
    enum anb_status status = bus_append(writer->config.bus, &append, err);
    if (status != ANB_OK) count_in_flight(writer, -1);
    return status;
}

enum anb_status stream_writer_send(struct stream_writer *writer, int64_t index, size_t size, struct anb_error *err)
{
    struct buffer *buffer = writer->current;
    buffer->partition = (int32_t)(index % writer->config.n_partitions);
    enum anb_status status = seal(writer, buffer, index, size, err);
    if (status != ANB_OK) return status;
    struct chunk_proof proof = buffer->proof; /* a buffer that was handed over is the bus's */
    status = append(writer, buffer, index, size, err);
    if (status != ANB_OK) return status;
    writer->current = NULL;
    struct lane *lane = &writer->lanes[index % writer->config.n_partitions];
    stream_closing_add(lane->closing, &proof);
    lane->count++;
    return ANB_OK;
}

static bool wait_until_idle(struct stream_writer *writer, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&writer->lock);
    while (writer->n_in_flight > 0 && condition_wait(&writer->changed, &writer->lock, deadline_ms)) {}
    bool idle = writer->n_in_flight == 0;
    pthread_mutex_unlock(&writer->lock);
    return idle;
}

enum anb_status stream_writer_finish(struct stream_writer *writer, int64_t timeout_ms, uint64_t partitions,
                                     struct mark *marks, struct anb_error *err)
{
    bool idle = wait_until_idle(writer, timeout_ms);
    enum anb_status status = failure_of(writer, err);
    if (status != ANB_OK) return status;
    if (!idle) return ANB_AGAIN;
    for (int32_t p = 0; p < writer->config.n_partitions && status == ANB_OK; p++) {
        if (!(partitions >> p & 1)) continue;
        const struct lane *lane = &writer->lanes[p];
        *marks = (struct mark){p, lane->first_offset, lane->last_offset, lane->count, {{0}}, {{0}}};
        status = stream_closing_finish(lane->closing, &marks->digest, &marks->content, err);
        marks++;
    }
    return status;
}

void stream_writer_close(struct stream_writer *writer)
{
    if (!writer) return;
    while (!wait_until_idle(writer, 1000)) {}
    for (int i = 0; i < writer->n_made; i++) free(writer->buffers[i].memory);
    for (int p = 0; p < writer->config.n_partitions; p++) stream_closing_free(writer->lanes[p].closing);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}
