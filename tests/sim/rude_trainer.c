/* A trainer that sends what no library would, and expects to be refused each time with the right words; then it answers
 * as it should. Whatever goes otherwise is its last line, and its exit status is 1. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PACKET_BYTES = 65536, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static int agent, model = -1; /* the socket; the descriptor that came last */
static char heard[PACKET_BYTES + 1];

static void stop(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void stop(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(1);
}

static void say(const char *text, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        packet.msg_control = control;
        packet.msg_controllen = sizeof control;
        struct cmsghdr *head = CMSG_FIRSTHDR(&packet);
        *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    if (sendmsg(agent, &packet, MSG_NOSIGNAL) < 0) stop("the agent hung up on: %s", text);
}

static void hear(const char *words)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {.iov_base = heard, .iov_len = PACKET_BYTES};
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(agent, &packet, MSG_CMSG_CLOEXEC);
    heard[size > 0 ? size : 0] = '\0';
    struct cmsghdr *head = CMSG_FIRSTHDR(&packet);
    if (head) memcpy(&model, CMSG_DATA(head), sizeof model);
    if (!strstr(heard, words)) stop("wanted %s, heard %s", words, heard);
}

/* A memfd with the received model and `more` bytes behind it, or that many fewer. */
static int copy(int more, int seals)
{
    int fd = memfd_create("rude", MFD_ALLOW_SEALING);
    off_t size = lseek(model, 0, SEEK_END);
    void *from = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, model, 0);
    if (from == MAP_FAILED || write(fd, from, (size_t)size) != size || ftruncate(fd, size + more) != 0) stop("no copy");
    munmap(from, (size_t)size);
    if (fcntl(fd, F_ADD_SEALS, seals) != 0) stop("no seals");
    return fd;
}

static void refused(const char *result, int fd, const char *words)
{
    say(result, fd);
    hear("\"type\":\"refused\"");
    if (!strstr(heard, words)) stop("wanted %s, heard %s", words, heard);
    if (fd >= 0) close(fd);
}

#define RESULT "{\"type\":\"result\",\"task\":\"0-train\""

static void be_rude(void)
{
    refused("{\"type\":\"weather\"}", -1, "does not know messages");
    refused(RESULT "}", -1, "needs a model");
    refused(RESULT "}", open("/dev/null", O_RDONLY), "not a memfd");
    refused(RESULT "}", copy(0, 0), "not sealed");
    refused(RESULT "}", copy(0, F_SEAL_SHRINK | F_SEAL_GROW), "not sealed");
    refused(RESULT "}", copy(-4, SEALS), "the model");
    refused(RESULT "}", copy(4, SEALS), "the model");
    refused(RESULT ",\"weight\":0}", copy(0, SEALS), "weight");
    refused(RESULT ",\"weight\":1e300}", copy(0, SEALS), "weight");
    refused("{\"type\":\"result\",\"task\":\"7-train\"}", copy(0, SEALS), "not open");
}

static void take_over(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", getenv("ANABRANCH_SOCKET"));
    agent = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (connect(agent, (struct sockaddr *)&address, sizeof address) != 0) stop("cannot connect");
    say("{\"type\":\"hello\",\"protocol\":1,\"library\":\"rude\"}", -1);
    hear("\"type\":\"welcome\"");
}

int main(void)
{
    take_over();
    say("{\"type\":\"next\"}", -1);
    hear("\"id\":\"0-train\"");
    be_rude();
    say("{\"type\":\"next\"}", -1);
    hear("\"id\":\"0-train\""); /* the same again */
    say(RESULT ",\"metrics\":{\"loss\":1,\"bad\":null}}", copy(0, SEALS));
    hear("\"type\":\"accepted\",\"task\":\"0-train\",\"late\":false");
    refused(RESULT "}", copy(0, SEALS), "not open");
    say("{\"type\":\"next\"}", -1);
    hear("\"id\":\"1-evaluate\"");
    refused("{\"type\":\"result\",\"task\":\"1-evaluate\"}", -1, "needs metrics");
    say("{\"type\":\"result\",\"task\":\"1-evaluate\",\"metrics\":{}}", -1);
    hear("\"type\":\"accepted\"");
    say("{\"type\":\"next\"}", -1);
    hear("\"type\":\"end\",\"outcome\":\"completed\"");
    return 0;
}
