/* The REST endpoint's methods, paths and rights, one table: schemas/openapi.yaml has the same routes, and tests walk
 * through both. */
#ifndef ANB_SERVER_ROUTES_H
#define ANB_SERVER_ROUTES_H

#include "server/request.h"
#include "server/users.h"

/* The handlers' context is a struct server. */
extern const struct route server_routes[];
extern const size_t n_server_routes;

/* routes_users.c */
handler handle_me, handle_tokens, handle_token_create, handle_token_revoke;
/* The body of a wish for a token. */
enum anb_status read_token_wish(struct slice text, struct token_wish *wish, struct anb_error *err);

/* routes_roster.c */
handler handle_roster_publish;

/* routes_jobs.c */
handler handle_submit, handle_jobs, handle_job, handle_abort, handle_delete, handle_logs, handle_model;
/* routes_state.c */
handler handle_health, handle_ready, handle_metrics, handle_sites, handle_aggregators, handle_audit;

#endif
