/* The REST endpoint's methods and paths, one table: schemas/openapi.yaml says the same, and a test compares them. */
#ifndef ANB_SERVER_ROUTES_H
#define ANB_SERVER_ROUTES_H

#include "server/request.h"

/* The handlers' context is a struct server. */
extern const struct route server_routes[];
extern const size_t n_server_routes;

/* routes_jobs.c */
handler handle_submit, handle_jobs, handle_job, handle_abort, handle_delete, handle_logs, handle_model;
/* routes_state.c */
handler handle_health, handle_ready, handle_metrics, handle_sites, handle_aggregators;

#endif
