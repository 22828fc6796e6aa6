/* Appending: one idempotent producer, whose delivery reports run on one thread of ours.
 *
 * Values are not copied: librdkafka sends them from the caller's memory and the delivery says when it is over. The bus
 * counts the bytes under way by itself, so that "is there room" has one answer, and keeps a list of deliveries, so that
 * each ends exactly once. After a fatal error (a broker that lost the producer's sequence, for one) the polling thread
 * fails what is under way and makes a new producer; until then appends get FATAL. */
#include "bus/kafka_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum {
    POLL_MS = 100,
    MAX_WAITING_RECORDS = 50000, /* librdkafka's own limit is 100,000 */
    PURGE_MS = 1000,             /* for the reports of purged records */
};

static const struct kafka_setting producer_settings[] = {
    {"enable.idempotence", "true"},   {"acks", "all"}, {"linger.ms", "0"},
    {"compression.type", "none"},     /* ciphertext does not get smaller */
    {"message.timeout.ms", "600000"}, /* what a broker may be away, and what the queue may take on a slow line */
    {"retry.backoff.ms", "50"},       {NULL, NULL},
};

/* -- deliveries */

static void link_delivery_locked(struct kafka_bus *bus, struct kafka_delivery *delivery)
{
    delivery->previous = NULL;
    delivery->next = bus->deliveries;
    if (bus->deliveries) bus->deliveries->previous = delivery;
    bus->deliveries = delivery;
    bus->waiting_bytes += (int64_t)delivery->bytes;
    bus->waiting_records++;
}

static void unlink_delivery_locked(struct kafka_bus *bus, struct kafka_delivery *delivery)
{
    if (delivery->previous)
        delivery->previous->next = delivery->next;
    else
        bus->deliveries = delivery->next;
    if (delivery->next) delivery->next->previous = delivery->previous;
    bus->waiting_bytes -= (int64_t)delivery->bytes;
    bus->waiting_records--;
}

static void finish_delivery(struct kafka_bus *bus, struct kafka_delivery *delivery, enum anb_status status,
                            int64_t offset)
{
    delivery->delivered(delivery->context, status, offset);
    pthread_mutex_lock(&bus->producer_mutex);
    unlink_delivery_locked(bus, delivery);
    pthread_cond_broadcast(&bus->room);
    pthread_mutex_unlock(&bus->producer_mutex);
    free(delivery);
}

/* Runs in rd_kafka_poll, on the polling thread.
 *
 * An acknowledgement without an offset is none. librdkafka reports success when a broker calls a record a duplicate;
 * but a broker that knows no record of this producer takes any sequence number, so when the first request to a
 * partition fails and the second, already under way, is taken, the first one's retry is "a duplicate" that nobody has
 * written (seen with Kafka 4.3 on a partition just made: see wait_for_leaders). */
static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    enum anb_status status = kafka_status(message->err);
    if (status == ANB_FATAL || (status == ANB_OK && message->offset < 0))
        status = ANB_UNAVAILABLE; /* it may or may not stand in the log */
    finish_delivery(opaque, message->_private, status, message->offset);
}

static void prepare_producer(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
}

/* What librdkafka still held when its handle went. */
static void fail_deliveries(struct kafka_bus *bus)
{
    for (;;) {
        pthread_mutex_lock(&bus->producer_mutex);
        struct kafka_delivery *delivery = bus->deliveries;
        pthread_mutex_unlock(&bus->producer_mutex);
        if (!delivery) return;
        finish_delivery(bus, delivery, ANB_UNAVAILABLE, -1);
    }
}

/* -- the polling thread */

static bool wait_for_reports(rd_kafka_t *producer, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    while (rd_kafka_outq_len(producer) > 0 && clock_monotonic_ms() < deadline_ms) rd_kafka_poll(producer, 5);
    return rd_kafka_outq_len(producer) == 0;
}

/* Ends with every delivery reported. No append may run: `broken` or `closing` is set. */
static void destroy_producer(struct kafka_bus *bus, rd_kafka_t *producer)
{
    rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    wait_for_reports(producer, PURGE_MS);
    kafka_topics_free(&bus->topics);
    rd_kafka_destroy(producer);
    fail_deliveries(bus);
}

static void replace_producer(struct kafka_bus *bus)
{
    char words[256] = "";
    struct anb_error err = {0};
    rd_kafka_fatal_error(bus->producer, words, sizeof words);
    log_event(LOG_WARN, "producer-replaced", "client=%s reason=%s records=%lld", bus->client_id, words,
              (long long)bus->waiting_records);
    destroy_producer(bus, bus->producer);
    rd_kafka_t *producer = NULL;
    while (!producer && !bus->closing) {
        producer = kafka_client_new(bus, RD_KAFKA_PRODUCER, producer_settings, prepare_producer, &err);
        if (!producer) clock_sleep_ms(POLL_MS); /* no threads or memory to be had just now */
    }
    pthread_mutex_lock(&bus->producer_mutex);
    bus->producer = producer;
    bus->broken = false;
    pthread_cond_broadcast(&bus->room);
    pthread_mutex_unlock(&bus->producer_mutex);
}
static void mark_if_fatal(struct kafka_bus *bus)
{
    if (rd_kafka_fatal_error(bus->producer, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    pthread_mutex_lock(&bus->producer_mutex);
    bus->broken = true;
    pthread_mutex_unlock(&bus->producer_mutex);
    replace_producer(bus);
}

static void *poll_until_closing(void *context)
{
    struct kafka_bus *bus = context;
    while (!bus->closing) {
        rd_kafka_poll(bus->producer, POLL_MS);
        mark_if_fatal(bus);
    }
    return NULL;
}

enum anb_status kafka_producer_open(struct kafka_bus *bus, struct anb_error *err)
{
    bus->producer = kafka_client_new(bus, RD_KAFKA_PRODUCER, producer_settings, prepare_producer, err);
    if (!bus->producer) return ANB_INVALID;
    int error = pthread_create(&bus->polling, NULL, poll_until_closing, bus);
    if (error == 0) return ANB_OK;
    rd_kafka_destroy(bus->producer);
    return anb_fail_errno(err, error, "cannot start the thread for delivery reports");
}

void kafka_producer_close(struct kafka_bus *bus, int64_t timeout_ms)
{
    bus->closing = true;
    pthread_join(bus->polling, NULL);
    if (!bus->producer) return; /* it broke, and was not made again */
    wait_for_reports(bus->producer, timeout_ms);
    destroy_producer(bus, bus->producer);
}

/* -- append */

/* A queue takes records until it is full, so at most one record more than its size. */
static bool has_room_locked(const struct kafka_bus *bus)
{
    return !bus->broken && bus->waiting_bytes < bus->queue_bytes && bus->waiting_records < MAX_WAITING_RECORDS;
}

static rd_kafka_resp_err_t produce_locked(struct kafka_bus *bus, const struct bus_append *append,
                                          struct kafka_delivery *delivery)
{
    /* The handle stands before the first record: made by produce itself, it costs the first record 1 s (2.0.2). */
    struct kafka_topic *topic = kafka_topic_get(&bus->topics, bus->producer, append->topic);
    if (!topic) return RD_KAFKA_RESP_ERR__INVALID_ARG;
    link_delivery_locked(bus, delivery);
    if (rd_kafka_produce(topic->handle, append->partition, 0, (void *)append->value.data, append->value.size,
                         append->key.data, append->key.size, delivery) == 0)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t error = rd_kafka_last_error();
    unlink_delivery_locked(bus, delivery);
    if (error == RD_KAFKA_RESP_ERR__FATAL) bus->broken = true;
    return error;
}

enum anb_status kafka_append(struct bus *base, const struct bus_append *append, struct anb_error *err)
{
    struct kafka_bus *bus = (struct kafka_bus *)base;
    struct kafka_delivery *delivery = malloc(sizeof *delivery);
    if (!delivery) return bus_no_memory(err, "an append");
    *delivery = (struct kafka_delivery){
        .delivered = append->delivered, .context = append->context, .bytes = append->key.size + append->value.size};
    pthread_mutex_lock(&bus->producer_mutex);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (bus->broken)
        error = RD_KAFKA_RESP_ERR__FATAL;
    else if (has_room_locked(bus))
        error = produce_locked(bus, append, delivery);
    pthread_mutex_unlock(&bus->producer_mutex);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return ANB_OK;
    free(delivery);
    return kafka_fail(err, error, "cannot append", append->topic, append->partition);
}

void kafka_wait_room(struct bus *base, int64_t timeout_ms)
{
    struct kafka_bus *bus = (struct kafka_bus *)base;
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&bus->producer_mutex);
    while (!has_room_locked(bus) && condition_wait(&bus->room, &bus->producer_mutex, deadline_ms)) {}
    pthread_mutex_unlock(&bus->producer_mutex);
}
