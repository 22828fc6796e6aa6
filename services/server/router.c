#include "server/router.h"

#include <stdio.h>
#include <string.h>

/* "/v1/jobs/{id}/logs" against a path; false also when the segment at {id} does not fit. */
static bool matches(const char *pattern, const char *path, char id[REQUEST_ID_BYTES])
{
    *id = 0;
    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        size_t size = strcspn(path, "/");
        if (size == 0 || size >= REQUEST_ID_BYTES) return false;
        memcpy(id, path, size);
        id[size] = 0;
        path += size;
        pattern += strcspn(pattern, "}") + 1;
    }
    return !*pattern && !*path;
}

static void add_allowed(char allow[ROUTE_ALLOW_BYTES], const char *method)
{
    size_t used = strlen(allow);
    snprintf(allow + used, ROUTE_ALLOW_BYTES - used, "%s%s%s", used ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

enum anb_status router_find(const struct route *routes, size_t n_routes, const char *method, const char *path,
                            const struct route **route, char id[REQUEST_ID_BYTES], char allow[ROUTE_ALLOW_BYTES],
                            struct anb_error *err)
{
    if (strcmp(method, "HEAD") == 0) method = "GET";
    *allow = 0;
    for (size_t i = 0; i < n_routes; i++) {
        if (!matches(routes[i].pattern, path, id)) continue;
        if (strcmp(routes[i].method, method) == 0) {
            *route = &routes[i];
            return ANB_OK;
        }
        add_allowed(allow, routes[i].method);
    }
    if (*allow) return anb_fail(err, ANB_INVALID, "%s does not take %.16s: it takes %s", path, method, allow);
    return anb_fail(err, ANB_NOT_FOUND, "there is nothing at %s", path);
}
