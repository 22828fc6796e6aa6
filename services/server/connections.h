/* The open connections of the REST endpoint, and which of them have had their time.
 *
 * libmicrohttpd's own time-out looks at silence only; a client that sends one byte now and then would keep its place
 * for ever. Here a request must bring its head, and a body its bytes, within stated times; who does not is cut off.
 * Added to and removed from by the HTTP thread, reaped by another; a lock inside. */
#ifndef ANB_SERVER_CONNECTIONS_H
#define ANB_SERVER_CONNECTIONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONNECTION_HEAD_MS = 10000, /* from the connection's start, or its last answer, to a whole head */
    CONNECTION_BODY_MS = 30000, /* in each such time a body must bring ... */
    CONNECTION_BODY_BYTES = 65536
};

enum connection_phase { CONNECTION_HEAD, CONNECTION_BODY, CONNECTION_ANSWER };

struct connection {
    int fd;
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
    uint64_t n_cut;
};

void connections_init(struct connections *connections);
void connections_fini(struct connections *connections);

struct connection *connections_add(struct connections *connections, int fd, int64_t now_ms); /* NULL: no memory */
void connections_remove(struct connections *connections, struct connection *connection);     /* frees; NULL is fine */

/* NULL connections are fine. */
void connection_enter(struct connections *connections, struct connection *connection, enum connection_phase phase,
                      int64_t now_ms);
void connection_got(struct connections *connections, struct connection *connection, size_t bytes);

/* Shut the sockets down whose time is over; the HTTP library then sees their end. */
void connections_reap(struct connections *connections, int64_t now_ms);
/* How many are open, and how many were cut off since the start. */
void connections_count(struct connections *connections, size_t *open, uint64_t *cut);

#endif
