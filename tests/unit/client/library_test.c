/* libanabranch against a fake agent on a thread, which speaks docs/protocol.md by hand. */
#include "anabranch/anabranch.h"
#include "support/test.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PACKET_BYTES = 65536, ALL_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

/* What the agent does: "<" awaits a message that contains the words, ">" says them, "m" says them with the model. */
struct step {
    char kind;
    const char *words;
};

struct agent {
    char path[108];
    int listener;
    pthread_t thread;
    const struct step *steps;
    const char *model; /* header; the data section is what `data` holds */
    const void *data;
    size_t data_bytes;
    int update; /* the last descriptor that came, -1: none */
    char heard[PACKET_BYTES + 1];
    const char *wrong; /* words that did not come */
};

#define HELLO                                                                                                          \
    {'<', "\"type\":\"hello\",\"protocol\":1"},                                                                        \
    {                                                                                                                  \
        '>', "{\"type\":\"welcome\",\"protocol\":1,\"job\":\"00ff\",\"job_name\":\"j\",\"site\":\"site-2\","           \
             "\"tasks\":{\"train\":\"train\"},\"config\":{\"rounds\":3}}"                                              \
    }
#define TASK                                                                                                           \
    {'<', "\"type\":\"next\""},                                                                                        \
    {                                                                                                                  \
        'm', "{\"type\":\"task\",\"id\":\"1-train\",\"name\":\"train\",\"round\":1,\"total_rounds\":3}"                \
    }
#define ACCEPTED                                                                                                       \
    {                                                                                                                  \
        '>', "{\"type\":\"accepted\",\"task\":\"1-train\",\"late\":false}"                                             \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        '>', "{\"type\":\"end\",\"outcome\":\"completed\",\"reason\":\"\"}"                                            \
    }

static int model_fd(const struct agent *agent)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    uint64_t size = strlen(agent->model);
    if (write(fd, &size, 8) != 8 || write(fd, agent->model, size) != (ssize_t)size ||
        write(fd, agent->data, agent->data_bytes) != (ssize_t)agent->data_bytes)
        abort();
    fcntl(fd, F_ADD_SEALS, ALL_SEALS);
    return fd;
}

static void say(int peer, const char *words, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {.iov_base = (void *)words, .iov_len = strlen(words)};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        packet.msg_control = control;
        packet.msg_controllen = sizeof control;
        struct cmsghdr *head = CMSG_FIRSTHDR(&packet);
        *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    sendmsg(peer, &packet, MSG_NOSIGNAL);
    if (fd >= 0) close(fd);
}

static bool hear(struct agent *agent, int peer, const char *words)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {.iov_base = agent->heard, .iov_len = PACKET_BYTES};
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct pollfd wait = {.fd = peer, .events = POLLIN};
    if (poll(&wait, 1, 20000) != 1) return false;
    ssize_t size = recvmsg(peer, &packet, 0);
    agent->heard[size > 0 ? size : 0] = '\0';
    struct cmsghdr *head = CMSG_FIRSTHDR(&packet);
    if (head) memcpy(&agent->update, CMSG_DATA(head), sizeof(int));
    return strstr(agent->heard, words) != NULL;
}

static void *agent_main(void *context)
{
    struct agent *agent = context;
    int peer = accept(agent->listener, NULL, NULL);
    for (const struct step *step = agent->steps; step->kind && !agent->wrong; step++) {
        if (step->kind == '<' && !hear(agent, peer, step->words)) agent->wrong = step->words;
        if (step->kind == '>') say(peer, step->words, -1);
        if (step->kind == 'm') say(peer, step->words, model_fd(agent));
    }
    close(peer);
    return NULL;
}

static const float weights[] = {1, 2, 3, 4, 5, 6};
static const char header[] = "{\"__metadata__\":{\"a\":\"b\"},\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],"
                             "\"data_offsets\":[0,24]},\"e\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}";

static void agent_start(struct agent *agent, const struct step *steps)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static int number;
    if (!agent->model) {
        agent->model = header;
        agent->data = weights;
        agent->data_bytes = sizeof weights;
    }
    agent->steps = steps;
    agent->update = -1;
    agent->wrong = NULL;
    snprintf(agent->path, sizeof agent->path, "%s/s%d", test_folder(), number++);
    strcpy(address.sun_path, agent->path);
    agent->listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    REQUIRE(bind(agent->listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(agent->listener, 1) == 0);
    pthread_create(&agent->thread, NULL, agent_main, agent);
}

static void agent_stop(struct agent *agent)
{
    shutdown(agent->listener, SHUT_RDWR);
    pthread_join(agent->thread, NULL);
    close(agent->listener);
    if (agent->update >= 0) close(agent->update);
    if (agent->wrong) fprintf(stderr, "wanted %s, heard %s\n", agent->wrong, agent->heard);
    CHECK(!agent->wrong);
}

static struct anb_client *open_at(const struct agent *agent)
{
    char why[256] = "";
    struct anb_client *client = anb_open(agent->path, why, sizeof why);
    if (!client) fprintf(stderr, "%s\n", why);
    REQUIRE(client != NULL);
    return client;
}

/* -- tests */

static void opening_without_an_agent_says_why(void)
{
    char why[512];
    unsetenv("ANABRANCH_SOCKET");
    CHECK(!anb_open(NULL, why, sizeof why));
    CHECK(strstr(why, "ANABRANCH_SOCKET is not set") != NULL);
    CHECK(!anb_open("/nowhere/socket", why, sizeof why));
    CHECK(strstr(why, "/nowhere/socket") != NULL);
    char path[300];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    CHECK(!anb_open(path, why, sizeof why));
    CHECK(strstr(why, "too long") != NULL);
}

static void a_refusal_of_the_agent_is_the_reason(void)
{
    static const struct step steps[] = {
        {'<', "hello"}, {'>', "{\"type\":\"refused\",\"task\":null,\"reason\":\"another trainer is here\"}"}, {0}};
    struct agent agent = {0};
    char why[256];
    agent_start(&agent, steps);
    CHECK(!anb_open(agent.path, why, sizeof why));
    CHECK(strstr(why, "another trainer is here") != NULL);
    agent_stop(&agent);
}

static void a_received_model_is_seen_in_place(void)
{
    static const struct step steps[] = {HELLO, TASK, {0}};
    struct agent agent = {0};
    agent_start(&agent, steps);
    setenv("ANABRANCH_SOCKET", agent.path, 1);
    char why[256];
    struct anb_client *client = anb_open(NULL, why, sizeof why);
    REQUIRE(client != NULL);
    CHECK_TEXT(anb_job(client), "00ff");
    CHECK_TEXT(anb_site(client), "site-2");
    CHECK_TEXT(anb_task_name(client), "");
    CHECK_EQUAL(anb_round(client), -1);
    CHECK_EQUAL(anb_receive(client, -1), ANB_TASK);
    CHECK(anb_is_train(client) && !anb_is_evaluate(client));
    CHECK_EQUAL(anb_round(client), 1);
    CHECK_EQUAL(anb_total_rounds(client), 3);
    CHECK_EQUAL(anb_n_tensors(client), 2);
    CHECK_TEXT(anb_tensor_at(client, 0)->name, "e");
    CHECK(anb_tensor_at(client, 2) == NULL);
    CHECK(anb_tensor(client, "x") == NULL);
    const struct anb_tensor *w = anb_tensor(client, "w");
    REQUIRE(w != NULL);
    CHECK(w->dtype == ANB_F32 && w->n_dimensions == 2 && w->shape[1] == 3 && w->n_elements == 6 && w->bytes == 24);
    CHECK(memcmp(w->data, weights, sizeof weights) == 0);
    CHECK_EQUAL(anb_receive(client, -1), ANB_FAILED);
    CHECK_TEXT(anb_error(client), "the agent is gone");
    CHECK_EQUAL(anb_receive(client, -1), ANB_ENDED);
    anb_close(client);
    agent_stop(&agent);
}

static void an_update_arrives_sealed_and_exact(void)
{
    static const struct step steps[] = {
        HELLO,
        TASK,
        {'<', "{\"type\":\"result\",\"task\":\"1-train\",\"params_type\":\"DIFF\",\"weight\":32,"
              "\"metrics\":{\"loss\":0.5,\"a\\\"b\":null}}"},
        ACCEPTED,
        {'<', "next"},
        END,
        {0}};
    struct agent agent = {0};
    agent_start(&agent, steps);
    struct anb_client *client = open_at(&agent);
    CHECK_EQUAL(anb_receive(client, -1), ANB_TASK);
    struct anb_update *update = anb_update_new(client);
    CHECK_EQUAL(anb_update_like(update), 0);
    CHECK_EQUAL(anb_update_add(update, "s", ANB_F64, NULL, 0), 0);
    float *w = anb_update_data(update, 1);
    double *s = anb_update_data(update, 2);
    REQUIRE(w && s);
    CHECK_EQUAL((uintptr_t)w % 64, 0);
    for (int i = 0; i < 6; i++) w[i] = weights[i] + 1;
    memcpy(s, &(double){2.5}, 8);
    anb_update_weight(update, 32);
    anb_update_params_type(update, ANB_DIFF);
    CHECK_EQUAL(anb_update_metric(update, "loss", 0.5), 0);
    CHECK_EQUAL(anb_update_metric(update, "a\"b", (double)NAN), 0);
    CHECK_EQUAL(anb_send(client, update), 0);
    CHECK_EQUAL(anb_receive(client, -1), ANB_ENDED);
    CHECK_EQUAL(anb_receive(client, -1), ANB_ENDED);
    anb_close(client);
    pthread_join(agent.thread, NULL);
    REQUIRE(agent.update >= 0);
    CHECK_EQUAL(fcntl(agent.update, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    char file[1024];
    ssize_t size = pread(agent.update, file, sizeof file - 1, 0);
    uint64_t head;
    memcpy(&head, file, 8);
    CHECK_EQUAL((8 + head) % 64, 0);
    CHECK_EQUAL(size, (ssize_t)(8 + head + 24 + 8));
    file[size] = '\0';
    static const char expected[] = "{\"e\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]},"
                                   "\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                                   "\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[24,32]}}";
    CHECK(strncmp(file + 8, expected, strlen(expected)) == 0);
    CHECK(((float *)(file + 8 + head))[5] == 7);
    CHECK(!agent.wrong);
    close(agent.update);
    close(agent.listener);
}

static void metrics_alone_need_no_model(void)
{
    static const struct step steps[] = {HELLO, TASK, {'<', "\"metrics\":{}}"}, ACCEPTED, {0}};
    struct agent agent = {0};
    agent_start(&agent, steps);
    struct anb_client *client = open_at(&agent);
    CHECK_EQUAL(anb_receive(client, -1), ANB_TASK);
    CHECK_EQUAL(anb_send(client, anb_update_new(client)), 0);
    CHECK_EQUAL(agent.update, -1);
    CHECK_EQUAL(anb_send(client, anb_update_new(client)), -1);
    CHECK(strstr(anb_error(client), "no open task") != NULL);
    anb_close(client);
    agent_stop(&agent);
}

static void a_refused_result_can_be_sent_again(void)
{
    static const struct step steps[] = {HELLO,
                                        TASK,
                                        {'<', "result"},
                                        {'>', "{\"type\":\"refused\",\"task\":\"1-train\",\"reason\":\"no weight\"}"},
                                        {'<', "result"},
                                        ACCEPTED,
                                        {0}};
    struct agent agent = {0};
    agent_start(&agent, steps);
    struct anb_client *client = open_at(&agent);
    CHECK_EQUAL(anb_receive(client, -1), ANB_TASK);
    CHECK_EQUAL(anb_send(client, anb_update_new(client)), -1);
    CHECK(strstr(anb_error(client), "no weight") != NULL);
    CHECK_EQUAL(anb_send(client, anb_update_new(client)), 0);
    anb_close(client);
    agent_stop(&agent);
}

static void wrong_tensors_are_named(void)
{
    static const struct step steps[] = {HELLO, {0}};
    struct agent agent = {0};
    agent_start(&agent, steps);
    struct anb_client *client = open_at(&agent);
    struct anb_update *update = anb_update_new(client);
    const int64_t huge[] = {INT64_MAX, 16}, negative[] = {-1}, two[] = {2};
    CHECK_EQUAL(anb_update_add(update, "huge", ANB_F64, huge, 2), -1);
    CHECK(strstr(anb_error(client), "huge") != NULL);
    CHECK_EQUAL(anb_update_add(update, "n", ANB_F64, negative, 1), -1);
    CHECK_EQUAL(anb_update_add(update, "d", (enum anb_dtype)99, two, 1), -1);
    CHECK_EQUAL(anb_update_add(update, "x", ANB_F32, two, ANB_MAX_DIMENSIONS + 1), -1);
    CHECK_EQUAL(anb_update_add(update, "__metadata__", ANB_F32, two, 1), -1);
    CHECK(anb_update_data(update, 0) == NULL);
    CHECK_EQUAL(anb_update_add(update, "w", ANB_F32, two, 1), 0);
    CHECK(anb_update_data(update, 0) != NULL);
    CHECK_EQUAL(anb_update_add(update, "late", ANB_F32, two, 1), -1);
    CHECK_EQUAL(anb_send(client, update), -1);
    anb_close(client);
    agent_stop(&agent);
}

static void the_wait_for_a_task_can_end(void)
{
    static const struct step steps[] = {HELLO,
                                        {'<', "next"},
                                        {'<', "log"},
                                        {'m', "{\"type\":\"task\",\"id\":\"a\","
                                              "\"name\":\"evaluate\",\"round\":0,\"total_rounds\":1}"},
                                        {'<', "failed"},
                                        {0}};
    struct agent agent = {0};
    agent_start(&agent, steps);
    struct anb_client *client = open_at(&agent);
    CHECK_EQUAL(anb_receive(client, 0), ANB_WAITED);
    anb_log(client, "loss", 0.25, 3);
    CHECK_EQUAL(anb_receive(client, -1), ANB_TASK);
    CHECK(anb_is_evaluate(client));
    CHECK_EQUAL(anb_give_up(client, "no data"), 0);
    CHECK_EQUAL(anb_send(client, NULL), -1);
    anb_close(client);
    agent_stop(&agent);
    CHECK(strstr(agent.heard, "\"reason\":\"no data\"") != NULL);
}

static void unknown_messages_are_skipped_and_nonsense_ends_the_link(void)
{
    static const struct step steps[] = {
        HELLO, {'<', "next"}, {'>', "{\"type\":\"weather\",\"sky\":[1,{\"a\":[]}]}"}, {'>', "{\"type\":"}, {0}};
    struct agent agent = {0};
    agent_start(&agent, steps);
    struct anb_client *client = open_at(&agent);
    CHECK_EQUAL(anb_receive(client, -1), ANB_FAILED);
    CHECK(strstr(anb_error(client), "no message") != NULL);
    CHECK_EQUAL(anb_receive(client, -1), ANB_ENDED);
    anb_close(client);
    agent_stop(&agent);
}

static void models_that_lead_out_of_their_memory_are_refused(void)
{
    static const char *const headers[] = {
        "",
        "[]",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[4,28]}}",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[-8,16]}}",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[9,9],\"data_offsets\":[0,24]}}",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}",
        "{\"w\":{\"dtype\":\"F31\",\"shape\":[6],\"data_offsets\":[0,24]}}",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24,48]}}",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[6]}}",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,6],\"data_offsets\":[0,24]}}",
    };
    static const struct step steps[] = {HELLO, TASK, {0}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct agent agent = {.model = headers[i], .data = weights, .data_bytes = sizeof weights};
        agent_start(&agent, steps);
        struct anb_client *client = open_at(&agent);
        CHECK_EQUAL(anb_receive(client, -1), ANB_FAILED);
        CHECK_EQUAL(anb_n_tensors(client), 0);
        anb_close(client);
        agent_stop(&agent);
    }
}

TEST_MAIN("client library", TEST(opening_without_an_agent_says_why), TEST(a_refusal_of_the_agent_is_the_reason),
          TEST(wrong_tensors_are_named), TEST(models_that_lead_out_of_their_memory_are_refused),
          TEST(unknown_messages_are_skipped_and_nonsense_ends_the_link), TEST(a_refused_result_can_be_sent_again),
          TEST(a_received_model_is_seen_in_place), TEST(an_update_arrives_sealed_and_exact),
          TEST(metrics_alone_need_no_model), TEST(the_wait_for_a_task_can_end))
