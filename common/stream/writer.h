/* The sending side of a stream: chunk records into the sender's outbox, from a small pool of buffers.
 *
 * The owner fills a buffer and sends it: the chunk is encrypted where it stands, and the bus gives the buffer back when
 * the broker has it. So memory is the pool, whatever the size of the object, and nothing is copied on the way. One
 * thread owns a writer; deliveries come from the bus's thread. Chunks of one partition must be sent in rising order of
 * their index. */
#ifndef ANB_STREAM_WRITER_H
#define ANB_STREAM_WRITER_H

#include "bus/bus.h"
#include "stream/cipher.h"
#include "wire/wire.h"

#include <stdatomic.h>

enum { STREAM_MAX_PARTITIONS = 64, STREAM_WRITER_BUFFERS = 8 };

struct stream_writer;

struct stream_writer_config {
    struct bus *bus;
    const char *topic; /* must outlive the writer */
    int32_t n_partitions;
    struct id stream;
    struct stream_cipher *cipher; /* to seal with; must outlive the writer */
    size_t buffer_bytes;          /* largest chunk of the object */
    atomic_llong *outbox_ends;    /* by partition: raised to the offset behind each delivered chunk; NULL: not wanted */
};

enum anb_status stream_writer_open(const struct stream_writer_config *config, struct stream_writer **writer,
                                   struct anb_error *err);
/* A free buffer of buffer_bytes. AGAIN: none came back within `timeout_ms`. Another status: a delivery has failed, the
 * stream must be abandoned. The same buffer is given until it is sent. */
enum anb_status stream_writer_buffer(struct stream_writer *writer, int64_t timeout_ms, unsigned char **buffer,
                                     struct anb_error *err);
/* Send the first `size` bytes of that buffer as chunk `index`. AGAIN: the bus is full, call again with the same; the
 * buffer holds ciphertext by now. */
enum anb_status stream_writer_send(struct stream_writer *writer, int64_t index, size_t size, struct anb_error *err);
/* Wait until the broker has all of it (AGAIN: not within `timeout_ms`), then write one mark for each partition of the
 * bit set `partitions`, in order. */
enum anb_status stream_writer_finish(struct stream_writer *writer, int64_t timeout_ms, uint64_t partitions,
                                     struct mark *marks, struct anb_error *err);
/* Frees once the bus has given all buffers back; waits for that. */
void stream_writer_close(struct stream_writer *writer);

#endif
