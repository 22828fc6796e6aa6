#include "server/connections.h"
#include "support/test.h"

#include <sys/socket.h>
#include <unistd.h>

static struct connections connections;
static int ends[2];

static struct connection *open_pair(void)
{
    connections_init(&connections);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    return connections_add(&connections, ends[0], 1000);
}

static void close_pair(void)
{
    connections_fini(&connections);
    close(ends[0]);
    close(ends[1]);
}

static bool is_cut(void)
{
    char byte;
    return recv(ends[1], &byte, 1, MSG_DONTWAIT) == 0;
}

static void a_head_that_does_not_come_is_cut_off(void)
{
    open_pair();
    connections_reap(&connections, 1000 + CONNECTION_HEAD_MS - 1);
    CHECK(!is_cut());
    connections_reap(&connections, 1000 + CONNECTION_HEAD_MS);
    CHECK(is_cut());
    size_t n_open;
    uint64_t n_cut;
    connections_reap(&connections, 1000 + 2 * CONNECTION_HEAD_MS);
    connections_count(&connections, &n_open, &n_cut);
    CHECK_EQUAL(n_open, 1);
    CHECK_EQUAL(n_cut, 1);
    close_pair();
}

static void a_body_that_drips_is_cut_off(void)
{
    struct connection *connection = open_pair();
    connection_enter(&connections, connection, CONNECTION_BODY, 5000);
    connection_got(&connections, connection, CONNECTION_BODY_BYTES - 1);
    connections_reap(&connections, 5000 + CONNECTION_BODY_MS);
    CHECK(is_cut());
    close_pair();
}

static void a_body_that_flows_may_last(void)
{
    struct connection *connection = open_pair();
    connection_enter(&connections, connection, CONNECTION_BODY, 5000);
    for (int i = 1; i <= 10; i++) {
        connection_got(&connections, connection, CONNECTION_BODY_BYTES);
        connections_reap(&connections, 5000 + i * (int64_t)CONNECTION_BODY_MS);
    }
    CHECK(!is_cut());
    close_pair();
}

static void an_answer_may_take_its_time(void)
{
    struct connection *connection = open_pair();
    connection_enter(&connections, connection, CONNECTION_ANSWER, 5000);
    connections_reap(&connections, 5000 + 3600 * 1000);
    CHECK(!is_cut());
    close_pair();
}

static void removed_connections_are_forgotten(void)
{
    struct connection *first = open_pair();
    struct connection *second = connections_add(&connections, ends[1], 1000);
    connections_remove(&connections, first);
    connections_remove(&connections, NULL);
    connections_reap(&connections, 1000 + CONNECTION_HEAD_MS);
    size_t n_open;
    uint64_t n_cut;
    connections_count(&connections, &n_open, &n_cut);
    CHECK_EQUAL(n_open, 1);
    CHECK_EQUAL(n_cut, 1);
    connections_remove(&connections, second);
    close_pair();
}

TEST_MAIN("server_connections", TEST(a_head_that_does_not_come_is_cut_off), TEST(a_body_that_drips_is_cut_off),
          TEST(a_body_that_flows_may_last), TEST(an_answer_may_take_its_time), TEST(removed_connections_are_forgotten))
