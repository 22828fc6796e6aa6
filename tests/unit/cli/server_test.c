#include "cli/server.h"
#include "support/test.h"

#include <string.h>

static char address[256];

static void what_is_no_address_is_refused(void)
{
    static const char *const bad[] = {"",
                                      "https://",
                                      "ftp://host",
                                      "file:///etc/passwd",
                                      "host name",
                                      "https://a b",
                                      "https://a\nb",
                                      "https://a?b=c",
                                      "https://a#b",
                                      "https:///path",
                                      "http://a",
                                      "https://u@a",
                                      ":8500",
                                      "https://a%00b",
                                      "https://\"a\"",
                                      "https://a\\b"};
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
    CHECK_TEXT(of("127.0.0.1:8500"), "https://127.0.0.1:8500");
    CHECK_TEXT(of("https://host:1//"), "https://host:1");
    CHECK_TEXT(of("https://host/prefix/"), "https://host/prefix");
    CHECK_TEXT(of("[::1]:8500"), "https://[::1]:8500");
}

static void only_this_machine_is_loopback(void)
{
    CHECK(server_is_loopback("https://127.0.0.1:8500"));
    CHECK(server_is_loopback("https://localhost:8500"));
    CHECK(server_is_loopback("https://[::1]:8500"));
    CHECK(!server_is_loopback("https://localhost.example:8500"));
    CHECK(!server_is_loopback("https://10.0.0.1:8500"));
}

TEST_MAIN("cli-server", TEST(what_is_no_address_is_refused), TEST(an_address_gets_its_scheme_and_loses_its_slashes),
          TEST(only_this_machine_is_loopback))
