/* What agent and trainer say to each other: JSON texts <-> plain structs. docs/protocol.md is the contract.
 *
 * The trainer's bytes are foreign: what is not a message is CORRUPT (the connection ends), what is a message but cannot
 * be taken is INVALID (it is refused, the connection stays). Any thread, one message at a time. */
#ifndef ANB_CLIENT_MESSAGE_H
#define ANB_CLIENT_MESSAGE_H

#include "job/federation.h"

enum { PROTOCOL_VERSION = 1, MESSAGE_MAX_BYTES = 65536 };

enum message_kind { MESSAGE_HELLO, MESSAGE_NEXT, MESSAGE_RESULT, MESSAGE_LOG, MESSAGE_FAILED };

struct message {
    enum message_kind kind;
    struct doc *doc; /* the texts below live in it */

    int64_t protocol; /* hello */
    const char *library;

    const char *task; /* result */
    enum params_type params_type;
    double weight;
    bool has_metrics;
    struct metric metrics[PART_MAX_METRICS];
    size_t n_metrics;
    size_t n_unusable; /* metrics that were null */

    const char *key; /* log */
    double value;    /* NaN: the trainer said null */
    int64_t step;    /* -1: none */

    const char *reason; /* failed */
};

/* On CORRUPT and INVALID there is nothing to free. */
enum anb_status message_parse(struct slice bytes, struct message *message, struct anb_error *err);
void message_fini(struct message *message);

/* Append the JSON text to `out`. NO_MEMORY, or TOO_LARGE for the buf. */
struct message_task {
    const char *id;
    enum task task;
    int32_t round, total_rounds;
};
enum anb_status message_write_welcome(const char *job, const char *job_name, const char *site, int32_t rounds,
                                      struct buf *out, struct anb_error *err);
enum anb_status message_write_task(const struct message_task *task, struct buf *out, struct anb_error *err);
enum anb_status message_write_accepted(const char *task, bool late, struct buf *out, struct anb_error *err);
enum anb_status message_write_refused(const char *task, const char *reason, struct buf *out, struct anb_error *err);
enum anb_status message_write_end(const char *outcome, const char *reason, struct buf *out, struct anb_error *err);

#endif
