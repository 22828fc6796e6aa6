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
    for (;;) {
        struct answer answer;
        uint64_t seen = http_generation(http);
        request->is_last = http_is_closing(http);
        request->late = request->is_last || (request->wait_until_ms && clock_monotonic_ms() >= request->wait_until_ms);
        answer_init(&answer);
        if (request->route->handle(http->config.context, request, &answer) == ANSWERED) {
            enum MHD_Result result = send_answer(exchange, &answer);
            answer_fini(&answer);
            return result;
        }
        answer_fini(&answer);
        if (request->late) return MHD_NO;
        if (http_park(http, exchange, seen)) return MHD_YES;
    }
}

/* -- the request */

static enum MHD_Result note_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    headers_note(context, name, value);
    return MHD_YES;
}

static bool is_multipart(const char *content_type)
{
    static const char wanted[] = "multipart/form-data";
    return content_type && strncasecmp(content_type, wanted, sizeof wanted - 1) == 0;
}

/* What may come behind the head; *code is set when the status alone does not say it. */
static enum anb_status check_body(struct exchange *exchange, int64_t body_bytes, int *code)
{
    const struct http_config *config = &exchange->http->config;
    enum { MARGIN_BYTES = 65536 }; /* for boundaries and part heads */
    if (!exchange->request.route->takes_upload)
        return body_bytes == 0 ? ANB_OK : anb_fail(&exchange->err, ANB_INVALID, "this request takes no body");
    if (!is_multipart(exchange->headers.content_type)) {
        *code = 415;
        return anb_fail(&exchange->err, ANB_INVALID, "the body must be multipart/form-data");
    }
    const struct upload_limits *limits = &config->limits;
    if (limits->model_bytes && body_bytes > limits->model_bytes + limits->bundle_bytes + MARGIN_BYTES)
        return upload_model_too_large(limits->model_bytes, &exchange->err);
    return multipart_new(exchange->connection, &exchange->request.upload, config->incoming_folder, limits,
                         &exchange->parts, &exchange->err);
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
    if (status == ANB_OK) status = headers_check(&exchange->headers, &body_bytes, &exchange->err);
    if (status == ANB_OK) status = headers_check_origin(&exchange->headers, http->on_loopback, &exchange->err);
    if (status == ANB_OK) {
        status = router_find(http->config.routes, http->config.n_routes, method, request->target.path, &request->route,
                             request->id, allow, &exchange->err);
        if (status == ANB_INVALID)
            code = 405;
        else
            *allow = 0;
    }
    if (status == ANB_OK) status = target_check_queries(&request->target, request->route->queries, &exchange->err);
    if (status == ANB_OK && request->route->changes)
        status = http->config.may_change(http->config.context, &exchange->err);
    if (status == ANB_OK) status = check_body(exchange, body_bytes, &code);
    if (status != ANB_OK) return refuse(exchange, code ? code : http_code_of(status), allow);
    enter(exchange, exchange->parts ? CONNECTION_BODY : CONNECTION_ANSWER);
    return MHD_YES;
}

/* The library takes no answer in the middle of a body: after a failure the rest is let go, then the failure is told. */
static void take_body(struct exchange *exchange, const char *data, size_t size)
{
    connection_got(&exchange->http->connections, own_connection(exchange->connection), size);
    if (exchange->parts) exchange->status = multipart_feed(exchange->parts, data, size, &exchange->err);
}

static enum MHD_Result end_body(struct exchange *exchange)
{
    struct multipart *parts = exchange->parts;
    if (!parts) return settle(exchange);
    exchange->parts = NULL;
    enter(exchange, CONNECTION_ANSWER);
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
