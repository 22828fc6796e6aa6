/* What topics there are, and making them: all of a list with one question, one request and one wait.
 *
 * The embedded broker (librdkafka's mock cluster) gives CreateTopics no answer: its missing topics are asked for as a
 * producer would, which makes them. */
#include "bus/kafka_private.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_MS = 4 };

/* -- what there is */

struct topic_state {
    int32_t n_partitions; /* 0: there is no such topic */
    bool all_led;
};

static void note_topic(const struct rd_kafka_metadata_topic *found, struct topic_state *state)
{
    bool is_being_made = found->err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    *state = (struct topic_state){.n_partitions = found->err ? 0 : found->partition_cnt, .all_led = !is_being_made};
    for (int p = 0; p < found->partition_cnt; p++)
        if (found->partitions[p].leader < 0) state->all_led = false;
}

static enum anb_status note_answer(const struct rd_kafka_metadata *metadata, const struct bus_topic *topics, size_t n,
                                   struct topic_state *states, struct anb_error *err)
{
    for (size_t i = 0; i < n; i++) {
        states[i] = (struct topic_state){0, true};
        for (int k = 0; k < metadata->topic_cnt; k++) {
            const struct rd_kafka_metadata_topic *found = &metadata->topics[k];
            if (strcmp(found->topic, topics[i].name) != 0) continue;
            enum anb_status status = kafka_status(found->err);
            if (status != ANB_OK && status != ANB_NOT_FOUND && found->err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
                return kafka_fail(err, found->err, "cannot ask", found->topic, -1);
            note_topic(found, &states[i]);
        }
    }
    return ANB_OK;
}

/* One question for all: librdkafka asks for the topics that have a handle. */
static enum anb_status ask(rd_kafka_t *client, const struct bus_topic *topics, size_t n, int64_t timeout_ms,
                           struct topic_state *states, struct anb_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handles[BUS_MAX_TOPICS] = {NULL};
    enum anb_status status = ANB_OK;
    for (size_t i = 0; i < n && status == ANB_OK; i++) {
        handles[i] = rd_kafka_topic_new(client, topics[i].name, NULL);
        if (!handles[i]) status = anb_fail(err, ANB_INVALID, "%s: not a topic's name", topics[i].name);
    }
    if (status == ANB_OK) {
        rd_kafka_resp_err_t error =
            rd_kafka_metadata(client, 0, n == 1 ? handles[0] : NULL, &metadata, (int)timeout_ms);
        status = error ? kafka_fail(err, error, "cannot ask for the topic", topics[0].name, -1)
                       : note_answer(metadata, topics, n, states, err);
    }
    if (metadata) rd_kafka_metadata_destroy(metadata);
    for (size_t i = 0; i < n; i++)
        if (handles[i]) rd_kafka_topic_destroy(handles[i]);
    return status;
}

enum anb_status kafka_topic_partitions(struct bus *bus, const char *name, int64_t timeout_ms, int32_t *partitions,
                                       struct anb_error *err)
{
    struct topic_state state;
    rd_kafka_t *admin = kafka_admin_of(bus, err);
    if (!admin) return ANB_INVALID;
    enum anb_status status = ask(admin, &(struct bus_topic){.name = name}, 1, timeout_ms, &state, err);
    if (status != ANB_OK) return status;
    if (state.n_partitions == 0) return anb_fail(err, ANB_NOT_FOUND, "there is no topic %s", name);
    *partitions = state.n_partitions;
    return ANB_OK;
}

/* -- making them */

struct making { /* what of a list is not there yet */
    const struct bus_topic *topics;
    size_t n;
    struct topic_state states[BUS_MAX_TOPICS];
    bool made[BUS_MAX_TOPICS];
};

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

/* The first failure in the answer; a topic that somebody else has made meanwhile is none. */
static enum anb_status read_answer(rd_kafka_event_t *answer, struct anb_error *err)
{
    size_t count = 0;
    if (!answer) return anb_fail(err, ANB_TIMEOUT, "cannot create topics: no answer");
    rd_kafka_resp_err_t error = rd_kafka_event_error(answer);
    if (error)
        return anb_fail(err, kafka_status(error), "cannot create topics: %s", rd_kafka_event_error_string(answer));
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(answer);
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        error = rd_kafka_topic_result_error(topics[i]);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
        const char *words = rd_kafka_topic_result_error_string(topics[i]);
        return anb_fail(err, kafka_status(error), "cannot create topic %s: %s", rd_kafka_topic_result_name(topics[i]),
                        words ? words : rd_kafka_err2str(error));
    }
    return ANB_OK;
}

static enum anb_status request(rd_kafka_t *admin, rd_kafka_NewTopic_t **described, size_t n, int64_t timeout_ms,
                               struct anb_error *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
    rd_kafka_CreateTopics(admin, described, n, NULL, queue);
    rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, (int)timeout_ms);
    enum anb_status status = read_answer(answer, err);
    if (answer) rd_kafka_event_destroy(answer);
    rd_kafka_queue_destroy(queue);
    return status;
}

static bool is_missing(const struct making *making, size_t i)
{
    return making->states[i].n_partitions == 0 && making->states[i].all_led && !making->made[i];
}

static enum anb_status create_missing(rd_kafka_t *admin, const struct making *making, int64_t timeout_ms,
                                      struct anb_error *err)
{
    char words[256] = "";
    rd_kafka_NewTopic_t *described[BUS_MAX_TOPICS];
    size_t n = 0;
    enum anb_status status = ANB_OK;
    for (size_t i = 0; i < making->n && status == ANB_OK; i++) {
        if (!is_missing(making, i)) continue;
        described[n] = describe(&making->topics[i], words, sizeof words);
        if (described[n])
            n++;
        else
            status = anb_fail(err, ANB_INVALID, "cannot create topic %s: %s", making->topics[i].name, words);
    }
    if (status == ANB_OK) status = request(admin, described, n, timeout_ms, err);
    rd_kafka_NewTopic_destroy_array(described, n);
    return status;
}

/* The embedded broker makes a topic when a producer asks for it. */
static enum anb_status ask_into_being(struct kafka_bus *bus, const struct making *making, int64_t timeout_ms,
                                      struct anb_error *err)
{
    struct topic_state state;
    static const struct kafka_setting none[] = {{NULL, NULL}};
    rd_kafka_t *producer = kafka_client_new(bus, RD_KAFKA_PRODUCER, none, NULL, err);
    if (!producer) return ANB_INVALID;
    enum anb_status status = ANB_OK;
    for (size_t i = 0; i < making->n && status == ANB_OK; i++)
        if (is_missing(making, i)) status = ask(producer, &making->topics[i], 1, timeout_ms, &state, err);
    rd_kafka_destroy(producer);
    return status;
}

static enum anb_status make_missing(struct kafka_bus *bus, rd_kafka_t *admin, struct making *making, int64_t timeout_ms,
                                    struct anb_error *err)
{
    enum anb_status status = kafka_is_embedded(bus) ? ask_into_being(bus, making, timeout_ms, err)
                                                    : create_missing(admin, making, timeout_ms, err);
    for (size_t i = 0; i < making->n && status == ANB_OK; i++)
        if (is_missing(making, i)) making->made[i] = true;
    return status;
}

/* OK: all are there and led. AGAIN: some are not, and none of these is known to be missing. NOT_FOUND: some are. */
static enum anb_status judge(const struct making *making, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (size_t i = 0; i < making->n; i++) {
        const struct topic_state *state = &making->states[i];
        if (state->n_partitions > 0 && state->n_partitions < making->topics[i].partitions)
            return bus_too_few_partitions(err, &making->topics[i], state->n_partitions);
        if (is_missing(making, i))
            status = ANB_NOT_FOUND;
        else if ((state->n_partitions == 0 || !state->all_led) && status == ANB_OK)
            status = ANB_AGAIN;
    }
    return status;
}

/* -- waiting for those that were made */

static rd_kafka_topic_partition_list_t *places_of_made(const struct making *making)
{
    rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(BUS_MAX_TOPICS);
    for (size_t i = 0; i < making->n; i++)
        for (int32_t p = 0; making->made[i] && p < making->topics[i].partitions; p++)
            rd_kafka_topic_partition_list_add(places, making->topics[i].name, p)->offset = RD_KAFKA_OFFSET_END;
    return places;
}

/* The first of the places whose leader does not answer. */
static enum anb_status ask_ends(rd_kafka_t *admin, rd_kafka_topic_partition_list_t *places, int64_t timeout_ms,
                                struct anb_error *err)
{
    static const char *const why = "the new topic has no leader: are all brokers up?";
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(admin, places, timeout_ms > 1 ? (int)timeout_ms : 1);
    for (int i = 0; i < places->cnt; i++) {
        const rd_kafka_topic_partition_t *place = &places->elems[i];
        rd_kafka_resp_err_t own = error ? error : place->err;
        if (!own && place->offset < 0) own = RD_KAFKA_RESP_ERR__TIMED_OUT;
        if (own) return kafka_fail(err, own, why, place->topic, place->partition);
    }
    return ANB_OK;
}

/* Metadata tells of a new topic a moment before its leaders take records, and a produce that comes too early is not
 * harmless (see on_delivery). A leader that can tell its offsets takes records. */
static enum anb_status wait_for_leaders(rd_kafka_t *admin, const struct making *making, int64_t deadline_ms,
                                        struct anb_error *err)
{
    for (;;) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        rd_kafka_topic_partition_list_t *places = places_of_made(making);
        enum anb_status status = places->cnt > 0 ? ask_ends(admin, places, left_ms, err) : ANB_OK;
        rd_kafka_topic_partition_list_destroy(places);
        if (status == ANB_OK || left_ms <= 0) return status;
        clock_sleep_ms(RETRY_MS);
    }
}

enum anb_status kafka_topics_ensure(struct bus *bus, const struct bus_topic *topics, size_t n, int64_t timeout_ms,
                                    struct anb_error *err)
{
    struct making making = {.topics = topics, .n = n};
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms, left_ms = timeout_ms;
    rd_kafka_t *admin = kafka_admin_of(bus, err);
    if (!admin) return ANB_INVALID;
    for (; left_ms >= 0; left_ms = deadline_ms - clock_monotonic_ms()) {
        enum anb_status status = ask(admin, topics, n, left_ms, making.states, err);
        if (status != ANB_OK) return status;
        status = judge(&making, err);
        if (status == ANB_OK) return wait_for_leaders(admin, &making, deadline_ms, err);
        if (status == ANB_NOT_FOUND) {
            status = make_missing((struct kafka_bus *)bus, admin, &making, left_ms, err);
            if (status != ANB_OK) return status;
        } else if (status == ANB_AGAIN)
            clock_sleep_ms(RETRY_MS);
        else
            return status;
    }
    return anb_fail(err, ANB_TIMEOUT, "topic %s has no leaders after %lld ms: are all brokers up?", topics[0].name,
                    (long long)timeout_ms);
}
