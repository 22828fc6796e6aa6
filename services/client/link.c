#include "link.h"

#include "base/log.h"
#include "bucket.h"
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PACKETS_AT_ONCE = 64, MAX_DESCRIPTORS = 4 };
static const struct bucket refusals = {.per_s = 5, .burst = 100}, connects = {.per_s = 10, .burst = 100};

struct link {
    uv_loop_t *loop;
    struct link_handler handler;
    struct watch *listener, *peer; /* NULL: closed, nobody */
    bool greeted;
    uid_t uid;
    pid_t session; /* 0: any */
    struct bucket refusals, connects;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    char packet[MESSAGE_MAX_BYTES];
};

/* -- out */

static bool send_packet(int socket, struct slice text, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec part = {.iov_base = (void *)text.data, .iov_len = text.size};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        packet.msg_control = &control;
        packet.msg_controllen = sizeof control.room;
        control.head.cmsg_len = CMSG_LEN(sizeof fd);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    return sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static void lose_peer(struct link *link)
{
    link_hang_up(link);
    link->handler.gone(link->handler.context);
}

void link_send(struct link *link, struct slice text, int fd)
{
    if (!link->peer || send_packet(watch_fd(link->peer), text, fd)) return;
    log_event(LOG_WARN, "trainer-lost", "reason=%s", strerror(errno));
    lose_peer(link);
}

static void refuse_on(int socket, const char *task, const char *reason)
{
    struct buf text;
    buf_init(&text, MESSAGE_MAX_BYTES);
    if (message_write_refused(task, reason, &text, NULL) == ANB_OK) send_packet(socket, buf_slice(&text), -1);
    buf_fini(&text);
}

void link_refuse(struct link *link, const char *task, const char *reason)
{
    log_event(LOG_WARN, "trainer-refused", "reason=%s", reason);
    if (link->peer) refuse_on(watch_fd(link->peer), task, reason);
}

/* -- in */

struct arrival {
    ssize_t size;
    bool is_cut;
    int fds[MAX_DESCRIPTORS];
    size_t n_fds;
};

static void keep_descriptors(struct msghdr *packet, struct arrival *arrival)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(packet); c; c = CMSG_NXTHDR(packet, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n && arrival->n_fds < MAX_DESCRIPTORS; i++)
            memcpy(&arrival->fds[arrival->n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
}

static void receive(struct link *link, struct arrival *arrival)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))]; /* the kernel closes what does not fit */
    } control;
    struct iovec part = {.iov_base = link->packet, .iov_len = sizeof link->packet};
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    *arrival = (struct arrival){.size = -1};
    do arrival->size = recvmsg(watch_fd(link->peer), &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (arrival->size < 0 && errno == EINTR);
    if (arrival->size < 0) return;
    arrival->is_cut = packet.msg_flags & MSG_TRUNC;
    keep_descriptors(&packet, arrival);
}

static enum anb_status judge(struct link *link, const struct arrival *arrival, struct message *message,
                             struct anb_error *err)
{
    if (arrival->is_cut) return anb_fail(err, ANB_CORRUPT, "a message has at most %d bytes", MESSAGE_MAX_BYTES);
    enum anb_status status = message_parse(slice_of(link->packet, (size_t)arrival->size), message, err);
    if (status != ANB_OK) return link->greeted || status == ANB_CORRUPT ? status : ANB_CORRUPT;
    if (!link->greeted && message->kind != MESSAGE_HELLO)
        status = anb_fail(err, ANB_CORRUPT, "the first message must be a hello");
    else if (arrival->n_fds > 1)
        status = anb_fail(err, ANB_INVALID, "one descriptor at most comes with a message, got %zu", arrival->n_fds);
    if (status != ANB_OK) message_fini(message);
    return status;
}

static void take_packet(struct link *link, struct arrival *arrival)
{
    struct message message;
    struct anb_error err;
    enum anb_status status = judge(link, arrival, &message, &err);
    if (status == ANB_OK) {
        link->greeted = true;
        int fd = arrival->n_fds > 0 ? arrival->fds[0] : -1;
        link->handler.message(link->handler.context, &message, &fd);
        message_fini(&message);
        if (arrival->n_fds > 0) arrival->fds[0] = fd;
        return;
    }
    link_refuse(link, NULL, err.text);
    bool is_flood = !bucket_take(&link->refusals, (int64_t)uv_now(link->loop));
    if ((status == ANB_CORRUPT || is_flood) && link->peer) lose_peer(link);
}

static void on_packets(void *context)
{
    struct link *link = context;
    for (int i = 0; link->peer && i < PACKETS_AT_ONCE; i++) {
        struct arrival arrival;
        receive(link, &arrival);
        if (arrival.size < 0 && errno == EAGAIN) return;
        if (arrival.size <= 0)
            lose_peer(link);
        else
            take_packet(link, &arrival);
        for (size_t f = 0; f < arrival.n_fds; f++)
            if (arrival.fds[f] >= 0) close(arrival.fds[f]);
    }
}

/* -- coming and going */

/* Why this peer is not let in; NULL: it is. */
static const char *reason_against(struct link *link, int socket)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (link->peer) return "another trainer is connected";
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "nobody knows who this is";
    if (peer.uid != link->uid) return "the trainer runs as another user";
    if (link->session > 0 && getsid(peer.pid) != link->session)
        return "the agent started a trainer for this job, and this process is none of it";
    return NULL;
}

static void on_connect(void *context)
{
    struct link *link = context;
    int socket = accept4(watch_fd(link->listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return;
    bool is_flood = !bucket_take(&link->connects, (int64_t)uv_now(link->loop));
    const char *against = reason_against(link, socket);
    if (is_flood || against) {
        if (!is_flood) refuse_on(socket, NULL, against);
        close(socket);
        return;
    }
    struct anb_error err;
    link->greeted = false;
    if (watch_new(link->loop, socket, on_packets, link, &link->peer, &err) != ANB_OK)
        log_event(LOG_ERROR, "trainer-lost", "reason=%s", err.text);
}

/* The file is this user's alone before anybody can connect: that takes a listen. */
static enum anb_status listen_at(struct link *link, struct anb_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, link->path, sizeof address.sun_path);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return anb_fail_errno(err, errno, "no socket for a trainer");
    unlink(link->path);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || chmod(link->path, 0600) != 0 ||
        listen(listener, 4) != 0) {
        int why = errno;
        close(listener);
        return anb_fail_errno(err, why, "cannot listen at %s", link->path);
    }
    return watch_new(link->loop, listener, on_connect, link, &link->listener, err);
}

enum anb_status link_new(uv_loop_t *loop, const char *path, const struct link_handler *handler, struct link **out,
                         struct anb_error *err)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link) return anb_fail(err, ANB_NO_MEMORY, "no memory for a trainer's socket");
    enum anb_status status = ANB_OK;
    link->loop = loop;
    link->handler = *handler;
    link->uid = geteuid();
    link->refusals = refusals;
    link->connects = connects;
    if (strlen(path) < sizeof link->path)
        strcpy(link->path, path);
    else
        status = anb_fail(err, ANB_INVALID, "%s: a socket's path has less than %zu bytes; take a shorter --data-folder",
                          path, sizeof link->path);
    if (status == ANB_OK) status = listen_at(link, err);
    if (status == ANB_OK)
        *out = link;
    else
        free(link);
    return status;
}

void link_free(struct link *link)
{
    if (!link) return;
    link_hang_up(link);
    link_stop_listening(link);
    free(link);
}

enum anb_status link_expect(struct link *link, uid_t uid, pid_t session, struct anb_error *err)
{
    if (uid != link->uid && link->listener && lchown(link->path, uid, (gid_t)-1) != 0)
        return anb_fail_errno(err, errno, "cannot give %s to the trainer's user", link->path);
    link->uid = uid;
    link->session = session;
    return ANB_OK;
}

bool link_is_connected(const struct link *link)
{
    return link->peer && link->greeted;
}

void link_hang_up(struct link *link)
{
    watch_free(link->peer);
    link->peer = NULL;
    link->greeted = false;
}

void link_stop_listening(struct link *link)
{
    if (!link->listener) return;
    watch_free(link->listener);
    link->listener = NULL;
    unlink(link->path);
}
