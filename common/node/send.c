/* Sending: a file becomes a stream. */
#include "node/envelope.h"
#include "node/node_private.h"
#include "node/transfer.h"
#include "stream/chunks.h"
#include "stream/writer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { STEP_MS = 50, OUTBOX_TIMEOUT_MS = 60000, FINISH_TIMEOUT_MS = 600000, ROOM_WAIT_MS = 20 };

struct sending {
    struct node *node;
    const struct transfer_offer *offer;
    const struct layout *layout; /* NULL: an object of nothing */
    int fd;
    int64_t data_offset;
    struct transfer_control *control;
    struct id stream;
    struct record opening;
    int32_t partitions[STREAM_MAX_PARTITIONS];
    int64_t offsets[STREAM_MAX_PARTITIONS];
    struct sealed_key key;
    struct stream_writer *writer;
};

_Static_assert((int)STREAM_ENCODING_PLAIN == (int)ENCODING_PLAIN && (int)STREAM_ENCODING_F16 == (int)ENCODING_F16 &&
                   (int)STREAM_ENCODING_BF16 == (int)ENCODING_BF16 && (int)STREAM_ENCODING_INT8 == (int)ENCODING_INT8,
               "the log's words for encodings are those of tensor/encoding.h");

enum anb_status transfer_check_cancel(struct transfer_control *control, struct anb_error *err)
{
    if (!atomic_load(&control->cancel)) return ANB_OK;
    return anb_fail(err, ANB_ABANDONED, "the transfer was cancelled");
}

/* All but its key. */
static void describe(struct sending *sending)
{
    struct node *node = sending->node;
    const struct transfer_offer *offer = sending->offer;
    struct stream_opened *opened = &sending->opening.is.stream_opened;
    for (int32_t p = 0; p < node->partitions; p++) {
        sending->partitions[p] = p;
        sending->offsets[p] = atomic_load(&node->outbox_ends[p]);
    }
    sending->opening.kind = RECORD_STREAM_OPENED;
    *opened = (struct stream_opened){.stream = sending->stream,
                                     .job = offer->job,
                                     .round = offer->round,
                                     .attempt = offer->attempt,
                                     .purpose = offer->purpose,
                                     .params_type = offer->params_type,
                                     .encoding = offer->filter ? (enum stream_encoding)offer->filter->encoding : 0,
                                     .chunk_bytes = node->chunk_bytes,
                                     .partitions = sending->partitions,
                                     .n_partitions = (size_t)node->partitions,
                                     .start_offsets = sending->offsets,
                                     .n_start_offsets = (size_t)node->partitions,
                                     .base = (struct id *)offer->base,
                                     .n_base = offer->n_base,
                                     .weight = offer->weight};
    if (sending->layout) {
        opened->layout_digest = *layout_digest(sending->layout);
        opened->layout_bytes = (int64_t)layout_text(sending->layout).size;
        opened->data_bytes = layout_data_bytes(sending->layout);
        opened->chunk_count = chunks_count(sending->layout, node->chunk_bytes);
    }
    atomic_store(&sending->control->bytes_total, opened->layout_bytes + opened->data_bytes);
}

static enum anb_status read_file(struct sending *sending, const struct chunk_place *place, unsigned char *buffer,
                                 size_t size, struct anb_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(sending->fd, buffer + done, size - done, sending->data_offset + place->begin + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return anb_fail_errno(err, errno, "cannot read the model");
        if (got == 0) return anb_fail(err, ANB_CORRUPT, "the model is shorter than its layout says");
        done += (size_t)got;
    }
    return ANB_OK;
}

static enum anb_status fill(struct sending *sending, const struct chunk_place *place, unsigned char *buffer,
                            size_t *size, struct anb_error *err)
{
    const struct transfer_filter *filter = sending->offer->filter;
    *size = (size_t)(place->end - place->begin);
    if (place->is_layout) {
        memcpy(buffer, (const char *)layout_text(sending->layout).data + place->begin, *size);
        return ANB_OK;
    }
    if (filter) return filter->fill(filter->context, place->begin, place->end, buffer, size, err);
    return read_file(sending, place, buffer, *size, err);
}

static enum anb_status wait_buffer(struct sending *sending, unsigned char **buffer, struct anb_error *err)
{
    enum anb_status status;
    while ((status = stream_writer_buffer(sending->writer, STEP_MS, buffer, err)) == ANB_AGAIN) {
        status = transfer_check_cancel(sending->control, err);
        if (status != ANB_OK) return status;
    }
    return status;
}

static enum anb_status send_chunk(struct sending *sending, const struct chunk_place *place, struct anb_error *err)
{
    unsigned char *buffer;
    size_t size;
    enum anb_status status = wait_buffer(sending, &buffer, err);
    if (status == ANB_OK) status = fill(sending, place, buffer, &size, err);
    if (status != ANB_OK) return status;
    while ((status = stream_writer_send(sending->writer, place->index, size, err)) == ANB_AGAIN) {
        bus_wait_room(sending->node->bus, ROOM_WAIT_MS);
        status = transfer_check_cancel(sending->control, err);
        if (status != ANB_OK) return status;
    }
    atomic_fetch_add(&sending->control->bytes_done, (long long)(place->end - place->begin));
    return status;
}

static enum anb_status send_chunks(struct sending *sending, struct anb_error *err)
{
    struct chunk_walk walk;
    struct chunk_place place;
    if (!sending->layout) return ANB_OK;
    chunk_walk_begin(&walk, sending->layout, sending->node->chunk_bytes);
    while (chunk_walk_next(&walk, &place)) {
        enum anb_status status = transfer_check_cancel(sending->control, err);
        if (status == ANB_OK) status = send_chunk(sending, &place, err);
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

static enum anb_status finish(struct sending *sending, struct mark *marks, struct anb_error *err)
{
    int64_t waited_ms = 0;
    for (;; waited_ms += STEP_MS) {
        enum anb_status status =
            stream_writer_finish(sending->writer, STEP_MS, node_all_partitions(sending->node), marks, err);
        if (status != ANB_AGAIN) return status;
        status = transfer_check_cancel(sending->control, err);
        if (status != ANB_OK) return status;
        if (waited_ms > FINISH_TIMEOUT_MS)
            return anb_fail(err, ANB_TIMEOUT, "the broker did not take the last chunks within %d s",
                            FINISH_TIMEOUT_MS / 1000);
    }
}

static enum anb_status append_closed(struct sending *sending, struct mark *marks, struct anb_error *err)
{
    const struct transfer_offer *offer = sending->offer;
    struct record record = {.kind = RECORD_STREAM_CLOSED,
                            .is.stream_closed = {.stream = sending->stream,
                                                 .job = offer->job,
                                                 .round = offer->round,
                                                 .marks = marks,
                                                 .n_marks = (size_t)sending->node->partitions,
                                                 .metrics = (struct metric *)offer->metrics,
                                                 .n_metrics = offer->n_metrics,
                                                 .reported = (struct note *)offer->notes,
                                                 .n_reported = offer->n_notes}};
    return node_append(sending->node, &record, true, err);
}

static void append_abandoned(struct sending *sending, const struct anb_error *err)
{
    struct record record = {.kind = RECORD_STREAM_ABANDONED,
                            .is.stream_abandoned = {.stream = sending->stream,
                                                    .job = sending->offer->job,
                                                    .round = sending->offer->round,
                                                    .reason = err->text}};
    node_append(sending->node, &record, false, NULL);
}

static enum anb_status open_writer(struct sending *sending, struct anb_error *err)
{
    size_t largest = 0;
    if (sending->layout) {
        largest = layout_text(sending->layout).size;
        if ((size_t)layout_data_bytes(sending->layout) > largest) largest = (size_t)layout_data_bytes(sending->layout);
    }
    if (largest > (size_t)sending->node->chunk_bytes) largest = (size_t)sending->node->chunk_bytes;
    struct stream_writer_config config = {.bus = sending->node->bus,
                                          .topic = sending->node->outbox,
                                          .n_partitions = sending->node->partitions,
                                          .stream = sending->stream,
                                          .cipher = sending->key.cipher,
                                          .buffer_bytes = largest + (sending->offer->filter ? ENCODING_ROOM : 0),
                                          .outbox_ends = sending->node->outbox_ends};
    return stream_writer_open(&config, &sending->writer, err);
}

static enum anb_status await_outbox(struct sending *sending, struct anb_error *err)
{
    for (int64_t waited_ms = 0;; waited_ms += STEP_MS) {
        enum anb_status status = node_open_outbox(sending->node, STEP_MS, err);
        if (status != ANB_TIMEOUT || waited_ms > OUTBOX_TIMEOUT_MS) return status;
        status = transfer_check_cancel(sending->control, err);
        if (status != ANB_OK) return status;
    }
}

enum anb_status transfer_send(struct node *node, const struct transfer_offer *offer, const struct layout *layout,
                              int fd, int64_t data_offset, struct transfer_control *control, struct id *stream,
                              struct anb_error *err)
{
    struct sending sending = {node, offer, layout, fd, data_offset, control, .writer = NULL};
    struct stream_opened *opened = &sending.opening.is.stream_opened;
    struct mark marks[STREAM_MAX_PARTITIONS];
    struct anb_error own;
    if (!err) err = &own;
    enum anb_status status = await_outbox(&sending, err);
    if (status == ANB_OK) status = bus_random_id(node->bus, &sending.stream, err);
    if (status == ANB_OK) describe(&sending);
    if (status == ANB_OK) status = envelope_seal(node, opened, offer->spec, &sending.key, err);
    if (status == ANB_OK) status = open_writer(&sending, err);
    if (status == ANB_OK) status = node_append(node, &sending.opening, false, err);
    if (status != ANB_OK) goto out;
    *stream = sending.stream;
    status = send_chunks(&sending, err);
    if (status == ANB_OK) status = finish(&sending, marks, err);
    if (status == ANB_OK) status = append_closed(&sending, marks, err);
    if (status != ANB_OK) append_abandoned(&sending, err);
out:
    stream_writer_close(sending.writer);
    sealed_key_fini(&sending.key);
    return status;
}
