/* The Kafka bus: opening, closing, and what its parts share: configuration, the words for errors, topic handles. */
#include "bus/kafka_private.h"

#include "base/clock.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reconnect soon after a broker is back, and keep the idle costs of a connection low. */
static const struct kafka_setting common_settings[] = {
    {"socket.nagle.disable", "true"},
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"log.connection.close", "false"},
    {"topic.metadata.propagation.max.ms", "5000"},
    {"topic.metadata.refresh.fast.interval.ms", "50"},
    {NULL, NULL},
};

static bool set_all(rd_kafka_conf_t *conf, const struct kafka_setting *settings, char *words, size_t size)
{
    for (; settings->name; settings++)
        if (rd_kafka_conf_set(conf, settings->name, settings->value, words, size) != RD_KAFKA_CONF_OK) return false;
    return true;
}

/* Host names are checked: a certificate of the project that is not this broker's is refused. */
static bool set_tls(rd_kafka_conf_t *conf, const struct bus_tls *tls, char *words, size_t size)
{
    const struct kafka_setting settings[] = {
        {"security.protocol", "ssl"},
        {"ssl.key.location", tls->key_file},
        {"ssl.certificate.location", tls->certificate_file},
        {"ssl.ca.location", tls->root_file},
        {"ssl.endpoint.identification.algorithm", "https"},
        {tls->passphrase ? "ssl.key.password" : NULL, tls->passphrase},
        {NULL, NULL},
    };
    return !tls->key_file || set_all(conf, settings, words, size);
}

rd_kafka_t *kafka_client_new(struct kafka_bus *bus, rd_kafka_type_t type, const struct kafka_setting *settings,
                             void (*prepare)(rd_kafka_conf_t *conf), struct anb_error *err)
{
    char words[256] = "";
    const struct kafka_setting own[] = {
        {"bootstrap.servers", bus->bootstrap_servers}, {"client.id", bus->client_id}, {NULL, NULL}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kafka_log_attach(conf);
    rd_kafka_conf_set_opaque(conf, bus);
    if (prepare) prepare(conf);
    rd_kafka_t *client = NULL;
    if (set_all(conf, common_settings, words, sizeof words) && set_all(conf, own, words, sizeof words) &&
        set_tls(conf, &bus->tls, words, sizeof words) && set_all(conf, settings, words, sizeof words))
        client = rd_kafka_new(type, conf, words, sizeof words);
    if (client) return client; /* and `conf` is its own now */
    rd_kafka_conf_destroy(conf);
    anb_fail(err, ANB_INVALID, "cannot make a Kafka client for \"%s\": %s", bus->bootstrap_servers, words);
    return NULL;
}

/* -- errors */

enum anb_status kafka_status(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return ANB_OK;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL: return ANB_AGAIN;
    case RD_KAFKA_RESP_ERR__TIMED_OUT: return ANB_TIMEOUT;
    case RD_KAFKA_RESP_ERR__FATAL: return ANB_FATAL;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return ANB_NOT_FOUND;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE: return ANB_TOO_LARGE;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return ANB_DENIED;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR__INVALID_ARG: return ANB_INVALID;
    default: return ANB_UNAVAILABLE;
    }
}

enum anb_status kafka_fail(struct anb_error *err, rd_kafka_resp_err_t error, const char *what, const char *topic,
                           int32_t partition)
{
    char place[16] = "";
    if (partition >= 0) snprintf(place, sizeof place, "[%d]", partition);
    return anb_fail(err, kafka_status(error), "%s%s: %s: %s", topic, place, what, rd_kafka_err2str(error));
}

/* -- topic handles */

struct kafka_topic *kafka_topic_get(struct kafka_topic **list, rd_kafka_t *client, const char *name)
{
    for (struct kafka_topic *topic = *list; topic; topic = topic->next)
        if (strcmp(topic->name, name) == 0) return topic;
    struct kafka_topic *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    made->name = strdup(name);
    made->handle = rd_kafka_topic_new(client, name, NULL);
    if (!made->name || !made->handle) {
        if (made->handle) rd_kafka_topic_destroy(made->handle);
        free(made->name);
        free(made);
        return NULL;
    }
    made->next = *list;
    *list = made;
    return made;
}

void kafka_topics_free(struct kafka_topic **list)
{
    while (*list) {
        struct kafka_topic *topic = *list;
        *list = topic->next;
        rd_kafka_topic_destroy(topic->handle);
        free(topic->name);
        free(topic);
    }
}

/* -- the bus */

static bool copy_text(const char *text, const char **copy)
{
    *copy = text ? strdup(text) : NULL;
    return *copy || !text;
}

static bool copy_tls(const struct bus_tls *from, struct bus_tls *to)
{
    return copy_text(from->key_file, &to->key_file) && copy_text(from->certificate_file, &to->certificate_file) &&
           copy_text(from->root_file, &to->root_file) && copy_text(from->passphrase, &to->passphrase);
}

static void forget_tls(struct bus_tls *tls)
{
    if (tls->passphrase) explicit_bzero((void *)(uintptr_t)tls->passphrase, strlen(tls->passphrase));
    free((void *)(uintptr_t)tls->key_file);
    free((void *)(uintptr_t)tls->certificate_file);
    free((void *)(uintptr_t)tls->root_file);
    free((void *)(uintptr_t)tls->passphrase);
}

static void kafka_free(struct kafka_bus *bus)
{
    pthread_cond_destroy(&bus->room);
    pthread_mutex_destroy(&bus->producer_mutex);
    pthread_mutex_destroy(&bus->admin_mutex);
    free(bus->bootstrap_servers);
    free(bus->client_id);
    forget_tls(&bus->tls);
    free(bus);
}

static void kafka_close(struct bus *base, int64_t timeout_ms)
{
    struct kafka_bus *bus = (struct kafka_bus *)base;
    kafka_producer_close(bus, timeout_ms);
    kafka_admin_close(bus);
    kafka_free(bus);
}

static int64_t kafka_now_ms(struct bus *bus)
{
    (void)bus;
    return clock_wall_ms();
}

static enum anb_status kafka_random_id(struct bus *bus, struct id *id, struct anb_error *err)
{
    (void)bus;
    return id_random(id, err);
}

static const struct bus_ops kafka_ops = {
    .close = kafka_close,
    .now_ms = kafka_now_ms,
    .random_id = kafka_random_id,
    .append = kafka_append,
    .wait_room = kafka_wait_room,
    .reader_open = kafka_reader_open,
    .reader_close = kafka_reader_close,
    .cursor_open = kafka_cursor_open,
    .cursor_seek = kafka_cursor_seek,
    .cursor_next = kafka_cursor_next,
    .cursor_close = kafka_cursor_close,
    .topics_ensure = kafka_topics_ensure,
    .topic_partitions = kafka_topic_partitions,
    .bounds = kafka_bounds,
    .trim = kafka_trim,
};

static struct kafka_bus *kafka_new(const struct bus_kafka_config *config)
{
    struct kafka_bus *bus = calloc(1, sizeof *bus);
    if (!bus) return NULL;
    bus->base.ops = &kafka_ops;
    bus->queue_bytes = config->queue_kib * 1024;
    pthread_mutex_init(&bus->producer_mutex, NULL);
    pthread_mutex_init(&bus->admin_mutex, NULL);
    condition_init(&bus->room);
    bus->bootstrap_servers = strdup(config->bootstrap_servers);
    bus->client_id = strdup(config->client_id);
    bool copied = !config->tls || copy_tls(config->tls, &bus->tls);
    if (bus->bootstrap_servers && bus->client_id && copied) return bus;
    kafka_free(bus);
    return NULL;
}

enum anb_status bus_kafka_open(const struct bus_kafka_config *config, struct bus **bus, struct anb_error *err)
{
    if (!config->bootstrap_servers || !*config->bootstrap_servers || !config->client_id || config->queue_kib < 1)
        return anb_fail(err, ANB_INVALID,
                        "a Kafka bus needs bootstrap servers, a client id and a queue of 1 KiB or more");
    /* glibc raises this threshold when large blocks are freed; then fetched records would stay in the heap for good. */
    mallopt(M_MMAP_THRESHOLD, 262144);
    struct kafka_bus *opened = kafka_new(config);
    if (!opened) return bus_no_memory(err, "a bus");
    enum anb_status status = kafka_producer_open(opened, err);
    if (status != ANB_OK) {
        kafka_free(opened);
        return status;
    }
    *bus = &opened->base;
    return ANB_OK;
}
