/* The receiving side of a stream: the chunks of one object, each from the outbox that holds its partition.
 *
 * An object's chunks may come from several streams, one for each share of a sharded aggregator; each partition belongs
 * to exactly one of them. Chunks are decrypted in the message's own memory. Those of other streams in between are
 * skipped, repeated ones are dropped; one that is missing, altered, out of its place or not encrypted is CORRUPT. A
 * reader belongs to one thread, as does the inbox it reads through. */
#ifndef ANB_STREAM_READER_H
#define ANB_STREAM_READER_H

#include "bus/bus.h"
#include "stream/refusals.h"
#include "stream/writer.h"

struct stream_inbox; /* open readers of the bus, kept from stream to stream */

/* `large` is how objects of more than SMALL_OBJECT_BYTES are read: BUS_BULK, or BUS_MANY by who reads many in step.
 * `refusals` outlives the inbox: its readers count there what they did not accept. */
enum { SMALL_OBJECT_BYTES = 1 << 20 };
enum anb_status stream_inbox_new(struct bus *bus, enum bus_profile large, struct stream_refusals *refusals,
                                 struct stream_inbox **inbox, struct anb_error *err);
void stream_inbox_free(struct stream_inbox *inbox); /* after its readers are closed */

struct stream_source {
    struct id stream;
    char topic[160];              /* the sender's outbox */
    uint64_t partitions;          /* bit p: partition p comes from here */
    struct stream_cipher *cipher; /* to open with: the reader's from stream_reader_open on, also when that fails */
    int64_t start_offsets[STREAM_MAX_PARTITIONS];
};

struct stream_reader;

/* Sources that overlap or leave a partition of `partitions` out are INVALID. Objects of at most SMALL_OBJECT_BYTES are
 * read through the prompt reader, whose cursors stay open. */
enum anb_status stream_reader_open(struct stream_inbox *inbox, const struct stream_source *sources, size_t n_sources,
                                   uint64_t partitions, int32_t n_partitions, int64_t object_bytes,
                                   struct stream_reader **reader, struct anb_error *err);
void stream_reader_close(struct stream_reader *reader);

struct stream_chunk {
    struct slice payload;
    struct bus_message message;
};

/* Chunk `index`; the chunks of one partition must be asked for in rising order. Release it before asking for another
 * one. AGAIN: not there within `timeout_ms`. */
enum anb_status stream_reader_next(struct stream_reader *reader, int64_t index, int64_t timeout_ms,
                                   struct stream_chunk *chunk, struct anb_error *err);
void stream_chunk_release(struct stream_chunk *chunk);

/* Tell what the sender's StreamClosed says of a partition. From then on the reader knows when a chunk can no longer
 * come. */
void stream_reader_set_mark(struct stream_reader *reader, const struct mark *mark);
/* OK when all chunks of the partition were read and are what its mark says. */
enum anb_status stream_reader_verify(struct stream_reader *reader, int32_t partition, struct anb_error *err);

#endif
