/* A small broker in this process: real sockets, no Java. For tests, and for `anabranch-broker`.
 *
 * It is librdkafka's mock cluster. It speaks enough of Kafka's protocol for the Kafka bus, keeps all in memory, and of
 * each partition only the newest EMBEDDED_PARTITION_BYTES or EMBEDDED_PARTITION_BATCHES (a reader of what is gone gets
 * NOT_FOUND). It listens on loopback, on a port that the system picks. A topic that anybody asks for is made, with
 * EMBEDDED_DEFAULT_PARTITIONS, so none is ever missing; bus_trim does nothing. Its own thread serves; the functions
 * are for one thread. */
#ifndef ANB_BUS_EMBEDDED_H
#define ANB_BUS_EMBEDDED_H

#include "base/buf.h"

enum {
    EMBEDDED_PARTITION_BYTES = 5 << 20,
    EMBEDDED_PARTITION_BATCHES = 100000,
    EMBEDDED_DEFAULT_PARTITIONS = 4,
};

struct embedded_broker;

enum anb_status embedded_broker_start(struct embedded_broker **broker, struct anb_error *err);
void embedded_broker_stop(struct embedded_broker *broker); /* NULL is fine */

const char *embedded_broker_servers(const struct embedded_broker *broker); /* "127.0.0.1:34567"; lives as long */
enum anb_status embedded_broker_add_topic(struct embedded_broker *broker, const char *name, int32_t partitions,
                                          struct anb_error *err);
/* For tests: the next produce request is answered with "out of order", a fatal error for the producer that sent it. */
void embedded_broker_break_producer(struct embedded_broker *broker);

#endif
