/* Rights: what the columns of the table of routes (routes.c) mean for one request.
 *
 * The table says for each route and role: nothing, own objects, all objects. An object of somebody else is "not found"
 * for whom the table does not let look at all objects of its kind, and "denied" for the others. HTTP thread. */
#ifndef ANB_SERVER_ACCESS_H
#define ANB_SERVER_ACCESS_H

#include "server/request.h"

struct server;

/* Who sends it (request->user), and may they? `request->route` is NULL for what is not there: that, too, is told to
 * users only. *code: 401, 403 or 404 when it is not OK. */
enum anb_status access_admit(void *server, const struct credentials *credentials, struct request *request, int *code,
                             struct anb_error *err);
/* Whether this user may see an object of `owner` in an answer to this request. */
bool access_may_see(const struct request *request, const char *owner);

#endif
