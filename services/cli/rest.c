/* Calls, refusals, repeating. What a status code means stands in one table; the server's own word goes before it. */
#include "cli/rest.h"

#include "base/clock.h"
#include "cli/provision.h"
#include "cli/rest_private.h"
#include "cli/server.h"
#include "crypto/key.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_CEILING_BYTES = 256 << 20, CONNECT_MS = 5000, FIRST_PAUSE_MS = 100, LONGEST_PAUSE_MS = 2000 };

/* The passphrase is read once: it lives as long as the session. */
static enum anb_status start(struct rest *rest, struct anb_error *err)
{
    const char *file = rest->context.passphrase_file;
    enum anb_status status = passphrase_read(*file ? file : NULL, &rest->passphrase, err);
    if (status != ANB_OK) return status;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return anb_fail(err, ANB_FATAL, "libcurl does not start");
    rest->curl = curl_easy_init();
    return rest->curl ? ANB_OK : anb_fail(err, ANB_NO_MEMORY, "no memory");
}

enum anb_status rest_open_as(const struct context *context, struct rest **rest, struct anb_error *err)
{
    struct rest *opened = calloc(1, sizeof *opened);
    if (!opened) return anb_fail(err, ANB_NO_MEMORY, "no memory");
    opened->context = *context;
    opened->loopback = server_is_loopback(context->server);
    opened->patience_ms = REST_PATIENCE_MS;
    enum anb_status status = start(opened, err);
    if (status == ANB_OK)
        *rest = opened;
    else
        rest_close(opened);
    return status;
}

enum anb_status rest_open(const char *server, struct rest **rest, struct anb_error *err)
{
    char address[CONTEXT_TEXT_BYTES];
    struct context context;
    enum anb_status status = server ? server_address(server, address, sizeof address, err) : ANB_OK;
    if (status == ANB_OK) status = context_find(server ? address : NULL, &context, err);
    if (status == ANB_OK) status = rest_open_as(&context, rest, err);
    key_wipe(&context, sizeof context);
    return status;
}

const struct context *rest_context(const struct rest *rest)
{
    return &rest->context;
}

void rest_close(struct rest *rest)
{
    if (!rest) return;
    if (rest->curl) curl_easy_cleanup(rest->curl);
    curl_global_cleanup();
    passphrase_free(rest->passphrase);
    key_wipe(rest, sizeof *rest);
    free(rest);
}

void rest_set_patience(struct rest *rest, int64_t patience_ms)
{
    rest->patience_ms = patience_ms > 0 ? patience_ms : 0;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct slice part = slice_of(bytes, size * count);
    long http_status = 0;
    curl_easy_getinfo(exchange->rest->curl, CURLINFO_RESPONSE_CODE, &http_status);
    bool taken;
    if (exchange->sink && http_status >= 200 && http_status < 300)
        taken = exchange->sink(exchange->sink_context, part, &exchange->sink_error);
    else
        taken = buf_append(&exchange->body, part, &exchange->sink_error) == ANB_OK;
    return taken ? part.size : 0;
}

static int report_progress(void *context, curl_off_t to_come, curl_off_t came, curl_off_t to_go, curl_off_t went)
{
    struct exchange *exchange = context;
    bool up = exchange->mime != NULL;
    exchange->watch->report(exchange->watch->context, up ? went : came, up ? to_go : to_come);
    return 0;
}

/* What the other end must prove, and what it gets from us. */
static void set_identity(const struct rest *rest)
{
    CURL *curl = rest->curl;
    const struct context *context = &rest->context;
    char path[REST_PATH_BYTES];
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (*context->root) curl_easy_setopt(curl, CURLOPT_CAINFO, context->root);
    if (*context->token) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, context->token);
    }
    if (!*context->kit) return;
    snprintf(path, sizeof path, "%s/certificate.pem", context->kit);
    curl_easy_setopt(curl, CURLOPT_SSLCERT, path);
    snprintf(path, sizeof path, "%s/identity-key.pem", context->kit);
    curl_easy_setopt(curl, CURLOPT_SSLKEY, path);
    if (rest->passphrase) curl_easy_setopt(curl, CURLOPT_KEYPASSWD, rest->passphrase);
}

static void set_transport(const struct exchange *exchange, const char *url)
{
    CURL *curl = exchange->rest->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "anabranch/" ANB_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)exchange->limit_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)REST_SILENCE_S);
    set_identity(exchange->rest);
    /* A proxy of the environment never stands between us and this machine. */
    if (exchange->rest->loopback) curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

static void set_request(struct exchange *exchange)
{
    CURL *curl = exchange->rest->curl;
    if (exchange->mime)
        curl_easy_setopt(curl, CURLOPT_MIMEPOST, exchange->mime);
    else if (exchange->json)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->json);
    else if (strcmp(exchange->method, "POST") == 0)
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "");
    else if (strcmp(exchange->method, "GET") != 0)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, exchange->method);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    if (!exchange->watch || !exchange->watch->report) return;
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, report_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
}

static enum anb_status transport_failure(const struct exchange *exchange, CURLcode code, const char *words,
                                         struct anb_error *err)
{
    const char *why = *words ? words : curl_easy_strerror(code), *server = exchange->rest->context.server;
    long error_number = 0;
    switch (code) {
    case CURLE_WRITE_ERROR:
        if (exchange->sink_error.status == ANB_OK) break;
        if (err) *err = exchange->sink_error;
        return exchange->sink_error.status;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return anb_fail(err, ANB_INVALID, "server %s: %s", server, why);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return anb_fail(err, ANB_DENIED, "server %s: %s", server, why);
    case CURLE_OUT_OF_MEMORY: return anb_fail(err, ANB_NO_MEMORY, "no memory");
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(exchange->rest->curl, CURLINFO_OS_ERRNO, &error_number);
        if (error_number) why = strerror((int)error_number);
        /* fall through */
    case CURLE_COULDNT_RESOLVE_HOST:
        return anb_fail(err, ANB_UNAVAILABLE,
                        "cannot reach the server at %s: %s: is it running? (anabranch dev up starts one here; --server "
                        "or ANABRANCH_SERVER names another)",
                        server, why);
    default: break;
    }
    return anb_fail(err, ANB_UNAVAILABLE, "connection to %s failed in %s %s: %s", server, exchange->method,
                    exchange->path, why);
}

static enum anb_status status_of_http(long http_status)
{
    static const struct {
        long http_status;
        enum anb_status status;
    } table[] = {{400, ANB_INVALID},     {401, ANB_DENIED},      {403, ANB_DENIED},      {404, ANB_NOT_FOUND},
                 {405, ANB_INVALID},     {409, ANB_EXISTS},      {413, ANB_TOO_LARGE},   {415, ANB_INVALID},
                 {502, ANB_UNAVAILABLE}, {503, ANB_UNAVAILABLE}, {504, ANB_UNAVAILABLE}, {507, ANB_NO_SPACE}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].http_status == http_status) return table[i].status;
    return ANB_FATAL;
}

/* The server's word is finer than the HTTP status, but a word may not turn a refusal into success. */
static enum anb_status status_of_word(const char *word, long http_status)
{
    static const struct {
        const char *word;
        enum anb_status status;
    } table[] = {
#define X(code, word, class) {word, ANB_##code},
        ANB_STATUS_LIST(X)
#undef X
    };
    enum anb_status fallback = status_of_http(http_status);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].word, word) == 0 && table[i].status != ANB_OK) {
            /* Only an ended job of ours is "abandoned", and only our own waiting times out. */
            bool ours = table[i].status == ANB_ABANDONED || table[i].status == ANB_TIMEOUT;
            return ours || anb_status_class(fallback) == ANB_CLASS_RETRY ? fallback : table[i].status;
        }
    return fallback;
}

static enum anb_status refusal(const struct exchange *exchange, struct anb_error *err)
{
    struct doc *body = NULL;
    doc_parse_json(buf_slice(&exchange->body), "answer", &body, NULL);
    const struct doc *error = doc_get(body, "error");
    const char *message = doc_text(doc_get(error, "message"), NULL);
    enum anb_status status = status_of_word(doc_text(doc_get(error, "code"), ""), exchange->http_status);
    if (message)
        anb_fail(err, status, "%s", message);
    else
        anb_fail(err, status, "%s answered %ld to %s %s, without a sentence: is an anabranch-server there?",
                 exchange->rest->context.server, exchange->http_status, exchange->method, exchange->path);
    doc_free(body);
    return status;
}

enum anb_status exchange_run(struct exchange *exchange, struct anb_error *err)
{
    char url[REST_URL_BYTES], words[CURL_ERROR_SIZE] = "";
    CURL *curl = exchange->rest->curl;
    if (snprintf(url, sizeof url, "%s%s", exchange->rest->context.server, exchange->path) >= (int)sizeof url)
        return anb_fail(err, ANB_INVALID, "address too long: %.200s", exchange->path);
    buf_clear(&exchange->body);
    exchange->sink_error.status = ANB_OK;
    set_transport(exchange, url);
    set_request(exchange);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    struct curl_slist *fields = exchange->json ? curl_slist_append(NULL, "Content-Type: application/json") : NULL;
    if (fields) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(fields);
    if (code != CURLE_OK) return transport_failure(exchange, code, words, err);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange->http_status);
    return exchange->http_status >= 200 && exchange->http_status < 300 ? ANB_OK : refusal(exchange, err);
}

enum anb_status rest_repeat(struct rest *rest, enum anb_status (*attempt)(void *context, struct anb_error *err),
                            void *context, struct anb_error *err)
{
    int64_t pause_ms = FIRST_PAUSE_MS, deadline_ms = 0;
    for (;;) {
        enum anb_status status = attempt(context, err);
        if (status != ANB_UNAVAILABLE) return status;
        if (deadline_ms == 0) deadline_ms = clock_monotonic_ms() + rest->patience_ms;
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        if (left_ms <= 0) return status;
        clock_sleep_ms(pause_ms < left_ms ? pause_ms : left_ms);
        pause_ms = 2 * pause_ms < LONGEST_PAUSE_MS ? 2 * pause_ms : LONGEST_PAUSE_MS;
    }
}

enum anb_status rest_parse_body(const struct exchange *exchange, struct doc **body, struct anb_error *err)
{
    struct doc *parsed = NULL;
    if (exchange->body.size > 0) {
        struct anb_error why;
        enum anb_status status = doc_parse_json(buf_slice(&exchange->body), "answer", &parsed, &why);
        if (status != ANB_OK)
            return anb_fail(err, status == ANB_TOO_LARGE ? ANB_FATAL : ANB_IO,
                            "%s answered %s %s with something else than expected: %s", exchange->rest->context.server,
                            exchange->method, exchange->path, why.text);
    }
    if (body)
        *body = parsed;
    else
        doc_free(parsed);
    return ANB_OK;
}

struct call {
    struct exchange exchange;
    int tries;
};

static enum anb_status try_call(void *context, struct anb_error *err)
{
    struct call *call = context;
    enum anb_status status = exchange_run(&call->exchange, err);
    bool gone = status == ANB_NOT_FOUND && strcmp(call->exchange.method, "DELETE") == 0;
    if (gone && call->tries > 0) {
        buf_clear(&call->exchange.body);
        return ANB_OK;
    }
    call->tries++;
    return status;
}

enum anb_status rest_call(struct rest *rest, const char *method, const char *path, int64_t wait_s, struct doc **body,
                          struct anb_error *err)
{
    struct call call = {.exchange = {.rest = rest, .method = method, .path = path, .limit_s = wait_s + REST_ANSWER_S}};
    buf_init(&call.exchange.body, BODY_CEILING_BYTES);
    enum anb_status status = rest_repeat(rest, try_call, &call, err);
    if (status == ANB_OK) status = rest_parse_body(&call.exchange, body, err);
    buf_fini(&call.exchange.body);
    return status;
}

enum anb_status rest_post(struct rest *rest, const char *path, const char *json, struct doc **body,
                          struct anb_error *err)
{
    struct exchange exchange = {.rest = rest, .method = "POST", .path = path, .json = json, .limit_s = REST_ANSWER_S};
    buf_init(&exchange.body, BODY_CEILING_BYTES);
    enum anb_status status = exchange_run(&exchange, err);
    if (status == ANB_OK) status = rest_parse_body(&exchange, body, err);
    key_fini_buf(&exchange.body);
    return status;
}
