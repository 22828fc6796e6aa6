#include "server/routes.h"

const struct route server_routes[] = {
    {"GET", "/health", "", false, false, handle_health},
    {"GET", "/ready", "", false, false, handle_ready},
    {"GET", "/metrics", "", false, false, handle_metrics},
    {"POST", "/v1/jobs", "", true, true, handle_submit},
    {"GET", "/v1/jobs", "", false, false, handle_jobs},
    {"GET", "/v1/jobs/{id}", "rounds wait_s revision", false, false, handle_job},
    {"DELETE", "/v1/jobs/{id}", "", true, false, handle_delete},
    {"GET", "/v1/jobs/{id}/logs", "from wait_s limit", false, false, handle_logs},
    {"POST", "/v1/jobs/{id}/abort", "", true, false, handle_abort},
    {"GET", "/v1/jobs/{id}/model", "", false, false, handle_model},
    {"GET", "/v1/sites", "", false, false, handle_sites},
    {"GET", "/v1/aggregators", "", false, false, handle_aggregators},
};

const size_t n_server_routes = sizeof server_routes / sizeof *server_routes;
