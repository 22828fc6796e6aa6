#include "server/http.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/http_private.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTION_LIMIT = 512, /* well above CONNECTIONS_MANY: those who are cut leave a moment later */
    CONNECTION_LIMIT_PER_ADDRESS = 256,
    MAX_PARKED = 256,
    CONNECTION_MEMORY_BYTES = 32768,
    CONNECTION_SILENT_S = 10,
    BACKLOG = 512,
    GRACE_MS = 1000
};

/* -- who waits */

uint64_t http_generation(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    uint64_t generation = http->generation;
    pthread_mutex_unlock(&http->lock);
    return generation;
}

bool http_is_closing(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    bool closing = http->closing;
    pthread_mutex_unlock(&http->lock);
    return closing;
}

enum park http_park(struct http *http, struct exchange *exchange, uint64_t seen)
{
    enum park park = PARKED;
    pthread_mutex_lock(&http->lock);
    if (http->closing || http->generation != seen)
        park = PARK_AGAIN;
    else if (http->n_parked >= MAX_PARKED)
        park = PARK_FULL;
    if (park == PARKED) {
        MHD_suspend_connection(exchange->connection);
        exchange->previous = NULL;
        exchange->next = http->parked;
        if (exchange->next) exchange->next->previous = exchange;
        http->parked = exchange;
        http->n_parked++;
    }
    pthread_mutex_unlock(&http->lock);
    return park;
}

/* Under the lock. */
static void unpark(struct http *http, struct exchange *exchange)
{
    if (exchange->next) exchange->next->previous = exchange->previous;
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        http->parked = exchange->next;
    http->n_parked--;
    MHD_resume_connection(exchange->connection);
}

void http_wake(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    http->generation++;
    while (http->parked) unpark(http, http->parked);
    pthread_mutex_unlock(&http->lock);
}

void http_tick(struct http *http, int64_t now_ms)
{
    pthread_mutex_lock(&http->lock);
    for (struct exchange *exchange = http->parked, *next; exchange; exchange = next) {
        next = exchange->next;
        if (now_ms >= exchange->request.wait_until_ms) unpark(http, exchange);
    }
    pthread_mutex_unlock(&http->lock);
    connections_reap(&http->connections, now_ms);
}

void http_note_answer(struct http *http, int code)
{
    pthread_mutex_lock(&http->lock);
    http->answers[code / 100 % 6]++;
    pthread_mutex_unlock(&http->lock);
}

void http_note_exchange(struct http *http, int difference)
{
    pthread_mutex_lock(&http->lock);
    http->n_exchanges += (size_t)difference;
    pthread_mutex_unlock(&http->lock);
}

void http_count(struct http *http, struct http_counters *counters)
{
    connections_count(&http->connections, &counters->connections, &counters->cut_off);
    pthread_mutex_lock(&http->lock);
    memcpy(counters->answers, http->answers, sizeof counters->answers);
    counters->waiting = http->n_parked;
    pthread_mutex_unlock(&http->lock);
}

/* -- the socket */

/* "127.0.0.1:8500" or "[::1]:8500". */
static enum anb_status split_address(const char *listen, char host[256], char port[8], struct anb_error *err)
{
    const char *colon = strrchr(listen, ':');
    size_t host_size = colon ? (size_t)(colon - listen) : 0;
    if (!colon || host_size == 0 || host_size >= 256 || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return anb_fail(err, ANB_INVALID, "listen must be HOST:PORT, got \"%.64s\"", listen);
    if (*listen == '[' && listen[host_size - 1] == ']') {
        listen++;
        host_size -= 2;
    }
    memcpy(host, listen, host_size);
    host[host_size] = 0;
    strcpy(port, colon + 1);
    return ANB_OK;
}

static int bind_one(const struct addrinfo *address)
{
    int yes = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
    int error_number = errno;
    close(fd);
    errno = error_number;
    return -1;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
}

static void note_address(struct http *http, int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[256] = "", port[8] = "";
    getsockname(fd, (struct sockaddr *)&address, &size);
    getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    bool is_v6 = address.ss_family == AF_INET6;
    snprintf(http->address, sizeof http->address, is_v6 ? "[%s]:%s" : "%s:%s", host, port);
    http->on_loopback = is_loopback(&address);
}

static enum anb_status open_socket(struct http *http, int *fd, struct anb_error *err)
{
    char host[256], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    enum anb_status status = split_address(http->config.listen, host, port, err);
    if (status != ANB_OK) return status;
    int gai = getaddrinfo(host, port, &hints, &found);
    if (gai != 0) return anb_fail(err, ANB_INVALID, "cannot listen on %.64s: %s", host, gai_strerror(gai));
    *fd = bind_one(found);
    int error_number = errno;
    freeaddrinfo(found);
    if (*fd < 0) return anb_fail_errno(err, error_number, "cannot listen on %.64s", http->config.listen);
    note_address(http, *fd);
    return ANB_OK;
}

/* -- the daemon */

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        connections_remove(&http->connections, *socket_context);
        *socket_context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *socket_context = socket && peer ? connections_add(&http->connections, socket->connect_fd,
                                                       address_of(peer->client_addr), clock_monotonic_ms())
                                     : NULL;
}

static void on_log(void *context, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void on_log(void *context, const char *format, va_list args)
{
    char text[256];
    (void)context;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = 0;
    log_event(LOG_DEBUG, "http-library", "text=%s", text);
}

/* For the library's array of options. */
static void *value_of(const char *text)
{
    return (void *)(uintptr_t)text;
}

/* What MHD_OPTION_ARRAY takes; all of `items` but its end is left out without TLS. */
static unsigned set_tls(const struct tls *tls, struct MHD_OptionItem items[6])
{
    size_t n = 0;
    if (tls) {
        items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, value_of(tls_priorities())};
        items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, value_of(tls_certificate(tls))};
        items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, value_of(tls_key(tls))};
        items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, value_of(tls_root(tls))};
        if (tls_passphrase(tls))
            items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_KEY_PASSWORD, 0, value_of(tls_passphrase(tls))};
    }
    items[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return tls ? MHD_USE_TLS : 0;
}

static enum anb_status start_daemon(struct http *http, int fd, struct anb_error *err)
{
    struct MHD_OptionItem tls[6];
    if (!http->config.tls && !http->on_loopback)
        return anb_fail(err, ANB_INVALID, "without TLS only the loopback address is served, not %s", http->address);
    unsigned flags = set_tls(http->config.tls, tls);
    http->daemon = MHD_start_daemon(
        flags | MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        exchange_go_on, http, MHD_OPTION_ARRAY, tls, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_URI_LOG_CALLBACK, exchange_target, http, MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTION_LIMIT,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTION_LIMIT_PER_ADDRESS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SILENT_S,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!http->daemon) return anb_fail(err, ANB_IO, "cannot start the HTTP server on %s", http->address);
    return ANB_OK;
}

void http_free(struct http *http)
{
    if (!http) return;
    connections_fini(&http->connections);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

enum anb_status http_start(const struct http_config *config, struct http **http, struct anb_error *err)
{
    struct http *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for the HTTP server");
    made->config = *config;
    pthread_mutex_init(&made->lock, NULL);
    connections_init(&made->connections);
    int fd = -1;
    enum anb_status status = open_socket(made, &fd, err);
    *http = made; /* handlers may look at it at once */
    if (status == ANB_OK) status = start_daemon(made, fd, err);
    if (status == ANB_OK) return ANB_OK;
    *http = NULL;
    if (fd >= 0) close(fd);
    http_free(made);
    return status;
}

static bool is_quiet(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    bool quiet = http->n_exchanges == 0;
    pthread_mutex_unlock(&http->lock);
    return quiet;
}

void http_stop(struct http *http)
{
    if (!http) return;
    pthread_mutex_lock(&http->lock);
    http->closing = true;
    pthread_mutex_unlock(&http->lock);
    http_wake(http);
    int64_t until_ms = clock_monotonic_ms() + GRACE_MS;
    while (!is_quiet(http) && clock_monotonic_ms() < until_ms) clock_sleep_ms(5);
    MHD_stop_daemon(http->daemon);
}

const char *http_address(const struct http *http)
{
    return http->address;
}
