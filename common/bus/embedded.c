/* The cluster comes with its client by one setting: made by rd_kafka_mock_cluster_new it needs 1 s for its first topics
 * (2.0.2), because nothing wakes its thread. */
#include "bus/embedded.h"

#include "bus/kafka_private.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

struct embedded_broker {
    rd_kafka_t *host; /* the client that the cluster belongs to; it sends nothing */
    rd_kafka_mock_cluster_t *cluster;
};

enum anb_status embedded_broker_start(struct embedded_broker **broker, struct anb_error *err)
{
    char words[256] = "";
    struct embedded_broker *started = calloc(1, sizeof *started);
    if (!started) return bus_no_memory(err, "a broker");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kafka_log_attach(conf);
    if (rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", words, sizeof words) == RD_KAFKA_CONF_OK)
        started->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    if (!started->host) {
        rd_kafka_conf_destroy(conf);
        free(started);
        return anb_fail(err, ANB_IO, "cannot start the embedded broker: %s", words);
    }
    started->cluster = rd_kafka_handle_mock_cluster(started->host);
    *broker = started;
    return ANB_OK;
}

void embedded_broker_stop(struct embedded_broker *broker)
{
    if (!broker) return;
    rd_kafka_destroy(broker->host); /* and its cluster */
    free(broker);
}

const char *embedded_broker_servers(const struct embedded_broker *broker)
{
    return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

enum anb_status embedded_broker_add_topic(struct embedded_broker *broker, const char *name, int32_t partitions,
                                          struct anb_error *err)
{
    rd_kafka_resp_err_t error = rd_kafka_mock_topic_create(broker->cluster, name, partitions, 1);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return ANB_OK;
    return kafka_fail(err, error, "cannot make the topic", name, -1);
}

void embedded_broker_break_producer(struct embedded_broker *broker)
{
    enum { PRODUCE_REQUEST = 0 };
    rd_kafka_mock_push_request_errors(broker->cluster, PRODUCE_REQUEST, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}
