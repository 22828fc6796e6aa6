/* The table of routes and schemas/openapi.yaml say the same. */
#include "server/routes.h"
#include "support/schema.h"
#include "support/test.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct doc *find_operation(const struct doc *openapi, const struct route *route)
{
    char method[16] = "";
    for (size_t i = 0; route->method[i] && i < sizeof method - 1; i++)
        method[i] = (char)tolower((unsigned char)route->method[i]);
    return doc_get(doc_get(doc_get(openapi, "paths"), route->pattern), method);
}

static void every_route_is_described(void)
{
    struct doc *openapi = openapi_load();
    for (size_t i = 0; i < n_server_routes; i++) {
        if (!find_operation(openapi, &server_routes[i]))
            printf("not described: %s %s\n", server_routes[i].method, server_routes[i].pattern);
        CHECK(find_operation(openapi, &server_routes[i]) != NULL);
    }
    doc_free(openapi);
}

static void nothing_is_described_that_is_not_there(void)
{
    struct doc *openapi = openapi_load();
    const struct doc *paths = doc_get(openapi, "paths");
    size_t n = 0;
    for (size_t i = 0; i < doc_size(paths); i++) n += doc_size(doc_at(paths, i));
    CHECK_EQUAL(n, n_server_routes);
    doc_free(openapi);
}

/* The names of the operation's query parameters, blank-separated, in any order. */
static size_t count_described_queries(const struct doc *openapi, const struct doc *operation, const char *known)
{
    const struct doc *parameters = doc_get(operation, "parameters");
    size_t n = 0;
    for (size_t i = 0; i < doc_size(parameters); i++) {
        const struct doc *parameter = openapi_resolve(openapi, doc_at(parameters, i));
        if (strcmp(doc_text(doc_get(parameter, "in"), ""), "query") != 0) continue;
        CHECK(strstr(known, doc_text(doc_get(parameter, "name"), "?")) != NULL);
        n++;
    }
    return n;
}

static void the_queries_are_the_same(void)
{
    struct doc *openapi = openapi_load();
    for (size_t i = 0; i < n_server_routes; i++) {
        const char *queries = server_routes[i].queries;
        size_t n = *queries ? 1 : 0;
        for (const char *c = queries; *c; c++) n += *c == ' ';
        CHECK_EQUAL(count_described_queries(openapi, find_operation(openapi, &server_routes[i]), queries), n);
    }
    doc_free(openapi);
}

static void changes_say_that_a_follower_refuses_them(void)
{
    struct doc *openapi = openapi_load();
    for (size_t i = 0; i < n_server_routes; i++) {
        const struct doc *responses = doc_get(find_operation(openapi, &server_routes[i]), "responses");
        if (server_routes[i].changes) CHECK(doc_get(responses, "503") != NULL);
    }
    doc_free(openapi);
}

/* "x-rights" of an operation against the row of the table; none of both when nobody is asked who they are. */
static void the_rights_are_the_same(void)
{
    static const char *const words[] = {[REACH_NONE] = "none", [REACH_OWN] = "own", [REACH_ALL] = "all"};
    struct doc *openapi = openapi_load();
    for (size_t i = 0; i < n_server_routes; i++) {
        const struct route *route = &server_routes[i];
        const struct doc *operation = find_operation(openapi, route), *rights = doc_get(operation, "x-rights");
        CHECK_EQUAL(rights == NULL, route->open);
        CHECK_EQUAL(doc_get(operation, "security") != NULL, route->open);
        CHECK_EQUAL(doc_get(doc_get(operation, "responses"), "401") == NULL, route->open);
        for (int role = 0; rights && role < USER_N_ROLES; role++)
            CHECK_TEXT(doc_text(doc_get(rights, user_role_word((enum user_role)role)), ""), words[route->reach[role]]);
    }
    doc_free(openapi);
}

static void whatever_names_an_object_knows_its_kind(void)
{
    for (size_t i = 0; i < n_server_routes; i++)
        CHECK_EQUAL(strstr(server_routes[i].pattern, "{id}") != NULL, server_routes[i].object != OBJECT_NONE);
}

static void check_example(const struct doc *openapi, const struct doc *response)
{
    const struct doc *json = doc_get(doc_get(openapi_resolve(openapi, response), "content"), "application/json");
    if (!json) return;
    const char *ref = doc_text(doc_get(doc_get(json, "schema"), "$ref"), "");
    const char *name = strrchr(ref, '/');
    CHECK(doc_get(json, "example") != NULL);
    CHECK_STATUS(schema_check(openapi, name ? name + 1 : "", doc_get(json, "example"), &test_error), ANB_OK);
}

static void every_example_has_the_form_of_its_schema(void)
{
    struct doc *openapi = openapi_load();
    for (size_t i = 0; i < n_server_routes; i++) {
        const struct doc *responses = doc_get(find_operation(openapi, &server_routes[i]), "responses");
        for (size_t r = 0; r < doc_size(responses); r++) check_example(openapi, doc_at(responses, r));
    }
    doc_free(openapi);
}

TEST_MAIN("server_routes", TEST(every_route_is_described), TEST(nothing_is_described_that_is_not_there),
          TEST(the_queries_are_the_same), TEST(changes_say_that_a_follower_refuses_them), TEST(the_rights_are_the_same),
          TEST(whatever_names_an_object_knows_its_kind), TEST(every_example_has_the_form_of_its_schema))
