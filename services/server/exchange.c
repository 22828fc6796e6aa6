#include "server/http_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/router.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct connection *own_connection(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void enter(struct exchange *exchange, enum connection_phase phase)
{
    connection_enter(&exchange->http->connections, own_connection(exchange->connection), phase, clock_monotonic_ms());
}

void *exchange_target(void *http, const char *raw, struct MHD_Connection *connection)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange) return NULL;
    exchange->http = http;
    exchange->connection = connection;
    upload_init(&exchange->request.upload);
    buf_init(&exchange->request.body, REQUEST_JSON_BYTES);
    exchange->status = target_parse(raw, &exchange->request.target, &exchange->err);
    http_note_exchange(http, 1);
    return exchange;
}

void exchange_completed(void *http, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *context;
    (void)connection, (void)code;
    if (!exchange) return;
    enter(exchange, CONNECTION_HEAD);
    multipart_finish(exchange->parts, NULL);
    if (exchange->request.work_free) exchange->request.work_free(exchange->request.work);
    upload_fini(&exchange->request.upload);
    buf_fini(&exchange->request.body);
    free(exchange);
    *context = NULL;
    http_note_exchange(http, -1);
}

/* -- the answer */

static struct MHD_Response *make_response(struct answer *answer)
{
    struct MHD_Response *response;
    if (answer->fd >= 0) {
        response = MHD_create_response_from_fd64((uint64_t)answer->file_bytes, answer->fd);
        if (response) answer->fd = -1;
        return response;
    }
    size_t size = answer->body.size;
    char *text = buf_take_text(&answer->body);
    response = MHD_create_response_from_buffer(text ? size : 0, text, MHD_RESPMEM_MUST_FREE);
    if (!response) free(text);
    return response;
}

static enum MHD_Result send_answer(struct exchange *exchange, struct answer *answer)
{
    bool is_file = answer->fd >= 0;
    struct MHD_Response *response = make_response(answer);
    if (!response) return MHD_NO;
    if (answer->code != 204) MHD_add_response_header(response, "Content-Type", answer->content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (*answer->etag) MHD_add_response_header(response, "ETag", answer->etag);
    if (answer->code == 401) MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (*answer->allow) MHD_add_response_header(response, "Allow", answer->allow);
    /* After a file, 0.9.75 does not see what the client had already sent or closed. */
    if (answer->is_last || is_file) MHD_add_response_header(response, "Connection", "close");
    enter(exchange, CONNECTION_ANSWER);
    enum MHD_Result result = MHD_queue_response(exchange->connection, (unsigned)answer->code, response);
    MHD_destroy_response(response);
    http_note_answer(exchange->http, answer->code);
    log_event(LOG_DEBUG, "http-answer", "path=%s code=%d", exchange->request.target.text, answer->code);
    return result;
}

/* The first failure, as the answer; the rest of the request is not read. */
static enum MHD_Result refuse(struct exchange *exchange, int code, const char *allow)
{
    struct answer answer;
    answer_init(&answer);
    answer_error_as(&answer, code, &exchange->err);
    answer.is_last = true;
    strcpy(answer.allow, allow);
    enum MHD_Result result = send_answer(exchange, &answer);
    answer_fini(&answer);
    return result;
}

/* Ask the handler until it answers, or park the connection. */
static enum MHD_Result settle(struct exchange *exchange)
{
    struct http *http = exchange->http;
    struct request *request = &exchange->request;
    bool is_full = false; /* nobody else can wait: what is there now is the answer */
    for (;;) {
        struct answer answer;
        uint64_t seen = http_generation(http);
        request->is_last = http_is_closing(http);
        request->late =
            request->is_last || is_full || (request->wait_until_ms && clock_monotonic_ms() >= request->wait_until_ms);
        answer_init(&answer);
        if (request->route->handle(http->config.context, request, &answer) == ANSWERED) {
            enum MHD_Result result = send_answer(exchange, &answer);
            answer_fini(&answer);
            return result;
        }
        answer_fini(&answer);
        if (request->late) return MHD_NO;
        enum park park = http_park(http, exchange, seen);
        if (park == PARKED) return MHD_YES;
        is_full = park == PARK_FULL;
    }
}

/* -- the request */

static enum MHD_Result note_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    headers_note(context, name, value);
    return MHD_YES;
}

static enum anb_status check_type(const struct exchange *exchange, const char *wanted, int *code, struct anb_error *err)
{
    const char *type = exchange->headers.content_type;
    size_t length = strlen(wanted);
    if (type && strncasecmp(type, wanted, length) == 0 && (!type[length] || strchr("; ", type[length]))) return ANB_OK;
    *code = 415;
    return anb_fail(err, ANB_INVALID, "the body must be %s", wanted);
}

static enum anb_status check_upload(struct exchange *exchange, int64_t body_bytes)
{
    enum { MARGIN_BYTES = 65536 }; /* for boundaries and part heads */
    const struct http_config *config = &exchange->http->config;
    const struct upload_limits *limits = &config->limits;
    if (limits->model_bytes &&
        body_bytes > limits->model_bytes + limits->bundle_bytes + limits->manifest_bytes + MARGIN_BYTES)
        return upload_model_too_large(limits->model_bytes, &exchange->err);
    return multipart_new(exchange->connection, &exchange->request.upload, config->incoming_folder, limits,
                         &exchange->parts, &exchange->err);
}

static enum anb_status json_too_large(struct exchange *exchange)
{
    return anb_fail(&exchange->err, ANB_TOO_LARGE, "the body is larger than %zu bytes", exchange->request.body.ceiling);
}

static enum anb_status check_json(struct exchange *exchange, int64_t body_bytes, size_t most_bytes)
{
    exchange->request.body.ceiling = most_bytes;
    return body_bytes <= (int64_t)most_bytes ? ANB_OK : json_too_large(exchange);
}

/* What may come behind the head; *code is set when the status alone does not say it. */
static enum anb_status check_body(struct exchange *exchange, int64_t body_bytes, int *code)
{
    struct anb_error *err = &exchange->err;
    enum anb_status status;
    switch (exchange->request.route->takes) {
    case TAKES_UPLOAD:
        status = check_type(exchange, "multipart/form-data", code, err);
        return status == ANB_OK ? check_upload(exchange, body_bytes) : status;
    case TAKES_JSON:
    case TAKES_ROSTER:
        status = check_type(exchange, "application/json", code, err);
        if (status != ANB_OK) return status;
        return check_json(exchange, body_bytes,
                          exchange->request.route->takes == TAKES_JSON ? REQUEST_JSON_BYTES : REQUEST_ROSTER_BYTES);
    default: return body_bytes == 0 ? ANB_OK : anb_fail(err, ANB_INVALID, "this request takes no body");
    }
}

static enum anb_status admit(struct exchange *exchange, int *code)
{
    struct http *http = exchange->http;
    const struct credentials shown = {exchange->headers.authorization,
                                      http->config.tls ? tls_peer(exchange->connection) : slice_of(NULL, 0)};
    return http->config.admit(http->config.context, &shown, &exchange->request, code, &exchange->err);
}

/* Which route, and may its sender use it? Strangers are not told what is here. */
static enum anb_status find_and_admit(struct exchange *exchange, const char *method, char allow[ROUTE_ALLOW_BYTES],
                                      int *code)
{
    const struct http_config *config = &exchange->http->config;
    struct request *request = &exchange->request;
    struct anb_error why;
    enum anb_status found = router_find(config->routes, config->n_routes, method, request->target.path, &request->route,
                                        request->id, allow, &why);
    enum anb_status status = admit(exchange, code);
    if (found != ANB_INVALID || status != ANB_OK) *allow = 0;
    if (status != ANB_OK || found == ANB_OK) return status;
    *code = found == ANB_INVALID ? 405 : 404;
    exchange->err = why;
    return found;
}

/* Everything that can be said before the body is read. */
static enum MHD_Result begin(struct exchange *exchange, const char *method)
{
    struct http *http = exchange->http;
    struct request *request = &exchange->request;
    char allow[ROUTE_ALLOW_BYTES] = "";
    int64_t body_bytes = 0;
    int code = 0;
    MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, note_header, &exchange->headers);
    enum anb_status status = exchange->status;
    if (status == ANB_OK) status = method_check(method, &exchange->err);
    if (status == ANB_OK) status = headers_check(&exchange->headers, &body_bytes, &exchange->err);
    if (status == ANB_OK) status = headers_check_origin(&exchange->headers, http->on_loopback, &exchange->err);
    if (status == ANB_OK) status = find_and_admit(exchange, method, allow, &code);
    if (status == ANB_OK) status = target_check_queries(&request->target, request->route->queries, &exchange->err);
    if (status == ANB_OK && request->route->changes)
        status = http->config.may_change(http->config.context, &exchange->err);
    if (status == ANB_OK) status = check_body(exchange, body_bytes, &code);
    if (status != ANB_OK) return refuse(exchange, code ? code : http_code_of(status), allow);
    enter(exchange, request->route->takes == TAKES_NOTHING ? CONNECTION_ANSWER : CONNECTION_BODY);
    return MHD_YES;
}

/* The library takes no answer in the middle of a body: after a failure the rest is let go, then the failure is told. */
static void take_body(struct exchange *exchange, const char *data, size_t size)
{
    connection_got(&exchange->http->connections, own_connection(exchange->connection), size);
    if (exchange->parts)
        exchange->status = multipart_feed(exchange->parts, data, size, &exchange->err);
    else if (exchange->status == ANB_OK && buf_append(&exchange->request.body, slice_of(data, size), NULL) != ANB_OK)
        exchange->status = json_too_large(exchange);
}

static enum MHD_Result end_body(struct exchange *exchange)
{
    struct multipart *parts = exchange->parts;
    enter(exchange, CONNECTION_ANSWER);
    if (!parts && exchange->status != ANB_OK) return refuse(exchange, http_code_of(exchange->status), "");
    if (!parts) return settle(exchange);
    exchange->parts = NULL;
    enum anb_status status = multipart_finish(parts, &exchange->err);
    if (status == ANB_OK) status = upload_finish(&exchange->request.upload, &exchange->err);
    return status == ANB_OK ? settle(exchange) : refuse(exchange, http_code_of(status), "");
}

enum MHD_Result exchange_go_on(void *http, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *data_size, void **context)
{
    struct exchange *exchange = *context;
    (void)http, (void)connection, (void)url, (void)version;
    if (!exchange) return MHD_NO; /* no memory */
    if (!exchange->begun) {
        exchange->begun = true;
        return begin(exchange, method);
    }
    if (*data_size == 0) return end_body(exchange);
    take_body(exchange, data, *data_size);
    *data_size = 0;
    return MHD_YES;
}
