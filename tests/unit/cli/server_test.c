#include "cli/server.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static char address[256];

static void what_is_no_address_is_refused(void)
{
    static const char *const bad[] = {
        "",           "http://",      "ftp://host",   "file:///etc/passwd", "host name",
        "http://a b", "http://a\nb",  "http://a?b=c", "http://a#b",         "http:///path",
        ":8500",      "http://a%00b", "http://\"a\"", "http://a\\b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_STATUS(server_address(bad[i], address, sizeof address, &test_error), ANB_INVALID);
    char tiny[8];
    CHECK_STATUS(server_address("127.0.0.1:8500", tiny, sizeof tiny, &test_error), ANB_INVALID);
}

static const char *of(const char *given)
{
    CHECK_STATUS(server_address(given, address, sizeof address, &test_error), ANB_OK);
    return address;
}

static void an_address_gets_its_scheme_and_loses_its_slashes(void)
{
    CHECK_TEXT(of("127.0.0.1:8500"), "http://127.0.0.1:8500");
    CHECK_TEXT(of("http://host:1//"), "http://host:1");
    CHECK_TEXT(of("https://host/prefix/"), "https://host/prefix");
    CHECK_TEXT(of("[::1]:8500"), "http://[::1]:8500");
}

static void without_an_address_it_is_port_8500_of_this_machine(void)
{
    setenv("ANABRANCH_FOLDER", test_folder(), 1);
    CHECK_TEXT(of(NULL), "http://127.0.0.1:8500");
}

static void only_this_machine_is_loopback(void)
{
    CHECK(server_is_loopback("http://127.0.0.1:8500"));
    CHECK(server_is_loopback("http://localhost:8500"));
    CHECK(server_is_loopback("https://[::1]:8500"));
    CHECK(!server_is_loopback("http://localhost.example:8500"));
    CHECK(!server_is_loopback("http://10.0.0.1:8500"));
}

TEST_MAIN("cli-server", TEST(what_is_no_address_is_refused), TEST(an_address_gets_its_scheme_and_loses_its_slashes),
          TEST(without_an_address_it_is_port_8500_of_this_machine), TEST(only_this_machine_is_loopback))
