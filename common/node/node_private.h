/* What node.c, append.c and transfer.c share. */
#ifndef ANB_NODE_PRIVATE_H
#define ANB_NODE_PRIVATE_H

#include "node/node.h"
#include "stream/reader.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TOPIC_BYTES = 160 };

struct node {
    /* constant after node_open */
    struct bus *bus;
    struct node_trust *trust;
    char *project, *name, *version;
    enum role role;
    int32_t partitions;
    int32_t chunk_bytes;
    int64_t incarnation;
    char control[TOPIC_BYTES], pulse[TOPIC_BYTES], telemetry[TOPIC_BYTES], outbox[TOPIC_BYTES];
    int32_t telemetry_partitions;
    int64_t outbox_retention_ms, outbox_retention_bytes;

    /* what is said in confidence: speech.h; constant after node_open */
    struct voice *voice;   /* of this incarnation */
    struct voices *voices; /* of all nodes, as far as this one may hear them */
    atomic_llong n_unheard;

    /* the owner thread's */
    struct hearers *hearers;
    int64_t heard_under; /* version of the roster whose servers and aggregators may hear this node */
    struct bus_reader *reader;
    struct bus_cursor *control_cursor;
    struct bus_reader *pulse_reader; /* servers only, as is its cursor */
    struct bus_cursor *pulse_cursor;
    struct arena arena; /* of the record being read */
    int64_t next_pulse_ms;
    int64_t log_time_ms; /* of the last record of a server: certificates must have been good about then */
    int64_t n_refused;   /* records of others' mistakes */
    int64_t trimmed_at;  /* control offset of the last look */
    int64_t trimmed[MAX_PARTITIONS];
    char *roster_file;           /* keeps the highest version seen; NULL: nothing does */
    int64_t roster_saved;        /* that version */
    int64_t roster_told;         /* by node_new_roster */
    struct anb_error not_wanted; /* status not OK: the roster in force has no place for this node any more */

    pthread_mutex_t lock; /* guards the state and the activity */
    pthread_cond_t changed;
    struct federation *federation;
    int64_t control_offset; /* of the next record */
    bool is_replaced;       /* another process has taken the name */
    int64_t n_foreign, n_false_pulses;
    struct pulse activity;
    char activity_word[16], activity_job[32];

    pthread_mutex_t outbox_lock; /* one thread looks for the outbox; it guards `trimmed` until that is open */
    atomic_bool outbox_is_open;

    pthread_mutex_t append_lock; /* keeps sequence and log order the same */
    int64_t sequence;

    pthread_mutex_t count_lock;  /* guards the counts below; taken by delivery callbacks */
    pthread_cond_t delivery;     /* of a record that somebody waits for */
    int64_t n_in_flight;         /* records of any kind */
    int64_t n_control_in_flight; /* those of the control log */
    int64_t last_delivered;      /* sequence */
    int64_t last_seen;           /* sequence that came back */
    int64_t n_dropped;           /* telemetry */

    struct stream_refusals stream_refusals;
    atomic_llong outbox_ends[STREAM_MAX_PARTITIONS]; /* no later chunk will lie before these */
};

/* node.c: fold the next record of the control log; statuses of bus_cursor_next. Owner thread. */
enum anb_status node_fold_next(struct node *node, int64_t timeout_ms, struct anb_error *err);

/* -- rosters.c; owner thread */

/* Expect what was seen before, by the file in `data_folder` (may be NULL). */
enum anb_status node_recall_roster(struct node *node, const char *data_folder, struct anb_error *err);
/* A RosterPublished at `offset`: whoever brings it, the root's signature counts. Statuses of node_trust_replace. */
enum anb_status node_take_roster(struct node *node, const struct roster_published *record, int64_t offset,
                                 struct anb_error *err);
/* Once the log has been read: a server publishes its kit's roster when it is newer; all wait for the version that they
 * expect, and check their own place in it. */
enum anb_status node_agree_on_roster(struct node *node, int64_t deadline_ms, struct anb_error *err);
void node_check_own(struct node *node);

/* append.c: append a RosterPublished, which is no part of this node's order, without waiting for the broker. */
enum anb_status node_append_roster(struct node *node, struct record *record, struct anb_error *err);

/* For append.c: encode with the head stamped; for node.c: count what came back. */
enum anb_status node_announce(struct node *node, struct anb_error *err);
void node_send_pulse(struct node *node);
/* Wait up to 2 s until nothing is in flight: the callbacks of what is use the node. False: something still is. */
bool node_settle(struct node *node);

struct transfer_control;
/* ABANDONED when the transfer was cancelled. */
enum anb_status transfer_check_cancel(struct transfer_control *control, struct anb_error *err);

#endif
