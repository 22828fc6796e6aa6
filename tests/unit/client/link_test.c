/* The socket of a job: who may connect, what is refused, what reaches the handler. */
#include "link.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HELLO "{\"type\":\"hello\",\"protocol\":1,\"library\":\"test\"}"

struct host {
    uv_loop_t loop;
    struct link *link;
    char path[108];
    int n_messages, n_gone, taken; /* `taken`: the descriptor that came last, -1: none */
    enum message_kind last;
};

static void on_message(void *context, const struct message *message, int *fd)
{
    struct host *host = context;
    host->n_messages++;
    host->last = message->kind;
    if (*fd >= 0) {
        host->taken = *fd;
        *fd = -1;
    }
}

static void on_gone(void *context)
{
    ((struct host *)context)->n_gone++;
}

static void host_open(struct host *host)
{
    static int number;
    const struct link_handler handler = {on_message, on_gone, host};
    *host = (struct host){.taken = -1};
    uv_loop_init(&host->loop);
    snprintf(host->path, sizeof host->path, "%s/l%d", test_folder(), number++);
    CHECK_STATUS(link_new(&host->loop, host->path, &handler, &host->link, &test_error), ANB_OK);
    REQUIRE(host->link != NULL);
}

/* All that can be done now; a test and its link share one thread. */
static void turn(struct host *host)
{
    for (int i = 0; i < 10; i++) uv_run(&host->loop, UV_RUN_NOWAIT);
}

static void host_close(struct host *host)
{
    link_free(host->link);
    uv_run(&host->loop, UV_RUN_DEFAULT);
    CHECK_EQUAL(uv_loop_close(&host->loop), 0);
    CHECK(access(host->path, F_OK) != 0);
    if (host->taken >= 0) close(host->taken);
}

static int dial(struct host *host)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, host->path);
    int peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    REQUIRE(connect(peer, (struct sockaddr *)&address, sizeof address) == 0);
    turn(host);
    return peer;
}

static void say(struct host *host, int peer, const char *text, const int *fds, size_t n)
{
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (n > 0) {
        packet.msg_control = control;
        packet.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *head = CMSG_FIRSTHDR(&packet);
        *head =
            (struct cmsghdr){.cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(head), fds, n * sizeof(int));
    }
    CHECK(sendmsg(peer, &packet, MSG_NOSIGNAL) == (ssize_t)strlen(text));
    turn(host);
}

/* What the agent answered: its text; "" when nothing; "closed" when it has hung up. */
static const char *hear(int peer)
{
    static char text[MESSAGE_MAX_BYTES + 1];
    ssize_t size = recv(peer, text, sizeof text - 1, 0);
    if (size == 0) return "closed";
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static int open_files(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void a_path_that_is_too_long_is_refused(void)
{
    uv_loop_t loop;
    char path[200];
    struct link *link = NULL;
    const struct link_handler handler = {on_message, on_gone, NULL};
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    uv_loop_init(&loop);
    CHECK_EQUAL(link_new(&loop, path, &handler, &link, &test_error), ANB_INVALID);
    CHECK_EQUAL(link_new(&loop, "/nowhere/at/all", &handler, &link, &test_error), ANB_NOT_FOUND);
    CHECK_EQUAL(uv_loop_close(&loop), 0);
}

static void nothing_is_taken_before_a_hello(void)
{
    struct host host;
    host_open(&host);
    int peer = dial(&host);
    say(&host, peer, "{\"type\":\"next\"}", NULL, 0);
    CHECK(strstr(hear(peer), "must be a hello") != NULL);
    CHECK_TEXT(hear(peer), "closed");
    CHECK(host.n_messages == 0 && host.n_gone == 1);
    CHECK(!link_is_connected(host.link));
    close(peer);
    host_close(&host);
}

static void another_protocol_is_refused_with_both_numbers(void)
{
    struct host host;
    host_open(&host);
    int peer = dial(&host);
    say(&host, peer, "{\"type\":\"hello\",\"protocol\":7}", NULL, 0);
    CHECK(strstr(hear(peer), "speaks protocol 1, the trainer's library 7") != NULL);
    CHECK_TEXT(hear(peer), "closed");
    close(peer);
    host_close(&host);
}

static void a_second_trainer_is_turned_away(void)
{
    struct host host;
    host_open(&host);
    int first = dial(&host);
    say(&host, first, HELLO, NULL, 0);
    int second = dial(&host);
    CHECK(strstr(hear(second), "another trainer is connected") != NULL);
    CHECK_TEXT(hear(second), "closed");
    say(&host, first, "{\"type\":\"next\"}", NULL, 0);
    CHECK_EQUAL(host.n_messages, 2);
    close(first);
    turn(&host);
    CHECK_EQUAL(host.n_gone, 1);
    int third = dial(&host);
    say(&host, third, HELLO, NULL, 0);
    CHECK(link_is_connected(host.link));
    close(second);
    close(third);
    host_close(&host);
}

static void nonsense_ends_the_connection_and_what_is_unknown_does_not(void)
{
    struct host host;
    host_open(&host);
    int peer = dial(&host);
    say(&host, peer, HELLO, NULL, 0);
    say(&host, peer, "{\"type\":\"weather\"}", NULL, 0);
    CHECK(strstr(hear(peer), "\"reason\":\"this agent does not know") != NULL);
    CHECK(link_is_connected(host.link));
    say(&host, peer, "nonsense", NULL, 0);
    CHECK(strstr(hear(peer), "refused") != NULL);
    CHECK_TEXT(hear(peer), "closed");
    close(peer);
    host_close(&host);
}

static void a_packet_above_the_limit_ends_the_connection(void)
{
    struct host host;
    char *text = malloc(MESSAGE_MAX_BYTES + 2);
    host_open(&host);
    int peer = dial(&host);
    say(&host, peer, HELLO, NULL, 0);
    memset(text, ' ', MESSAGE_MAX_BYTES + 1);
    text[MESSAGE_MAX_BYTES + 1] = '\0';
    say(&host, peer, text, NULL, 0);
    CHECK(strstr(hear(peer), "at most 65536 bytes") != NULL);
    CHECK_TEXT(hear(peer), "closed");
    free(text);
    close(peer);
    host_close(&host);
}

static void descriptors_are_handed_over_or_closed(void)
{
    struct host host;
    host_open(&host);
    int peer = dial(&host), file = open("/dev/null", O_RDONLY);
    say(&host, peer, HELLO, NULL, 0);
    int before = open_files();
    const int many[] = {file, file, file};
    say(&host, peer, "{\"type\":\"result\",\"task\":\"a\"}", many, 3);
    CHECK(strstr(hear(peer), "one descriptor at most") != NULL);
    say(&host, peer, "{\"type\":\"weather\"}", &file, 1);
    CHECK_EQUAL(open_files(), before);
    say(&host, peer, "{\"type\":\"result\",\"task\":\"a\"}", &file, 1);
    CHECK(host.taken >= 0 && open_files() == before + 1);
    close(file);
    close(peer);
    host_close(&host);
}

static void a_trainer_that_does_not_read_is_hung_up_on(void)
{
    struct host host;
    char text[60001];
    host_open(&host);
    int peer = dial(&host);
    say(&host, peer, HELLO, NULL, 0);
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 1000 && link_is_connected(host.link); i++) link_send(host.link, slice_of(text, 60000), -1);
    CHECK(!link_is_connected(host.link));
    CHECK_EQUAL(host.n_gone, 1);
    close(peer);
    host_close(&host);
}

static void messages_go_both_ways(void)
{
    struct host host;
    host_open(&host);
    int peer = dial(&host);
    say(&host, peer, HELLO, NULL, 0);
    CHECK(host.last == MESSAGE_HELLO && link_is_connected(host.link));
    link_send(host.link, slice_of_text("words"), -1);
    CHECK_TEXT(hear(peer), "words");
    link_stop_listening(host.link);
    say(&host, peer, "{\"type\":\"failed\",\"reason\":\"r\"}", NULL, 0);
    CHECK_EQUAL(host.last, MESSAGE_FAILED);
    close(peer);
    host_close(&host);
}

TEST_MAIN("client link", TEST(a_path_that_is_too_long_is_refused), TEST(nothing_is_taken_before_a_hello),
          TEST(another_protocol_is_refused_with_both_numbers), TEST(a_second_trainer_is_turned_away),
          TEST(nonsense_ends_the_connection_and_what_is_unknown_does_not),
          TEST(a_packet_above_the_limit_ends_the_connection), TEST(descriptors_are_handed_over_or_closed),
          TEST(a_trainer_that_does_not_read_is_hung_up_on), TEST(messages_go_both_ways))
