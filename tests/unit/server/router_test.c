#include "server/router.h"
#include "support/test.h"

static const struct route routes[] = {{.method = "GET", .pattern = "/v1/jobs"},
                                      {.method = "POST", .pattern = "/v1/jobs"},
                                      {.method = "GET", .pattern = "/v1/jobs/{id}"},
                                      {.method = "DELETE", .pattern = "/v1/jobs/{id}"},
                                      {.method = "GET", .pattern = "/v1/jobs/{id}/logs"}};

static const struct route *route;
static char id[REQUEST_ID_BYTES], allow[ROUTE_ALLOW_BYTES];

static enum anb_status find(const char *method, const char *path)
{
    route = NULL;
    return router_find(routes, sizeof routes / sizeof *routes, method, path, &route, id, allow, &test_error);
}

static void unknown_paths_are_not_found(void)
{
    CHECK_STATUS(find("GET", "/v1/job"), ANB_NOT_FOUND);
    CHECK_STATUS(find("GET", "/v1/jobs/"), ANB_NOT_FOUND);
    CHECK_STATUS(find("GET", "/v1/jobs/a/"), ANB_NOT_FOUND);
    CHECK_STATUS(find("GET", "/v1/jobs/a/logs/b"), ANB_NOT_FOUND);
    CHECK_STATUS(find("GET", "/"), ANB_NOT_FOUND);
    CHECK_TEXT(allow, "");
}

static void an_id_that_is_too_long_is_not_found(void)
{
    CHECK_STATUS(find("GET", "/v1/jobs/0123456789012345678901234567890123456789012345678901234567890123456789"),
                 ANB_NOT_FOUND);
}

static void another_method_is_told_what_the_path_takes(void)
{
    CHECK_STATUS(find("PUT", "/v1/jobs"), ANB_INVALID);
    CHECK_TEXT(allow, "GET, HEAD, POST");
    CHECK_STATUS(find("get", "/v1/jobs/a"), ANB_INVALID);
    CHECK_TEXT(allow, "GET, HEAD, DELETE");
}

static void the_id_is_taken_out_of_the_path(void)
{
    CHECK_STATUS(find("DELETE", "/v1/jobs/4f1c"), ANB_OK);
    CHECK(route == &routes[3]);
    CHECK_TEXT(id, "4f1c");
    CHECK_STATUS(find("GET", "/v1/jobs/4f1c/logs"), ANB_OK);
    CHECK(route == &routes[4]);
    CHECK_TEXT(id, "4f1c");
}

static void head_finds_what_get_would(void)
{
    CHECK_STATUS(find("HEAD", "/v1/jobs"), ANB_OK);
    CHECK(route == &routes[0]);
}

TEST_MAIN("server_router", TEST(unknown_paths_are_not_found), TEST(an_id_that_is_too_long_is_not_found),
          TEST(another_method_is_told_what_the_path_takes), TEST(the_id_is_taken_out_of_the_path),
          TEST(head_finds_what_get_would))
