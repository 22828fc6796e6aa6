#include "support/raw_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINGER_MS = 50 }; /* for a second answer, which there must not be */

int raw_connect(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

bool raw_send(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static int count_answers(const char *text)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")); at++) n++;
    return n;
}

/* The first answer is there, head and body. */
static bool is_whole(const struct raw_reply *reply)
{
    char length[256];
    const char *body = strstr(reply->text, "\r\n\r\n");
    if (!body) return false;
    return (size_t)atoll(raw_header(reply, "Content-Length", length)) <= strlen(body + 4);
}

static bool receive(int fd, int timeout_ms, struct raw_reply *reply)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (reply->size == sizeof reply->text - 1 || poll(&poll_fd, 1, timeout_ms) != 1) return false;
    ssize_t got = recv(fd, reply->text + reply->size, sizeof reply->text - 1 - reply->size, 0);
    if (got > 0) reply->size += (size_t)got;
    reply->text[reply->size] = 0;
    return got > 0;
}

void raw_finish(int fd, int timeout_ms, struct raw_reply *reply)
{
    *reply = (struct raw_reply){.size = 0};
    bool more = true;
    while (more && !is_whole(reply)) more = receive(fd, timeout_ms, reply);
    shutdown(fd, SHUT_WR);
    while (more) more = receive(fd, LINGER_MS, reply);
    close(fd);
    reply->n_answers = count_answers(reply->text);
    if (strncmp(reply->text, "HTTP/1.1 ", 9) == 0) reply->code = atoi(reply->text + 9);
}

void raw_ask(const char *address, const char *request, struct raw_reply *reply)
{
    int fd = raw_connect(address);
    *reply = (struct raw_reply){.size = 0};
    if (fd < 0) return;
    raw_send(fd, request, strlen(request));
    raw_finish(fd, 5000, reply);
}

const char *raw_header(const struct raw_reply *reply, const char *name, char value[256])
{
    char wanted[128];
    *value = 0;
    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    const char *at = strcasestr(reply->text, wanted);
    if (!at) return value;
    at += strlen(wanted);
    snprintf(value, 256, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

const char *raw_body(const struct raw_reply *reply)
{
    const char *end = strstr(reply->text, "\r\n\r\n");
    return end ? end + 4 : "";
}
