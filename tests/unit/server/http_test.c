/* The HTTP layer over real sockets, with handlers that know nothing of federated learning. */
#include "base/clock.h"
#include "server/connections.h"
#include "server/http.h"
#include "support/raw_http.h"
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct http *http;
static struct raw_reply reply;
static atomic_int n_put, n_asked;
static atomic_bool has_happened, may_not_change, strangers_are_refused;

static enum verdict handle_hello(void *context, struct request *request, struct answer *answer)
{
    (void)context;
    struct doc *doc = doc_new_map();
    doc_set_text(doc, "hello", *request->id ? request->id : "world");
    return answer_doc(answer, 200, doc);
}

static enum verdict handle_upload(void *context, struct request *request, struct answer *answer)
{
    (void)context;
    n_put++;
    struct doc *doc = doc_new_map();
    doc_set_int(doc, "bundle", request->upload.bundle.bytes);
    doc_set_int(doc, "model", request->upload.model.bytes);
    doc_set_text(doc, "request", request->upload.request);
    return answer_doc(answer, 201, doc);
}

static enum verdict handle_wait(void *context, struct request *request, struct answer *answer)
{
    (void)context;
    n_asked++;
    if (!request->wait_until_ms) request->wait_until_ms = clock_monotonic_ms() + 30000;
    if (!has_happened && !request->late) return WAIT;
    struct doc *doc = doc_new_map();
    doc_set_bool(doc, "late", request->late);
    return answer_doc(answer, 200, doc);
}

static enum verdict handle_file(void *context, struct request *request, struct answer *answer)
{
    char path[256];
    (void)context, (void)request;
    snprintf(path, sizeof path, "%s/file", test_folder());
    answer->code = 200;
    answer->fd = open(path, O_RDONLY | O_CLOEXEC);
    answer->file_bytes = 300000;
    answer->content_type = "application/octet-stream";
    strcpy(answer->etag, "\"abc\"");
    return ANSWERED;
}

static enum verdict handle_json(void *context, struct request *request, struct answer *answer)
{
    (void)context;
    n_put++;
    struct doc *doc = doc_new_map();
    doc_set_int(doc, "body", (int64_t)request->body.size);
    return answer_doc(answer, 201, doc);
}

#define ROUTE(verb, path, words, change, body, handler)                                                                \
    {                                                                                                                  \
        .method = verb, .pattern = path, .queries = words, .changes = change, .takes = body, .handle = handler         \
    }

static const struct route routes[] = {ROUTE("GET", "/hello", "", false, TAKES_NOTHING, handle_hello),
                                      ROUTE("GET", "/hello/{id}", "a", false, TAKES_NOTHING, handle_hello),
                                      ROUTE("POST", "/upload", "", true, TAKES_UPLOAD, handle_upload),
                                      ROUTE("POST", "/poke", "", true, TAKES_NOTHING, handle_hello),
                                      ROUTE("POST", "/json", "", false, TAKES_JSON, handle_json),
                                      ROUTE("POST", "/slow", "", true, TAKES_UPLOAD, handle_wait),
                                      ROUTE("GET", "/wait", "", false, TAKES_NOTHING, handle_wait),
                                      ROUTE("GET", "/file", "", false, TAKES_NOTHING, handle_file)};

/* "Bearer good" is good; a stranger is told so whatever he asks for. */
static enum anb_status admit(void *context, const struct credentials *credentials, struct request *request, int *code,
                             struct anb_error *err)
{
    (void)context, (void)request;
    if (!strangers_are_refused ||
        (credentials->authorization && strcmp(credentials->authorization, "Bearer good") == 0))
        return ANB_OK;
    *code = 401;
    return anb_fail(err, ANB_DENIED, "who are you?");
}

static enum anb_status may_change(void *context, struct anb_error *err)
{
    (void)context;
    return may_not_change ? anb_fail(err, ANB_UNAVAILABLE, "server-2 leads") : ANB_OK;
}

static void start(void)
{
    const struct http_config config = {
        .listen = "127.0.0.1:0",
        .incoming_folder = test_folder(),
        .limits = {.bundle_bytes = 1 << 20, .manifest_bytes = 1 << 16, .model_bytes = 1 << 20},
        .routes = routes,
        .n_routes = sizeof routes / sizeof *routes,
        .may_change = may_change,
        .admit = admit};
    n_put = n_asked = 0;
    has_happened = may_not_change = strangers_are_refused = false;
    if (http_start(&config, &http, &test_error) != ANB_OK) abort();
}

static void stop(void)
{
    http_stop(http);
    http_free(http);
}

#define HEAD "Host: localhost\r\n"
#define FORM "Content-Type: multipart/form-data; boundary=BB\r\n"

static void check_code(const char *request, int code)
{
    raw_ask(http_address(http), request, &reply);
    if (reply.code != code) printf("%.60s... gave %d, not %d\n%s\n", request, reply.code, code, reply.text);
    CHECK_EQUAL(reply.code, code);
}

static void a_stranger_learns_nothing_and_sends_no_body(void)
{
    static const char *const requests[] = {
        "GET /hello HTTP/1.1\r\n" HEAD "\r\n", "GET /nothing HTTP/1.1\r\n" HEAD "\r\n",
        "PUT /hello HTTP/1.1\r\n" HEAD "\r\n", "GET /hello HTTP/1.1\r\n" HEAD "Authorization: Bearer bad\r\n\r\n",
        "POST /upload HTTP/1.1\r\n" HEAD FORM "Content-Length: 1000000\r\n\r\n"};
    char value[256];
    start();
    strangers_are_refused = true;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        check_code(requests[i], 401);
        CHECK_TEXT(raw_header(&reply, "WWW-Authenticate", value), "Bearer");
        CHECK_TEXT(raw_header(&reply, "Allow", value), "");
    }
    check_code("GET /hello HTTP/1.1\r\n" HEAD "Authorization: Bearer good\r\nAuthorization: Bearer bad\r\n\r\n", 400);
    check_code("GET /hello HTTP/1.1\r\n" HEAD "Authorization: Bearer good\r\n\r\n", 200);
    check_code("GET /nothing HTTP/1.1\r\n" HEAD "Authorization: Bearer good\r\n\r\n", 404);
    CHECK_EQUAL(n_put, 0);
    stop();
}

#define JSON "Content-Type: application/json\r\n"

static void a_method_that_is_no_word_is_refused(void)
{
    start();
    check_code("G\xc8T /hello HTTP/1.1\r\n" HEAD "\r\n", 400);
    check_code("get /hello HTTP/1.1\r\n" HEAD "\r\n", 400);
    check_code("GETGETGETGETGETGET /hello HTTP/1.1\r\n" HEAD "\r\n", 400);
    check_code("PATCH /hello HTTP/1.1\r\n" HEAD "\r\n", 405);
    stop();
}

static void a_json_body_has_its_type_and_its_ceiling(void)
{
    static char large[REQUEST_JSON_BYTES + 256];
    start();
    check_code("POST /json HTTP/1.1\r\n" HEAD JSON "Content-Length: 2\r\n\r\n{}", 201);
    CHECK(strstr(raw_body(&reply), "{\"body\":2}") != NULL);
    check_code("POST /json HTTP/1.1\r\n" HEAD JSON "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 201);
    check_code("POST /json HTTP/1.1\r\n" HEAD "Content-Length: 2\r\n\r\n{}", 415);
    check_code("POST /json HTTP/1.1\r\n" HEAD FORM "Content-Length: 2\r\n\r\n{}", 415);
    check_code("POST /json HTTP/1.1\r\n" HEAD "Content-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{}", 415);
    check_code("POST /json HTTP/1.1\r\n" HEAD JSON "Content-Length: 4097\r\n\r\n", 413);
    int head =
        snprintf(large, sizeof large, "POST /json HTTP/1.1\r\n" HEAD JSON "Transfer-Encoding: chunked\r\n\r\n1001\r\n");
    memset(large + head, ' ', 4097);
    strcpy(large + head + 4097, "\r\n0\r\n\r\n");
    check_code(large, 413);
    CHECK_EQUAL(n_put, 2);
    stop();
}

static void without_tls_only_this_machine_is_served(void)
{
    const struct http_config config = {.listen = "0.0.0.0:0", .routes = routes, .n_routes = 1, .admit = admit};
    struct http *none = NULL;
    CHECK_STATUS(http_start(&config, &none, &test_error), ANB_INVALID);
    CHECK(strstr(test_error.text, "without TLS") != NULL);
    CHECK(none == NULL);
}

static void a_smuggled_request_is_never_run(void)
{
    static const char *const requests[] = {
        "POST /poke HTTP/1.1\r\n" HEAD "Content-Length: 0\r\nContent-Length: 34\r\n\r\nGET /hello HTTP/1.1\r\n" HEAD
        "\r\n",
        "POST /poke HTTP/1.1\r\n" HEAD
        "Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n" HEAD "\r\n",
        "POST /poke HTTP/1.1\r\n" HEAD "Transfer-Encoding: identity\r\n\r\nGET /hello HTTP/1.1\r\n" HEAD "\r\n"};
    start();
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        check_code(requests[i], 400);
        CHECK_EQUAL(reply.n_answers, 1);
        CHECK(strstr(reply.text, "Connection: close") != NULL);
    }
    stop();
}

static void raw_targets_are_checked_before_they_are_decoded(void)
{
    start();
    check_code("GET /hello%00/secret HTTP/1.1\r\n" HEAD "\r\n", 400);
    check_code("GET /hello/..%2fpasswd HTTP/1.1\r\n" HEAD "\r\n", 400);
    check_code("GET /hello/../hello HTTP/1.1\r\n" HEAD "\r\n", 400);
    check_code("GET /hello?a=1 HTTP/1.1\r\n" HEAD "\r\n", 400);
    stop();
}

static void hosts_and_origins_are_checked(void)
{
    start();
    check_code("GET /hello HTTP/1.1\r\n\r\n", 400);
    check_code("GET /hello HTTP/1.1\r\n" HEAD HEAD "\r\n", 400);
    check_code("GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403);
    check_code("POST /poke HTTP/1.1\r\n" HEAD "Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n", 403);
    stop();
}

static void unknown_paths_and_methods_are_told(void)
{
    char allow[256];
    start();
    check_code("GET /nothing HTTP/1.1\r\n" HEAD "\r\n", 404);
    CHECK(strstr(raw_body(&reply), "\"code\":\"not-found\"") != NULL);
    check_code("DELETE /hello HTTP/1.1\r\n" HEAD "\r\n", 405);
    CHECK_TEXT(raw_header(&reply, "Allow", allow), "GET, HEAD");
    check_code("BREW /hello HTTP/1.1\r\n" HEAD "\r\n", 405);
    stop();
}

static void a_body_where_none_is_taken_is_refused(void)
{
    start();
    check_code("GET /hello HTTP/1.1\r\n" HEAD "Content-Length: 3\r\n\r\nabc", 400);
    check_code("POST /poke HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400);
    stop();
}

static void a_follower_refuses_changes_before_it_reads_a_body(void)
{
    start();
    may_not_change = true;
    check_code("POST /upload HTTP/1.1\r\n" HEAD FORM "Content-Length: 1000000\r\n\r\n", 503);
    CHECK(strstr(raw_body(&reply), "server-2 leads") != NULL);
    check_code("GET /hello HTTP/1.1\r\n" HEAD "\r\n", 200);
    stop();
}

static void another_content_type_is_refused(void)
{
    start();
    check_code("POST /upload HTTP/1.1\r\n" HEAD "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 415);
    check_code("POST /upload HTTP/1.1\r\n" HEAD "Content-Length: 2\r\n\r\n{}", 415);
    check_code("POST /upload HTTP/1.1\r\n" HEAD "Content-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\n{}",
               400);
    stop();
}

static void post_form(const char *body, int code)
{
    char request[4096];
    snprintf(request, sizeof request, "POST /upload HTTP/1.1\r\n" HEAD FORM "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    check_code(request, code);
}

#define PART(name, text) "--BB\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" text "\r\n"

static void wrong_forms_are_refused_and_never_handled(void)
{
    start();
    post_form("", 400);
    post_form("nonsense", 400);
    post_form(PART("bundle", "x"), 400); /* no last boundary */
    post_form(PART("modell", "x") PART("bundle", "x") "--BB--\r\n", 400);
    CHECK(strstr(raw_body(&reply), "modell") != NULL);
    post_form(PART("bundle", "x") PART("bundle", "x") "--BB--\r\n", 400);
    post_form(PART("model", "x") "--BB--\r\n", 400);
    post_form(PART("bundle", "x") PART("request", "a b") "--BB--\r\n", 400);
    CHECK_EQUAL(n_put, 0);
    stop();
}

static void a_form_arrives_whole(void)
{
    start();
    post_form(PART("bundle", "abc") PART("manifest", "m") PART("model", "12345") PART("request", "run-7") "--BB--\r\n",
              201);
    CHECK_TEXT(raw_body(&reply), "{\"bundle\":3,\"model\":5,\"request\":\"run-7\"}");
    check_code("POST /upload HTTP/1.1\r\n" HEAD FORM "Transfer-Encoding: chunked\r\n\r\n"
               "3c\r\n" PART("bundle", "abc") "\r\n3c\r\n" PART("manifest", "m") "\r\n8\r\n--BB--\r\n\r\n0\r\n\r\n",
               201);
    stop();
}

static void what_is_announced_as_too_large_is_refused_at_once(void)
{
    start();
    check_code("POST /upload HTTP/1.1\r\n" HEAD FORM "Content-Length: 99999999999\r\n\r\n", 413);
    CHECK(strstr(raw_body(&reply), "--bootstrap-servers") != NULL);
    stop();
}

static void a_part_above_its_ceiling_is_refused_with_the_reason(void)
{
    static char zeros[1 << 16];
    start();
    int fd = raw_connect(http_address(http));
    const char *head = "POST /upload HTTP/1.1\r\n" HEAD FORM "Content-Length: 1572949\r\n\r\n"
                       "--BB\r\nContent-Disposition: form-data; name=\"bundle\"\r\n\r\n";
    raw_send(fd, head, strlen(head));
    for (int i = 0; i < 24; i++) raw_send(fd, zeros, sizeof zeros);
    raw_send(fd, "\r\n--BB--\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 40);
    raw_finish(fd, 5000, &reply);
    CHECK_EQUAL(reply.code, 413);
    CHECK(strstr(raw_body(&reply), "leave data out") != NULL);
    CHECK_EQUAL(n_put, 0);
    stop();
}

static void a_client_that_leaves_in_the_middle_of_a_body_harms_nobody(void)
{
    start();
    for (int i = 0; i < 50; i++) {
        int fd = raw_connect(http_address(http));
        const char *head = "POST /upload HTTP/1.1\r\n" HEAD FORM "Content-Length: 5000\r\n\r\n" PART("bundle", "abc");
        raw_send(fd, head, strlen(head));
        close(fd);
    }
    check_code("GET /hello HTTP/1.1\r\n" HEAD "\r\n", 200);
    CHECK_EQUAL(n_put, 0);
    stop();
}

static void *ask_wait(void *context)
{
    raw_ask(http_address(http), "GET /wait HTTP/1.1\r\n" HEAD "\r\n", context);
    return NULL;
}

static void await_parked(void)
{
    struct http_counters counters = {.waiting = 0};
    while (counters.waiting == 0) {
        http_count(http, &counters);
        clock_sleep_ms(1);
    }
}

static void a_waiting_request_is_asked_again_when_something_happens(void)
{
    pthread_t thread;
    start();
    pthread_create(&thread, NULL, ask_wait, &reply);
    await_parked();
    http_wake(http); /* something else */
    await_parked();
    has_happened = true;
    http_wake(http);
    pthread_join(thread, NULL);
    CHECK_EQUAL(reply.code, 200);
    CHECK_TEXT(raw_body(&reply), "{\"late\":false}");
    CHECK(n_asked >= 2);
    stop();
}

#define SMALL_FORM PART("bundle", "abc") PART("manifest", "m") "--BB--\r\n"

static void *submit_and_wait(void *context)
{
    char request[1024];
    snprintf(request, sizeof request, "POST /slow HTTP/1.1\r\n" HEAD FORM "Content-Length: %zu\r\n\r\n" SMALL_FORM,
             sizeof SMALL_FORM - 1);
    raw_ask(http_address(http), request, context);
    return NULL;
}

/* Once its body is there, a request has all the time its handler wants: the guard for slow bodies is not for it. */
static void a_submission_that_waits_is_not_cut_off_as_a_slow_body(void)
{
    pthread_t thread;
    struct http_counters counters;
    start();
    pthread_create(&thread, NULL, submit_and_wait, &reply);
    await_parked();
    http_tick(http, clock_monotonic_ms() + 10 * CONNECTION_BODY_MS);
    http_count(http, &counters);
    CHECK_EQUAL(counters.cut_off, 0);
    has_happened = true;
    http_wake(http);
    pthread_join(thread, NULL);
    CHECK_EQUAL(reply.code, 200);
    stop();
}

static void what_waits_is_answered_before_the_end(void)
{
    pthread_t thread;
    start();
    pthread_create(&thread, NULL, ask_wait, &reply);
    await_parked();
    char address[64];
    strcpy(address, http_address(http));
    stop();
    pthread_join(thread, NULL);
    CHECK_EQUAL(reply.code, 200);
    CHECK_TEXT(raw_body(&reply), "{\"late\":true}");
    CHECK(raw_connect(address) < 0);
}

static void files_are_streamed_with_length_and_tag(void)
{
    char value[256], path[256];
    static char bytes[300000];
    snprintf(path, sizeof path, "%s/file", test_folder());
    FILE *file = fopen(path, "w");
    memset(bytes, 'x', sizeof bytes);
    fwrite(bytes, 1, sizeof bytes, file);
    fclose(file);
    start();
    check_code("GET /file HTTP/1.1\r\n" HEAD "\r\n", 200);
    CHECK_TEXT(raw_header(&reply, "Content-Length", value), "300000");
    CHECK_TEXT(raw_header(&reply, "ETag", value), "\"abc\"");
    CHECK_EQUAL(strlen(raw_body(&reply)), 300000);
    check_code("HEAD /file HTTP/1.1\r\n" HEAD "\r\n", 200);
    CHECK_TEXT(raw_header(&reply, "Content-Length", value), "300000");
    CHECK_TEXT(raw_body(&reply), "");
    stop();
    unlink(path);
}

static void one_connection_takes_several_requests(void)
{
    start();
    check_code("GET /hello HTTP/1.1\r\n" HEAD "\r\nGET /hello/me HTTP/1.1\r\n" HEAD "\r\n", 200);
    CHECK_EQUAL(reply.n_answers, 2);
    CHECK(strstr(reply.text, "{\"hello\":\"me\"}") != NULL);
    stop();
}

static void addresses_that_are_none_are_refused(void)
{
    static const char *const bad[] = {
        "8500", ":8500", "localhost:", "localhost:x", "localhost:123456", "no-such.invalid:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct http_config config = {.listen = bad[i], .incoming_folder = test_folder()};
        CHECK_STATUS(http_start(&config, &http, &test_error), ANB_INVALID);
    }
}

static void a_taken_port_is_told(void)
{
    start();
    struct http_config config = {.listen = http_address(http), .incoming_folder = test_folder()};
    struct http *second;
    CHECK_STATUS(http_start(&config, &second, &test_error), ANB_IO);
    CHECK(strstr(test_error.text, http_address(http)) != NULL);
    stop();
}

TEST_MAIN("server_http", TEST(a_stranger_learns_nothing_and_sends_no_body), TEST(a_method_that_is_no_word_is_refused),
          TEST(a_json_body_has_its_type_and_its_ceiling), TEST(without_tls_only_this_machine_is_served),
          TEST(a_smuggled_request_is_never_run), TEST(raw_targets_are_checked_before_they_are_decoded),
          TEST(hosts_and_origins_are_checked), TEST(unknown_paths_and_methods_are_told),
          TEST(a_body_where_none_is_taken_is_refused), TEST(a_follower_refuses_changes_before_it_reads_a_body),
          TEST(another_content_type_is_refused), TEST(wrong_forms_are_refused_and_never_handled),
          TEST(a_form_arrives_whole), TEST(what_is_announced_as_too_large_is_refused_at_once),
          TEST(a_part_above_its_ceiling_is_refused_with_the_reason),
          TEST(a_client_that_leaves_in_the_middle_of_a_body_harms_nobody),
          TEST(a_waiting_request_is_asked_again_when_something_happens),
          TEST(a_submission_that_waits_is_not_cut_off_as_a_slow_body), TEST(what_waits_is_answered_before_the_end),
          TEST(files_are_streamed_with_length_and_tag), TEST(one_connection_takes_several_requests),
          TEST(addresses_that_are_none_are_refused), TEST(a_taken_port_is_told))
