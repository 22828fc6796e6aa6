/* The handle for questions, made when the first is asked; offsets, and trimming. Topics are kafka_topics.c's.
 *
 * It is a consumer's handle because a producer's questions about a missing topic can create it, with the broker's
 * defaults. The embedded broker (librdkafka's mock cluster) answers no DeleteRecords: it is known by its cluster's
 * name, and nothing is trimmed there. */
#include "bus/kafka_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum { RETRY_MS = 10 };

static const struct kafka_setting admin_settings[] = {
    {"allow.auto.create.topics", "false"},
    {"isolation.level", "read_uncommitted"}, /* an end is the end of all records */
    {NULL, NULL},
};

/* The result of a trim, on librdkafka's background thread. */
static void on_background_event(rd_kafka_t *admin, rd_kafka_event_t *event, void *opaque)
{
    (void)admin;
    (void)opaque;
    const char *reason = rd_kafka_event_error(event) ? rd_kafka_event_error_string(event) : NULL;
    const rd_kafka_DeleteRecords_result_t *result = rd_kafka_event_DeleteRecords_result(event);
    const rd_kafka_topic_partition_list_t *places = result ? rd_kafka_DeleteRecords_result_offsets(result) : NULL;
    for (int i = 0; places && i < places->cnt; i++)
        if (places->elems[i].err) reason = rd_kafka_err2str(places->elems[i].err);
    if (reason) log_event(LOG_WARN, "trim-failed", "reason=%s", reason);
    rd_kafka_event_destroy(event);
}

static void prepare_admin(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_background_event_cb(conf, on_background_event);
}

rd_kafka_t *kafka_admin_of(struct bus *base, struct anb_error *err)
{
    struct kafka_bus *bus = (struct kafka_bus *)base;
    pthread_mutex_lock(&bus->admin_mutex);
    if (!bus->admin) bus->admin = kafka_client_new(bus, RD_KAFKA_CONSUMER, admin_settings, prepare_admin, err);
    rd_kafka_t *admin = bus->admin;
    pthread_mutex_unlock(&bus->admin_mutex);
    return admin;
}

void kafka_admin_close(struct kafka_bus *bus)
{
    if (bus->admin) rd_kafka_destroy(bus->admin);
}

static bool is_embedded_broker(rd_kafka_t *client)
{
    char *id = rd_kafka_clusterid(client, 0);
    bool embedded = id && strncmp(id, "mockCluster", 11) == 0;
    if (id) rd_kafka_mem_free(client, id);
    return embedded;
}

bool kafka_is_embedded(struct kafka_bus *bus)
{
    pthread_mutex_lock(&bus->admin_mutex);
    bool embedded = bus->admin && is_embedded_broker(bus->admin);
    pthread_mutex_unlock(&bus->admin_mutex);
    return embedded;
}

/* -- offsets */

/* Not by rd_kafka_query_watermark_offsets: while the leader is down it waits for ever, whatever its timeout (2.0.2). */
rd_kafka_resp_err_t kafka_ask_offset(rd_kafka_t *client, const char *topic, int32_t partition, int64_t which,
                                     int64_t timeout_ms, int64_t *offset)
{
    rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_add(places, topic, partition);
    place->offset = which; /* goes out in the place of a time */
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, places, timeout_ms > 1 ? (int)timeout_ms : 1);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = place->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && place->offset < 0) error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) *offset = place->offset;
    rd_kafka_topic_partition_list_destroy(places);
    return error;
}

/* The leader of a topic that was made just now may not know yet that it is. */
static rd_kafka_resp_err_t ask_until(rd_kafka_t *client, const char *topic, int32_t partition, int64_t which,
                                     int64_t deadline_ms, int64_t *offset)
{
    for (;;) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        rd_kafka_resp_err_t error = kafka_ask_offset(client, topic, partition, which, left_ms, offset);
        if (kafka_status(error) != ANB_UNAVAILABLE || left_ms <= 0) return error;
        clock_sleep_ms(RETRY_MS);
    }
}

enum anb_status kafka_bounds(struct bus *bus, const char *topic, int32_t partition, int64_t timeout_ms, int64_t *first,
                             int64_t *end, struct anb_error *err)
{
    int64_t low = 0, high = 0, deadline_ms = clock_monotonic_ms() + timeout_ms;
    rd_kafka_t *admin = kafka_admin_of(bus, err);
    if (!admin) return ANB_INVALID;
    rd_kafka_resp_err_t error = ask_until(admin, topic, partition, RD_KAFKA_OFFSET_BEGINNING, deadline_ms, &low);
    if (!error) error = ask_until(admin, topic, partition, RD_KAFKA_OFFSET_END, deadline_ms, &high);
    if (error) return kafka_fail(err, error, "cannot ask for the first and last offset", topic, partition);
    *first = low;
    *end = high;
    return ANB_OK;
}

/* -- trimming */

void kafka_trim(struct bus *bus, const char *topic, int32_t partition, int64_t offset)
{
    struct anb_error err;
    rd_kafka_t *admin = kafka_admin_of(bus, &err);
    if (!admin) {
        log_event(LOG_WARN, "trim-failed", "topic=%s reason=%s", topic, err.text);
        return;
    }
    if (is_embedded_broker(admin)) {
        log_event(LOG_DEBUG, "trim-unsupported", "topic=%s", topic);
        return;
    }
    rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(places, topic, partition)->offset = offset;
    rd_kafka_DeleteRecords_t *before = rd_kafka_DeleteRecords_new(places);
    rd_kafka_queue_t *background = rd_kafka_queue_get_background(admin);
    rd_kafka_DeleteRecords(admin, &before, 1, NULL, background);
    rd_kafka_queue_destroy(background);
    rd_kafka_DeleteRecords_destroy(before);
    rd_kafka_topic_partition_list_destroy(places);
}
