/* Topics and questions about them, through a handle of their own that is made when the first of them is asked.
 *
 * It is a consumer's handle because a producer's questions about a missing topic can create it, with the broker's
 * defaults. The embedded broker (librdkafka's mock cluster) answers neither CreateTopics nor DeleteRecords: it is known
 * by its cluster's name, its missing topics are asked for as a producer would, and nothing is trimmed there. */
#include "bus/kafka_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_MS = 10, ADMIN_MS = 30000 };

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

static rd_kafka_t *admin_of(struct bus *base, struct anb_error *err)
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

/* -- questions */

struct topic_state {
    int32_t n_partitions; /* 0: there is no such topic */
    bool all_led;
};

static enum anb_status ask_topic(rd_kafka_t *client, const char *name, int64_t timeout_ms, struct topic_state *state,
                                 struct anb_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    if (!topic) return anb_fail(err, ANB_INVALID, "%s: not a topic's name", name);
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, topic, &metadata, (int)timeout_ms);
    rd_kafka_topic_destroy(topic);
    if (error) return kafka_fail(err, error, "cannot ask for the topic", name, -1);
    const struct rd_kafka_metadata_topic *found = &metadata->topics[0];
    error = found->err;
    *state = (struct topic_state){.n_partitions = error ? 0 : found->partition_cnt, .all_led = true};
    for (int p = 0; p < found->partition_cnt; p++)
        if (found->partitions[p].leader < 0) state->all_led = false;
    rd_kafka_metadata_destroy(metadata);
    enum anb_status status = kafka_status(error);
    if (status == ANB_OK || status == ANB_NOT_FOUND) return ANB_OK;
    if (error != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) return kafka_fail(err, error, "cannot ask", name, -1);
    state->all_led = false; /* it is being made */
    return ANB_OK;
}

enum anb_status kafka_topic_partitions(struct bus *bus, const char *name, int64_t timeout_ms, int32_t *partitions,
                                       struct anb_error *err)
{
    struct topic_state state;
    rd_kafka_t *admin = admin_of(bus, err);
    if (!admin) return ANB_INVALID;
    enum anb_status status = ask_topic(admin, name, timeout_ms, &state, err);
    if (status != ANB_OK) return status;
    if (state.n_partitions == 0) return anb_fail(err, ANB_NOT_FOUND, "there is no topic %s", name);
    *partitions = state.n_partitions;
    return ANB_OK;
}

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
    rd_kafka_t *admin = admin_of(bus, err);
    if (!admin) return ANB_INVALID;
    rd_kafka_resp_err_t error = ask_until(admin, topic, partition, RD_KAFKA_OFFSET_BEGINNING, deadline_ms, &low);
    if (!error) error = ask_until(admin, topic, partition, RD_KAFKA_OFFSET_END, deadline_ms, &high);
    if (error) return kafka_fail(err, error, "cannot ask for the first and last offset", topic, partition);
    *first = low;
    *end = high;
    return ANB_OK;
}

/* -- making topics */

static void set_config(rd_kafka_NewTopic_t *topic, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    rd_kafka_NewTopic_set_config(topic, name, text);
}

static rd_kafka_NewTopic_t *describe(const struct bus_topic *topic, char *words, size_t size)
{
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic->name, topic->partitions,
                                                      topic->replication > 0 ? topic->replication : -1, words, size);
    if (!made) return NULL;
    rd_kafka_NewTopic_set_config(made, "cleanup.policy", "delete");
    set_config(made, "retention.ms", topic->retention_ms);
    set_config(made, "retention.bytes", topic->retention_bytes);
    if (topic->max_message_bytes > 0) set_config(made, "max.message.bytes", topic->max_message_bytes);
    return made;
}

/* The first topic's outcome in the answer; its words are copied. */
static rd_kafka_resp_err_t read_answer(rd_kafka_event_t *answer, char *words, size_t size)
{
    if (!answer) return RD_KAFKA_RESP_ERR__TIMED_OUT;
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(answer);
    const rd_kafka_topic_result_t **topics = result ? rd_kafka_CreateTopics_result_topics(result, &count) : NULL;
    rd_kafka_resp_err_t error = rd_kafka_event_error(answer);
    const char *text = error ? rd_kafka_event_error_string(answer) : NULL;
    if (!error && count > 0) {
        error = rd_kafka_topic_result_error(topics[0]);
        text = rd_kafka_topic_result_error_string(topics[0]);
    }
    snprintf(words, size, "%s", text ? text : rd_kafka_err2str(error));
    return error;
}

static enum anb_status create_topic(rd_kafka_t *admin, const struct bus_topic *topic, int64_t timeout_ms,
                                    struct anb_error *err)
{
    char words[256] = "no answer";
    rd_kafka_NewTopic_t *described = describe(topic, words, sizeof words);
    if (!described) return anb_fail(err, ANB_INVALID, "cannot create topic %s: %s", topic->name, words);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
    rd_kafka_CreateTopics(admin, &described, 1, NULL, queue);
    rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, (int)timeout_ms);
    rd_kafka_resp_err_t error = read_answer(answer, words, sizeof words);
    if (answer) rd_kafka_event_destroy(answer);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(described);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return ANB_OK;
    return anb_fail(err, kafka_status(error), "cannot create topic %s: %s", topic->name, words);
}

/* The embedded broker makes a topic when a producer asks for it. */
static enum anb_status ask_into_being(struct kafka_bus *bus, const struct bus_topic *topic, int64_t timeout_ms,
                                      struct anb_error *err)
{
    struct topic_state state;
    static const struct kafka_setting none[] = {{NULL, NULL}};
    rd_kafka_t *producer = kafka_client_new(bus, RD_KAFKA_PRODUCER, none, NULL, err);
    if (!producer) return ANB_INVALID;
    enum anb_status status = ask_topic(producer, topic->name, timeout_ms, &state, err);
    rd_kafka_destroy(producer);
    return status;
}

static enum anb_status make_topic(struct kafka_bus *bus, rd_kafka_t *admin, const struct bus_topic *topic,
                                  int64_t timeout_ms, struct anb_error *err)
{
    if (is_embedded_broker(admin)) return ask_into_being(bus, topic, timeout_ms, err);
    return create_topic(admin, topic, timeout_ms, err);
}

/* Metadata tells of a new topic a moment before its leaders take records, and a produce that comes too early is not
 * harmless (see on_delivery). A leader that can tell its offsets takes records. */
static enum anb_status wait_for_leaders(rd_kafka_t *admin, const struct bus_topic *topic, int64_t deadline_ms,
                                        struct anb_error *err)
{
    for (int32_t p = 0; p < topic->partitions;) {
        int64_t end, left_ms = deadline_ms - clock_monotonic_ms();
        rd_kafka_resp_err_t error = kafka_ask_offset(admin, topic->name, p, RD_KAFKA_OFFSET_END, left_ms, &end);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            p++;
        else if (left_ms <= 0)
            return kafka_fail(err, error, "the new topic has no leader: are all brokers up?", topic->name, p);
        else
            clock_sleep_ms(RETRY_MS);
    }
    return ANB_OK;
}

enum anb_status kafka_topic_ensure(struct bus *bus, const struct bus_topic *topic, int64_t timeout_ms,
                                   struct anb_error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms, left_ms = timeout_ms;
    bool made = false;
    rd_kafka_t *admin = admin_of(bus, err);
    if (!admin) return ANB_INVALID;
    for (; left_ms >= 0; left_ms = deadline_ms - clock_monotonic_ms()) {
        struct topic_state state;
        enum anb_status status = ask_topic(admin, topic->name, left_ms, &state, err);
        if (status != ANB_OK) return status;
        if (state.n_partitions >= topic->partitions && state.all_led)
            return made ? wait_for_leaders(admin, topic, deadline_ms, err) : ANB_OK;
        if (state.n_partitions > 0 && state.n_partitions < topic->partitions)
            return bus_too_few_partitions(err, topic, state.n_partitions);
        if (state.n_partitions == 0 && state.all_led && !made) {
            status = make_topic((struct kafka_bus *)bus, admin, topic, left_ms, err);
            if (status != ANB_OK) return status;
            made = true;
        } else {
            clock_sleep_ms(RETRY_MS);
        }
    }
    return anb_fail(err, ANB_TIMEOUT, "topic %s has no leaders after %lld ms: are all brokers up?", topic->name,
                    (long long)timeout_ms);
}

/* -- trimming */

void kafka_trim(struct bus *bus, const char *topic, int32_t partition, int64_t offset)
{
    struct anb_error err;
    rd_kafka_t *admin = admin_of(bus, &err);
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
