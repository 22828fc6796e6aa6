/* Bodies of the REST endpoint, whole requests over a real socket of the HTTP layer: heads, targets, multipart bodies.
 * The first byte chooses: a multipart body with a right head, a chunked one, a raw request, or JSON for base/doc.h. */
#include "base/doc.h"
#include "base/log.h"
#include "server/http.h"

#include "support/raw_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http *http;

static enum verdict handle(void *context, struct request *request, struct answer *answer)
{
    (void)context;
    if (request->upload.bundle.bytes > 65536 || strlen(request->upload.request) != request->upload.request_bytes)
        abort();
    return answer_doc(answer, 201, doc_new_map());
}

static enum anb_status may_change(void *context, struct anb_error *err)
{
    (void)context, (void)err;
    return ANB_OK;
}

/* What was shown must be a text to the end. */
static enum anb_status admit(void *context, const struct credentials *credentials, struct request *request, int *code,
                             struct anb_error *err)
{
    (void)context, (void)request;
    *code = 401;
    if (credentials->certificate.size > 0) abort();
    if (!credentials->authorization || strlen(credentials->authorization) < 1000) return ANB_OK;
    return anb_fail(err, ANB_DENIED, "no: %s", credentials->authorization);
}

static const struct route routes[] = {
    {.method = "POST", .pattern = "/form", .queries = "", .changes = true, .takes = TAKES_UPLOAD, .handle = handle},
    {.method = "POST", .pattern = "/json", .queries = "", .takes = TAKES_JSON, .handle = handle},
    {.method = "GET", .pattern = "/x/{id}", .queries = "a b", .handle = handle}};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const struct http_config config = {
        .listen = "127.0.0.1:0",
        .incoming_folder = "/tmp",
        .limits = {.bundle_bytes = 65536, .manifest_bytes = 1 << 16, .model_bytes = 65536},
        .routes = routes,
        .n_routes = sizeof routes / sizeof *routes,
        .may_change = may_change,
        .admit = admit};
    log_setup("fuzz", LOG_ERROR);
    if (http_start(&config, &http, NULL) != ANB_OK) abort();
    return 0;
}

static void exchange(const char *head, const uint8_t *data, size_t size)
{
    char drain[4096];
    int fd = raw_connect(http_address(http));
    if (fd < 0) return;
    raw_send(fd, head, strlen(head));
    raw_send(fd, data, size);
    shutdown(fd, SHUT_WR);
    struct timeval patience = {.tv_usec = 20000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (recv(fd, drain, sizeof drain, 0) > 0) continue;
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char head[256];
    struct doc *doc = NULL;
    if (size < 1) return 0;
    switch (data[0] % 4) {
    case 0:
        snprintf(head, sizeof head,
                 "POST /form HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; "
                 "boundary=BB\r\nContent-Length: %zu\r\n\r\n",
                 size - 1);
        exchange(head, data + 1, size - 1);
        break;
    case 1:
        exchange("POST /form HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; "
                 "boundary=BB\r\nTransfer-Encoding: chunked\r\n\r\n",
                 data + 1, size - 1);
        break;
    case 2: exchange("", data + 1, size - 1); break;
    default:
        if (doc_parse_json(slice_of(data + 1, size - 1), "body", &doc, NULL) == ANB_OK) doc_free(doc);
    }
    return 0;
}
