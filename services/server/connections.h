/* The open connections of the REST endpoint, and which of them have had their time.
 *
 * libmicrohttpd's own time-out looks at silence only; a client that sends one byte now and then would keep its place
 * for ever. Here a request must bring its head (the TLS handshake before it included), and a body its bytes, within
 * stated times; who does not is cut off. A flood of half-open connections does not keep others out, either: when there
 * are many, in all or from one address, the oldest that has not brought a whole head makes room for each new one. Added
 * to and removed from by the HTTP thread, reaped by another; a lock inside. */
#ifndef ANB_SERVER_CONNECTIONS_H
#define ANB_SERVER_CONNECTIONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONNECTION_HEAD_MS = 10000, /* from the connection's start, or its last answer, to a whole head */
    CONNECTION_BODY_MS = 30000, /* in each such time a body must bring ... */
    CONNECTION_BODY_BYTES = 65536,
    CONNECTIONS_MANY = 384, /* in all; from here on the oldest half-open one gives way */
    CONNECTIONS_MANY_OF_ADDRESS = 96
};

enum connection_phase { CONNECTION_HEAD, CONNECTION_BODY, CONNECTION_ANSWER };

struct connection {
    int fd;
    uint64_t address; /* as address_of gives it */
    enum connection_phase phase;
    int64_t since_ms; /* monotonic: begin of the phase, or of the body's current time span */
    int64_t bytes;    /* of the body in this span */
    bool cut;
    struct connection *next, *previous;
};

struct connections {
    pthread_mutex_t lock;
    struct connection *first;
    size_t count;
    size_t n_dying; /* cut, and not removed yet */
    uint64_t n_cut;
};

void connections_init(struct connections *connections);
void connections_fini(struct connections *connections);

struct sockaddr;
/* Where somebody comes from: an IPv4 address, or the first half of an IPv6 address, which is one household. */
uint64_t address_of(const struct sockaddr *address);

/* NULL: no memory. */
struct connection *connections_add(struct connections *connections, int fd, uint64_t address, int64_t now_ms);
void connections_remove(struct connections *connections, struct connection *connection); /* frees; NULL is fine */

/* NULL connections are fine. */
void connection_enter(struct connections *connections, struct connection *connection, enum connection_phase phase,
                      int64_t now_ms);
void connection_got(struct connections *connections, struct connection *connection, size_t bytes);

/* Shut the sockets down whose time is over; the HTTP library then sees their end. */
void connections_reap(struct connections *connections, int64_t now_ms);
/* How many are open, and how many were cut off since the start. */
void connections_count(struct connections *connections, size_t *open, uint64_t *cut);

#endif
