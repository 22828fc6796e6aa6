/* The REST endpoint's outside: an HTTP/1.1 server on one thread (libmicrohttpd with poll: 0.9.75 with epoll
 * does not see what a client sent or closed while it was answered), and nothing of what is said
 * over it.
 *
 * Requests are checked (target.h, headers.h), routed (router.h) and handed to handlers (request.h) on the HTTP thread.
 * A handler that says WAIT costs a parked connection and no thread. http_wake, http_tick and the counters may be called
 * from any thread. */
#ifndef ANB_SERVER_HTTP_H
#define ANB_SERVER_HTTP_H

#include "server/request.h"
#include "server/tls.h"

struct http;

struct http_config {
    const char *listen; /* "HOST:PORT"; port 0: any */
    const char *incoming_folder;
    struct upload_limits limits;
    const struct route *routes;
    size_t n_routes;
    void *context;         /* for handlers, admit and may_change */
    const struct tls *tls; /* NULL: plain HTTP, on the loopback address only */
    /* Called for each request before its body is read: who sends it (request->user), and may they? Else *code is the
     * answer's. `request->route` is NULL when there is no such route. */
    enum anb_status (*admit)(void *context, const struct credentials *credentials, struct request *request, int *code,
                             struct anb_error *err);
    /* Called before the body of a request that changes something is read: why not, or OK. */
    enum anb_status (*may_change)(void *context, struct anb_error *err);
};

struct http_counters {
    uint64_t answers[6]; /* by first digit of the code */
    size_t connections;
    uint64_t cut_off;
    size_t waiting;
};

/* `config` is copied, what it points to must outlive the endpoint. */
enum anb_status http_start(const struct http_config *config, struct http **http, struct anb_error *err);
/* What waits is answered, then all connections are closed. http_wake is still allowed until http_free. */
void http_stop(struct http *http);
void http_free(struct http *http); /* after http_stop */

const char *http_address(const struct http *http); /* "127.0.0.1:8500" */
/* Something has happened: ask the waiting requests again. */
void http_wake(struct http *http);
/* Time has passed (monotonic): call about ten times a second. */
void http_tick(struct http *http, int64_t now_ms);
void http_count(struct http *http, struct http_counters *counters);

#endif
