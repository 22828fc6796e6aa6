#include "server/routes.h"

/* The rights of monitor, member, lead and admin at a route. */
#define OPEN {REACH_NONE}, true
#define ROLES(monitor, member, lead, admin) {REACH_##monitor, REACH_##member, REACH_##lead, REACH_##admin}, false

const struct route server_routes[] = {
    {"GET", "/health", "", false, TAKES_NOTHING, handle_health, OBJECT_NONE, OPEN},
    {"GET", "/ready", "", false, TAKES_NOTHING, handle_ready, OBJECT_NONE, OPEN},
    {"GET", "/metrics", "", false, TAKES_NOTHING, handle_metrics, OBJECT_NONE, ROLES(ALL, NONE, ALL, ALL)},
    {"GET", "/v1/me", "", false, TAKES_NOTHING, handle_me, OBJECT_NONE, ROLES(OWN, OWN, OWN, OWN)},
    {"GET", "/v1/tokens", "", false, TAKES_NOTHING, handle_tokens, OBJECT_NONE, ROLES(NONE, OWN, OWN, ALL)},
    {"POST", "/v1/tokens", "", false, TAKES_JSON, handle_token_create, OBJECT_NONE, ROLES(NONE, OWN, OWN, OWN)},
    {"DELETE", "/v1/tokens/{id}", "", false, TAKES_NOTHING, handle_token_revoke, OBJECT_TOKEN,
     ROLES(NONE, OWN, OWN, ALL)},
    {"POST", "/v1/roster", "", false, TAKES_ROSTER, handle_roster_publish, OBJECT_NONE, ROLES(NONE, NONE, NONE, ALL)},
    {"POST", "/v1/jobs", "", true, TAKES_UPLOAD, handle_submit, OBJECT_NONE, ROLES(NONE, OWN, OWN, OWN)},
    {"GET", "/v1/jobs", "", false, TAKES_NOTHING, handle_jobs, OBJECT_NONE, ROLES(NONE, OWN, ALL, ALL)},
    {"GET", "/v1/jobs/{id}", "rounds wait_s revision", false, TAKES_NOTHING, handle_job, OBJECT_JOB,
     ROLES(NONE, OWN, ALL, ALL)},
    {"DELETE", "/v1/jobs/{id}", "", true, TAKES_NOTHING, handle_delete, OBJECT_JOB, ROLES(NONE, OWN, OWN, ALL)},
    {"GET", "/v1/jobs/{id}/logs", "from wait_s limit", false, TAKES_NOTHING, handle_logs, OBJECT_JOB,
     ROLES(NONE, OWN, ALL, ALL)},
    {"POST", "/v1/jobs/{id}/abort", "", true, TAKES_NOTHING, handle_abort, OBJECT_JOB, ROLES(NONE, OWN, ALL, ALL)},
    {"GET", "/v1/jobs/{id}/model", "", false, TAKES_NOTHING, handle_model, OBJECT_JOB, ROLES(NONE, OWN, ALL, ALL)},
    {"GET", "/v1/sites", "", false, TAKES_NOTHING, handle_sites, OBJECT_NONE, ROLES(NONE, ALL, ALL, ALL)},
    {"GET", "/v1/audit/{node}", "", false, TAKES_NOTHING, handle_audit, OBJECT_NONE, ROLES(ALL, NONE, ALL, ALL)},
    {"GET", "/v1/aggregators", "", false, TAKES_NOTHING, handle_aggregators, OBJECT_NONE, ROLES(NONE, ALL, ALL, ALL)},
};

const size_t n_server_routes = sizeof server_routes / sizeof *server_routes;
