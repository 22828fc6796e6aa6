/* Which handler a method and a path belong to: one table. Pure functions; any thread. */
#ifndef ANB_SERVER_ROUTER_H
#define ANB_SERVER_ROUTER_H

#include "server/request.h"

enum { ROUTE_ALLOW_BYTES = 64 };

/* Find the route; `id` gets the segment at {id}. HEAD finds what GET would. NOT_FOUND: no such path; INVALID: the path
 * has no such method, `allow` lists those it has. */
enum anb_status router_find(const struct route *routes, size_t n_routes, const char *method, const char *path,
                            const struct route **route, char id[REQUEST_ID_BYTES], char allow[ROUTE_ALLOW_BYTES],
                            struct anb_error *err);

#endif
