#include "server/connections.h"

#include <stdlib.h>
#include <sys/socket.h>

void connections_init(struct connections *connections)
{
    *connections = (struct connections){.first = NULL};
    pthread_mutex_init(&connections->lock, NULL);
}

void connections_fini(struct connections *connections)
{
    while (connections->first) connections_remove(connections, connections->first);
    pthread_mutex_destroy(&connections->lock);
}

struct connection *connections_add(struct connections *connections, int fd, int64_t now_ms)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) return NULL;
    connection->fd = fd;
    connection->since_ms = now_ms;
    pthread_mutex_lock(&connections->lock);
    connection->next = connections->first;
    if (connection->next) connection->next->previous = connection;
    connections->first = connection;
    connections->count++;
    pthread_mutex_unlock(&connections->lock);
    return connection;
}

void connections_remove(struct connections *connections, struct connection *connection)
{
    if (!connection) return;
    pthread_mutex_lock(&connections->lock);
    if (connection->next) connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        connections->first = connection->next;
    connections->count--;
    pthread_mutex_unlock(&connections->lock);
    free(connection);
}

void connection_enter(struct connections *connections, struct connection *connection, enum connection_phase phase,
                      int64_t now_ms)
{
    if (!connection) return;
    pthread_mutex_lock(&connections->lock);
    connection->phase = phase;
    connection->since_ms = now_ms;
    connection->bytes = 0;
    pthread_mutex_unlock(&connections->lock);
}

void connection_got(struct connections *connections, struct connection *connection, size_t bytes)
{
    if (!connection) return;
    pthread_mutex_lock(&connections->lock);
    connection->bytes += (int64_t)bytes;
    pthread_mutex_unlock(&connections->lock);
}

static bool is_over(struct connection *connection, int64_t now_ms)
{
    int64_t age_ms = now_ms - connection->since_ms;
    switch (connection->phase) {
    case CONNECTION_HEAD: return age_ms >= CONNECTION_HEAD_MS;
    case CONNECTION_BODY:
        if (age_ms < CONNECTION_BODY_MS) return false;
        if (connection->bytes < CONNECTION_BODY_BYTES) return true;
        connection->since_ms = now_ms;
        connection->bytes = 0;
        return false;
    default: return false;
    }
}

void connections_reap(struct connections *connections, int64_t now_ms)
{
    pthread_mutex_lock(&connections->lock);
    for (struct connection *c = connections->first; c; c = c->next) {
        if (c->cut || !is_over(c, now_ms)) continue;
        c->cut = true;
        connections->n_cut++;
        shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&connections->lock);
}

void connections_count(struct connections *connections, size_t *open, uint64_t *cut)
{
    pthread_mutex_lock(&connections->lock);
    *open = connections->count;
    *cut = connections->n_cut;
    pthread_mutex_unlock(&connections->lock);
}
