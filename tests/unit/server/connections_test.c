#include "server/connections.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct connections connections;
static int ends[2];

static struct connection *open_pair(void)
{
    connections_init(&connections);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    return connections_add(&connections, ends[0], 7, 1000);
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

static uint64_t n_cut(void)
{
    size_t n_open;
    uint64_t n;
    connections_count(&connections, &n_open, &n);
    return n;
}

/* All on one socket, which is never read: only who is cut is looked at. */
static struct connection *add_many(size_t count, uint64_t first_address, int64_t step)
{
    struct connection *last = NULL;
    for (size_t i = 0; i < count; i++)
        last = connections_add(&connections, ends[1], first_address + (uint64_t)((int64_t)i * step), 2000);
    return last;
}

static void of_many_half_open_ones_the_oldest_gives_way(void)
{
    struct connection *oldest = open_pair();
    add_many(CONNECTIONS_MANY - 1, 100, 1);
    CHECK_EQUAL(n_cut(), 0);
    add_many(1, 5000, 1);
    CHECK(oldest->cut);
    CHECK_EQUAL(n_cut(), 1);
    close_pair();
}

static void who_has_brought_a_head_does_not_give_way(void)
{
    struct connection *served = open_pair();
    connection_enter(&connections, served, CONNECTION_ANSWER, 1000);
    add_many(CONNECTIONS_MANY + 50, 100, 1);
    CHECK(!served->cut);
    CHECK_EQUAL(n_cut(), 51);
    close_pair();
}

static void a_flood_from_one_address_cuts_off_only_itself(void)
{
    struct connection *elsewhere = open_pair();
    add_many(10 * CONNECTIONS_MANY_OF_ADDRESS, 9, 0);
    CHECK(!elsewhere->cut);
    CHECK_EQUAL(n_cut(), 9 * CONNECTIONS_MANY_OF_ADDRESS);
    close_pair();
}

static uint64_t address_of_text(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) return address_of((struct sockaddr *)&v4);
    CHECK_EQUAL(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_of((struct sockaddr *)&v6);
}

static void addresses_of_one_household_are_one(void)
{
    CHECK(address_of_text("10.0.0.1") != address_of_text("10.0.0.2"));
    CHECK_EQUAL(address_of_text("10.0.0.1"), address_of_text("::ffff:10.0.0.1"));
    CHECK_EQUAL(address_of_text("2001:db8:1:2:3::1"), address_of_text("2001:db8:1:2:ffff::9"));
    CHECK(address_of_text("2001:db8:1:2::1") != address_of_text("2001:db8:1:3::1"));
}

static void removed_connections_are_forgotten(void)
{
    struct connection *first = open_pair();
    struct connection *second = connections_add(&connections, ends[1], 7, 1000);
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
          TEST(a_body_that_flows_may_last), TEST(an_answer_may_take_its_time),
          TEST(of_many_half_open_ones_the_oldest_gives_way), TEST(who_has_brought_a_head_does_not_give_way),
          TEST(a_flood_from_one_address_cuts_off_only_itself), TEST(addresses_of_one_household_are_one),
          TEST(removed_connections_are_forgotten))
