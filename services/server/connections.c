#include "server/connections.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
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

uint64_t address_of(const struct sockaddr *address)
{
    uint64_t half = 0;
    uint32_t v4;
    if (address->sa_family == AF_INET) return ((const struct sockaddr_in *)address)->sin_addr.s_addr;
    if (address->sa_family != AF_INET6) return 0;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    memcpy(&v4, &v6->s6_addr[12], sizeof v4);
    if (IN6_IS_ADDR_V4MAPPED(v6)) return v4;
    memcpy(&half, v6->s6_addr, sizeof half);
    return half;
}

/* Under the lock. The socket is shut down; the HTTP library then sees its end. */
static void cut(struct connections *connections, struct connection *connection)
{
    connection->cut = true;
    connections->n_cut++;
    connections->n_dying++;
    shutdown(connection->fd, SHUT_RDWR);
}

static bool is_half_open(const struct connection *connection)
{
    return connection->phase == CONNECTION_HEAD && !connection->cut;
}

/* Under the lock. Of all, or of one address. */
static void cut_oldest(struct connections *connections, const uint64_t *address)
{
    struct connection *oldest = NULL;
    for (struct connection *c = connections->first; c; c = c->next)
        if (is_half_open(c) && (!address || c->address == *address) && (!oldest || c->since_ms <= oldest->since_ms))
            oldest = c;
    if (oldest) cut(connections, oldest);
}

static size_t count_of_address(const struct connections *connections, uint64_t address)
{
    size_t n = 0;
    for (const struct connection *c = connections->first; c; c = c->next) n += c->address == address && !c->cut;
    return n;
}

struct connection *connections_add(struct connections *connections, int fd, uint64_t address, int64_t now_ms)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) return NULL;
    *connection = (struct connection){.fd = fd, .address = address, .since_ms = now_ms};
    pthread_mutex_lock(&connections->lock);
    if (count_of_address(connections, address) >= CONNECTIONS_MANY_OF_ADDRESS) cut_oldest(connections, &address);
    if (connections->count - connections->n_dying >= CONNECTIONS_MANY) cut_oldest(connections, NULL);
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
    if (connection->cut) connections->n_dying--;
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
        if (!c->cut && is_over(c, now_ms)) cut(connections, c);
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
