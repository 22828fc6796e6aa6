/* Whole objects on their way between a file and the log: what agents and the server send and receive.
 *
 * Both functions block and belong on a worker thread; `control` lets another thread watch and cancel. Memory is a few
 * chunks, whatever the size of the object. */
#ifndef ANB_NODE_TRANSFER_H
#define ANB_NODE_TRANSFER_H

#include "node/node.h"
#include "tensor/encoding.h"
#include "tensor/layout.h"

#include <stdatomic.h>

struct transfer_control {
    atomic_bool cancel;      /* set: the transfer ends soon with ABANDONED */
    atomic_llong bytes_done; /* layout and data */
    atomic_llong bytes_total;
};

/* What stands between a file's data section and the stream: called for each chunk, in order and on the sender's thread,
 * with the bytes [begin, end) of the data section. `out` has end - begin + ENCODING_ROOM bytes of room. */
struct transfer_filter {
    enum encoding encoding; /* of what comes out */
    enum anb_status (*fill)(void *context, int64_t begin, int64_t end, unsigned char *out, size_t *size,
                            struct anb_error *err);
    void *context;
};

struct transfer_offer {
    const char *job;
    const struct job_spec *spec; /* of a job that the control log does not have yet; else NULL */
    int32_t round, attempt;
    enum purpose purpose;
    enum params_type params_type;
    double weight;
    const struct id *base;
    size_t n_base;
    const struct metric *metrics;
    size_t n_metrics;
    const struct note *notes;
    size_t n_notes;
    const struct transfer_filter *filter; /* NULL: the file as it is */
};

/* Open a stream, send layout and data encrypted for all who may open it (job/receivers.h), close it. `fd` is read by
 * pread from `data_offset` on; NULL layout: an object of no tensors and no bytes. *stream is set as soon as the stream
 * is opened, and an opened stream that fails is abandoned in the log. OK: its StreamClosed has been handed to the
 * broker and acknowledged. */
enum anb_status transfer_send(struct node *node, const struct transfer_offer *offer, const struct layout *layout,
                              int fd, int64_t data_offset, struct transfer_control *control, struct id *stream,
                              struct anb_error *err);

struct transfer_inbox; /* readers kept between transfers, so that a small model needs no new connection; one thread */

enum anb_status transfer_inbox_new(struct node *node, struct transfer_inbox **inbox, struct anb_error *err);
void transfer_inbox_free(struct transfer_inbox *inbox);

struct transfer_target {
    int fd;                      /* grows from empty; written by pwrite */
    bool bare;                   /* only the data section, from byte 0 (archives); else a safetensors file */
    const char *const *metadata; /* as in safetensors_head; NULL: none */
    struct layout *layout;       /* out: the caller frees; NULL after a failure */
    int64_t data_offset;         /* out: where the data section begins in the file */
};

/* Receive the object that `streams` together are (one for each share), while they are still being written, and return
 * when all are closed and their digests hold. The streams must be known to the node's state. ABANDONED: a stream was
 * given up or `control` said cancel; CORRUPT: chunks missing, altered or foreign; NOT_FOUND: trimmed away; TIMEOUT: a
 * sender that did not seal its key for this node was asked and does not answer. Another thread must poll the node. */
enum anb_status transfer_receive(struct transfer_inbox *inbox, const struct id *streams, size_t n_streams,
                                 struct transfer_target *target, struct transfer_control *control,
                                 struct anb_error *err);

#endif
