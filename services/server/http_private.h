/* What the daemon (http.c) and its requests (exchange.c) share. HTTP thread, unless a function says otherwise. */
#ifndef ANB_SERVER_HTTP_PRIVATE_H
#define ANB_SERVER_HTTP_PRIVATE_H

#include "server/connections.h"
#include "server/headers.h"
#include "server/http.h"
#include "server/multipart.h"

#include <microhttpd.h>

struct exchange { /* one request and its answer */
    struct http *http;
    struct MHD_Connection *connection;
    struct request request;
    struct headers headers;
    struct multipart *parts;
    enum anb_status status; /* what went wrong on the way in: its sentence is in `err` */
    struct anb_error err;
    bool begun;
    struct exchange *next, *previous; /* in the list of the parked */
};

struct http {
    struct http_config config;
    struct MHD_Daemon *daemon;
    struct connections connections;
    char address[280];
    bool on_loopback;
    pthread_mutex_t lock; /* over what follows */
    uint64_t generation;  /* rises with each wake */
    struct exchange *parked;
    size_t n_parked, n_exchanges;
    bool closing;
    uint64_t answers[6];
};

/* Callbacks of the daemon. */
void *exchange_target(void *http, const char *raw, struct MHD_Connection *connection);
enum MHD_Result exchange_go_on(void *http, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *data_size, void **exchange);
void exchange_completed(void *http, struct MHD_Connection *connection, void **exchange,
                        enum MHD_RequestTerminationCode code);

uint64_t http_generation(struct http *http);
bool http_is_closing(struct http *http);
enum park { PARKED, PARK_AGAIN, PARK_FULL }; /* it has happened, or we close; too many wait already */
/* Suspend the connection until something happens that has not happened since `seen`. */
enum park http_park(struct http *http, struct exchange *exchange, uint64_t seen);
void http_note_answer(struct http *http, int code);
void http_note_exchange(struct http *http, int difference);

#endif
