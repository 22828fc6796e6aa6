/* What the programs of all three roles share: settings, signals, the way in and the way out.
 *
 * A program embeds `struct service_settings common` in its own settings, puts SERVICE_OPTIONS(struct settings) first in
 * its option table, and its main is service_main. Main thread only. */
#ifndef ANB_NODE_SERVICE_H
#define ANB_NODE_SERVICE_H

#include "node/kit.h"
#include "node/node.h"

struct service_settings {
    char *project, *name, *bootstrap_servers, *broker_protocol, *log_level, *ready_file;
    struct kit_files kit;
    int64_t partitions, queue_kib, join_timeout_s;
};

#define SERVICE_OPTIONS(type)                                                                                          \
    OPTION_TEXT_ENTRY(type, common.project, "project", NULL, "the project, as in the names of its topics"),            \
        OPTION_TEXT_ENTRY(type, common.name, "name", NULL, "this node's name, unique in the project"),                 \
        OPTION_TEXT_ENTRY(type, common.bootstrap_servers, "bootstrap-servers", "127.0.0.1:9092",                       \
                          "Kafka brokers, HOST:PORT,HOST:PORT"),                                                       \
        OPTION_TEXT_ENTRY(type, common.broker_protocol, "broker-protocol", "tls",                                      \
                          "tls: with this node's certificate, and the broker's must be the project's; plaintext"),     \
        KIT_OPTIONS(type, common.kit),                                                                                 \
        OPTION_INT_ENTRY(type, common.partitions, "partitions", "4", 1, 64, "",                                        \
                         "partitions of every outbox, the same for all nodes of the project"),                         \
        OPTION_INT_ENTRY(type, common.queue_kib, "queue-kib", "16384", 1024, 1048576, "KiB",                           \
                         "most bytes waiting for the broker"),                                                         \
        OPTION_INT_ENTRY(type, common.join_timeout_s, "join-timeout-s", "60", 1, 86400, "s",                           \
                         "how long to wait at start for the broker and the server"),                                   \
        OPTION_TEXT_ENTRY(type, common.log_level, "log-level", "info", "debug, info, warn or error"),                  \
        OPTION_OPTIONAL_PATH_ENTRY(type, common.ready_file, "ready-file", "write one JSON line here when ready")

struct service {
    const char *word; /* "aggregator": svc= in the log */
    enum role role;
    bool keep_history;
    char **data_folder; /* in the settings; NULL: the program has none */
    const struct option_table *table;
    void *settings;                  /* embeds the common ones */
    struct service_settings *common; /* in it */
    /* Runs between node_open and node_close, until service_stopping. */
    enum anb_status (*run)(struct service *service, struct node *node, struct anb_error *err);
    int64_t outbox_retention_ms, outbox_retention_bytes; /* servers; set by `prepare` */
    /* After the options are read, before anything is opened; may be NULL. */
    enum anb_status (*prepare)(struct service *service, struct anb_error *err);
    int64_t begun_ms; /* monotonic */
};

/* Options, log, signals, bus, node, run, and all of it back. Exit status: 0 stopped in good order, 2 failed, 4 bad
 * options. */
int service_main(struct service *service, int argc, char **argv);

/* SIGTERM or SIGINT has come. Any thread. */
bool service_stopping(void);
/* Log it and write the ready file; `extra` is NULL or more JSON members: "\"listen\":\"...\"". */
enum anb_status service_say_ready(const struct service *service, const char *extra, struct anb_error *err);
/* One turn of an owner's loop: node_poll with `timeout_ms`, patient while the broker is away, then node_trim. CLOSED
 * ends the service. */
enum anb_status service_follow(struct node *node, int64_t timeout_ms, struct anb_error *err);

#endif
