#include "support/raw_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

void raw_finish(int fd, int timeout_ms, struct raw_reply *reply)
{
    *reply = (struct raw_reply){.size = 0};
    shutdown(fd, SHUT_WR);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (reply->size < sizeof reply->text - 1 && poll(&poll_fd, 1, timeout_ms) == 1) {
        ssize_t got = recv(fd, reply->text + reply->size, sizeof reply->text - 1 - reply->size, 0);
        if (got <= 0) break;
        reply->size += (size_t)got;
    }
    close(fd);
    reply->text[reply->size] = 0;
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
