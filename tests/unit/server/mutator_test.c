/* Thousands of requests that are slightly or very wrong, and floods of half-open ones, beside a good client that must
 * always be answered. The requests come from a fixed seed. */
#include "server/http.h"
#include "support/raw_http.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { N_MUTATIONS = 10000, FLOOD = 1500, CHECK_EVERY = 100 };

static struct http *http;
static uint64_t seed = 1;
static struct raw_reply reply;

static uint32_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static enum verdict handle(void *context, struct request *request, struct answer *answer)
{
    (void)context, (void)request;
    struct doc *doc = doc_new_map();
    doc_set_text(doc, "good", "yes");
    return answer_doc(answer, 200, doc);
}

static enum anb_status may_change(void *context, struct anb_error *err)
{
    (void)context, (void)err;
    return ANB_OK;
}

static enum anb_status admit(void *context, const struct credentials *credentials, struct request *request, int *code,
                             struct anb_error *err)
{
    (void)context, (void)credentials, (void)request, (void)code, (void)err;
    return ANB_OK;
}

static const struct route routes[] = {
    {.method = "GET", .pattern = "/good", .queries = "a b", .handle = handle},
    {.method = "POST", .pattern = "/form", .queries = "", .changes = true, .takes = TAKES_UPLOAD, .handle = handle},
    {.method = "DELETE", .pattern = "/jobs/{id}", .queries = "", .changes = true, .handle = handle}};

static void start(void)
{
    const struct http_config config = {
        .listen = "127.0.0.1:0",
        .incoming_folder = test_folder(),
        .limits = {.bundle_bytes = 1 << 16, .manifest_bytes = 1 << 16, .model_bytes = 1 << 16},
        .routes = routes,
        .n_routes = sizeof routes / sizeof *routes,
        .may_change = may_change,
        .admit = admit};
    if (http_start(&config, &http, &test_error) != ANB_OK) abort();
}

static void stop(void)
{
    http_stop(http);
    http_free(http);
}

static bool good_client_is_answered(void)
{
    raw_ask(http_address(http), "GET /good?a=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", &reply);
    return reply.code == 200 && strstr(reply.text, "{\"good\":\"yes\"}");
}

static const char *const bases[] = {
    "GET /good?a=1&b=2 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
    ("POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=BB\r\n"
     "Content-Length: 79\r\n\r\n"
     "--BB\r\nContent-Disposition: form-data; name=\"bundle\"\r\n\r\nsome bytes\r\n--BB--\r\n\r\n"),
    ("POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=BB\r\n"
     "Transfer-Encoding: chunked\r\n\r\n6\r\n--BB\r\n\r\n0\r\n\r\n"),
    "DELETE /jobs/abc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"};

static const char *const pieces[] = {"\r\n",
                                     "\r\nContent-Length: 5",
                                     "\r\nTransfer-Encoding: chunked",
                                     "\0\0",
                                     "%00",
                                     "../",
                                     "\r\nHost: b",
                                     " ",
                                     "HTTP/9.9",
                                     "\xff\xfe",
                                     "--BB",
                                     "name=\"\"",
                                     "0\r\n\r\n",
                                     "4294967296",
                                     "\r\nAuthorization: Bearer \r\nAuthorization: Bearer x",
                                     "\r\nContent-Type: application/json",
                                     "\r\n ",
                                     "\n\n"};

static size_t mutate(char *text, size_t size, size_t room)
{
    size_t at = size ? next_random() % size : 0;
    const char *piece = pieces[next_random() % (sizeof pieces / sizeof *pieces)];
    size_t length = *piece ? strlen(piece) : 2;
    switch (next_random() % 4) {
    case 0: text[at] = (char)next_random(); return size;
    case 1: return at; /* cut off */
    case 2: memmove(text + at, text + at + 1, size - at - 1); return size - 1;
    default:
        if (size + length > room) return size;
        memmove(text + at + length, text + at, size - at);
        memcpy(text + at, piece, length);
        return size + length;
    }
}

static void send_mutation(void)
{
    char text[1024];
    const char *base = bases[next_random() % (sizeof bases / sizeof *bases)];
    size_t size = strlen(base);
    memcpy(text, base, size);
    for (uint32_t n = 1 + next_random() % 4; n > 0 && size > 1; n--) size = mutate(text, size, sizeof text);
    int fd = raw_connect(http_address(http));
    if (fd < 0) return;
    raw_send(fd, text, size);
    shutdown(fd, SHUT_WR);
    raw_finish(fd, 5000, &reply);
    bool is_fault = reply.code >= 500 && reply.code != 505; /* "HTTP version not supported" is right */
    if (is_fault) printf("%.*s gave %d\n", (int)size, text, reply.code);
    CHECK(!is_fault);
}

static void malformed_requests_never_harm_the_good_client(void)
{
    start();
    for (int i = 0; i < N_MUTATIONS; i++) {
        send_mutation();
        if (i % CHECK_EVERY == 0) CHECK(good_client_is_answered());
    }
    CHECK(good_client_is_answered());
    stop();
}

/* From other addresses of the loopback network, as other machines would: one of 127.0.0.2 and following. */
static int connect_from(int machine)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)machine);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)atoi(strrchr(http_address(http), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Even when it comes from so many machines that none of them has many. */
static void flood(int n_machines)
{
    static int fds[FLOOD];
    start();
    for (int i = 0; i < FLOOD; i++) {
        fds[i] = connect_from(i % n_machines);
        if (fds[i] >= 0) raw_send(fds[i], "GET /good HTTP/1.1\r\nHo", 22);
        if (i % CHECK_EVERY == 0) CHECK(good_client_is_answered());
    }
    CHECK(good_client_is_answered());
    struct http_counters counters;
    http_count(http, &counters);
    CHECK(counters.connections < FLOOD / 2);
    CHECK(counters.cut_off > FLOOD / 2);
    for (int i = 0; i < FLOOD; i++)
        if (fds[i] >= 0) close(fds[i]);
    CHECK(good_client_is_answered());
    stop();
}

static void a_flood_of_half_open_requests_leaves_room_for_others(void)
{
    flood(1);
}

static void a_flood_from_many_machines_leaves_room_for_others(void)
{
    flood(500);
}

TEST_MAIN("server_mutator", TEST(malformed_requests_never_harm_the_good_client),
          TEST(a_flood_of_half_open_requests_leaves_room_for_others),
          TEST(a_flood_from_many_machines_leaves_room_for_others))
