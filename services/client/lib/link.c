/* The socket: one packet is one message, a model travels beside it as a descriptor. */
#include "library.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int link_send(struct anb_client *client, const struct json_text *message, int fd)
{
    if (message->failed) return fail(client, "the message to the agent is above %d bytes", MESSAGE_MAX_BYTES);
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = message->data, .iov_len = message->size};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        packet.msg_control = &control;
        packet.msg_controllen = sizeof control.room;
        control.head =
            (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    pthread_mutex_lock(&client->send_lock);
    ssize_t sent;
    do sent = sendmsg(client->socket, &packet, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    pthread_mutex_unlock(&client->send_lock);
    return sent < 0 ? -1 : 0;
}

static int first_descriptor(struct msghdr *packet)
{
    int fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(packet); c; c = CMSG_NXTHDR(packet, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len >= CMSG_LEN(sizeof fd))
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
    }
    return fd;
}

long link_receive(struct anb_client *client, int timeout_ms, char *data, int *fd)
{
    char control[CMSG_SPACE(sizeof(int))]; /* room for one: the kernel closes what does not fit */
    struct iovec part = {.iov_base = data, .iov_len = MESSAGE_MAX_BYTES};
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct pollfd wait = {.fd = client->socket, .events = POLLIN};
    int ready = poll(&wait, 1, timeout_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR && timeout_ms >= 0)) return 0;
    ssize_t size;
    do size = recvmsg(client->socket, &packet, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    *fd = size >= 0 ? first_descriptor(&packet) : -1;
    if (size > 0 && !(packet.msg_flags & MSG_TRUNC)) return (long)size;
    if (*fd >= 0) close(*fd);
    return -1;
}
