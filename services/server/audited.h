/* The server's lines in its audit log: who asked what of which object. Any thread. */
#ifndef ANB_SERVER_AUDITED_H
#define ANB_SERVER_AUDITED_H

#include "server/server.h"

/* By the request's user. `object` and `id`: "job", "4f1c..."; `detail` may be NULL. What is written before the act
 * (audit.h) must not be done when this fails. */
enum anb_status audited(struct server *server, const struct request *request, enum audit_what what, const char *object,
                        const char *id, const char *detail, struct anb_error *err);
/* A request that was turned away: 401 nobody known, 403 and 404 by a known user. */
void audited_refusal(struct server *server, const struct request *request, int code, const char *reason);

#endif
