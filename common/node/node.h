/* A node's place in the federation: its name, its incarnation, its own order, and the control log's state.
 *
 * The three services stand on it. Opening reads the whole control log, then announces this incarnation. One thread, the
 * owner, calls node_poll; the state may be read from any thread between node_lock and node_unlock; node_append,
 * node_telemetry and node_set_activity may be called from any thread. */
#ifndef ANB_NODE_NODE_H
#define ANB_NODE_NODE_H

#include "bus/bus.h"
#include "job/federation.h"
#include "node/trust.h"
#include "stream/refusals.h"

#include <stdatomic.h>

enum { NODE_PULSE_MS = 2000, NODE_DEFAULT_PARTITIONS = 4 };

struct node;

struct node_config {
    const char *project;
    const char *name;
    enum role role;
    struct node_trust *trust; /* of the same project and name; must outlive the node */
    const char *version;
    int32_t partitions;  /* of every outbox: the same for all nodes of a project */
    int32_t chunk_bytes; /* of what this node sends; 0: CHUNK_DEFAULT_BYTES */
    bool keep_history;
    const char *data_folder;        /* the highest roster version seen is kept here; NULL: it is not kept */
    int64_t timeout_ms;             /* how long opening may wait for broker and topics */
    int64_t outbox_retention_ms;    /* of the outboxes a server creates; -1: no bound */
    int64_t outbox_retention_bytes; /* the same, by partition */
};

/* The node's texts are copied; `bus` must outlive the node. A server creates what topics are missing; others wait for
 * them. */
enum anb_status node_open(const struct node_config *config, struct bus *bus, struct node **node, struct anb_error *err);
/* Appends NodeDown when `reason` is not NULL, then frees. The bus stays. */
void node_close(struct node *node, const char *reason);

/* Fold what the control log has, waiting up to `timeout_ms` for the first record, and send a pulse when it is time. OK:
 * something came; AGAIN: nothing did; CLOSED: another process has taken this node's name, stop. UNAVAILABLE passes:
 * call again. */
enum anb_status node_poll(struct node *node, int64_t timeout_ms, struct anb_error *err);

/* Stamp the head and append. The record counts when it comes back through node_poll. With `wait`, returns when the
 * broker has it; without, at once (failures are then logged, and `node_is_behind` stays true). */
enum anb_status node_append(struct node *node, struct record *record, bool wait, struct anb_error *err);
/* True while something that this node appended has not come back yet. */
bool node_is_behind(struct node *node);

const struct federation *node_lock(struct node *node);
void node_unlock(struct node *node);
struct federation *node_federation(struct node *node); /* for the owner thread, under node_lock */

struct bus *node_bus(struct node *node);
struct node_trust *node_trust(const struct node *node);
const char *node_name(const struct node *node);
const char *node_project(const struct node *node);
int32_t node_partitions(const struct node *node);
const char *node_outbox(const struct node *node);                                /* "P.out.NODE" */
void node_outbox_of(const struct node *node, const char *name, char topic[160]); /* of another node */
int64_t node_control_offset(const struct node *node);                            /* of the next record; any thread */

/* Where a stream's chunks lie and what its opening and close say, copied out of the state. NOT_FOUND: not known. Any
 * thread. */
enum anb_status node_find_stream(struct node *node, const struct id *id, struct stream_state *copy,
                                 struct anb_error *err);
/* Whoever sends calls this first: wait until the node's outbox is there and has its partitions. TIMEOUT: not yet;
 * INVALID: it has another number of partitions than this node is set to. Cheap once it is open; any thread. */
enum anb_status node_open_outbox(struct node *node, int64_t timeout_ms, struct anb_error *err);
/* By partition of the node's own outbox: no chunk that is sent from now on will lie before it. Writers raise it. */
atomic_llong *node_outbox_ends(struct node *node);
/* All partitions, as a bit set. */
uint64_t node_all_partitions(const struct node *node);

/* Wait until the control log's state has moved past `offset` or the time is over; returns the offset of the next
 * record. Any thread but the owner. */
int64_t node_wait(struct node *node, int64_t offset, int64_t timeout_ms);

/* For a server: create the outbox of a node that has come up, unless it is there. */
enum anb_status node_create_outbox(struct node *node, const char *name, struct anb_error *err);
/* Append a roster that the project's root signed. DENIED or CORRUPT, and nothing is appended, when no node would take
 * it; EXISTS: it is in force. Does not wait for the broker: it counts when it comes back through node_poll, and
 * *version is in force. Any thread. */
enum anb_status node_publish_roster(struct node *node, struct slice text, int64_t *version, struct anb_error *err);
/* The record in a message of another topic than the control log, and its bytes without the signature. CORRUPT or DENIED
 * when it is none that a node in the roster may say. Any thread. */
enum anb_status node_read(struct node *node, struct slice message, struct arena *arena, struct record *record,
                          struct slice *bytes, struct anb_error *err);
/* Fill in what `record` says in confidence, which was decoded from just `bytes`. NOT_FOUND: its sender does not let
 * this node hear it, or not yet; DENIED, CORRUPT: altered, or said in another record. Any thread. */
enum anb_status node_hear(struct node *node, struct slice bytes, struct arena *arena, struct record *record,
                          struct anb_error *err);
/* How many records of the control log said something that did not open, though this node may hear their senders. Any
 * thread. */
int64_t node_n_unheard(struct node *node);
/* How many pulses were not believed. Any thread. */
int64_t node_n_false_pulses(struct node *node);
/* How many records of the control log could not be decoded at all. Any thread. */
int64_t node_n_foreign(struct node *node);

/* What was not accepted in streams; counted by whoever reads them. */
struct stream_refusals *node_stream_refusals(struct node *node);

/* The version of the roster in force when it is another one than at the last question, else 0. The owner. */
int64_t node_new_roster(struct node *node);

/* What the next pulse says. */
void node_set_activity(struct node *node, const char *activity, const char *job, int32_t round, int64_t bytes_done,
                       int64_t bytes_total);

/* A log line or number of a job; never blocks for long, drops and counts when the queue is full. `text` may be NULL. */
void node_telemetry(struct node *node, const char *job, int32_t round, const char *source, const char *key,
                    double value, int64_t step, const char *text);

/* Trim the node's own outbox up to what jobs still need. Cheap when nothing changed; the owner calls it after
 * node_poll. */
void node_trim(struct node *node);

#endif
