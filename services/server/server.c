#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "bundle/manifest.h"
#include "node/heads.h"
#include "server/access.h"
#include "server/routes.h"

#include <stdio.h>

static enum anb_status may_change(void *context, struct anb_error *err)
{
    return conductor_may_change(((struct server *)context)->conductor, err);
}

static enum anb_status open_users(struct server *server, struct anb_error *err)
{
    char path[sizeof server->folders.data + 16];
    snprintf(path, sizeof path, "%s/tokens.json", server->folders.data);
    return users_open(node_trust(server->node), path, &server->users, err);
}

static enum anb_status open_audit(struct server *server, struct anb_error *err)
{
    char folder[sizeof server->folders.data + 16];
    snprintf(folder, sizeof folder, "%s/audit", server->folders.data);
    const struct audit_config config = {
        .folder = folder, .project = node_project(server->node), .node = node_name(server->node)};
    return audit_open(&config, &server->audit, err);
}

static enum anb_status start_http(struct server *server, const struct server_config *config, struct anb_error *err)
{
    const struct http_config http = {.listen = config->listen,
                                     .incoming_folder = server->folders.incoming,
                                     .limits = {.bundle_bytes = 2 * BUNDLE_MAX_BYTES,
                                                .manifest_bytes = MANIFEST_MAX_BYTES + SIGNATURE_LINE_BYTES,
                                                .model_bytes = config->model_limit_bytes},
                                     .routes = server_routes,
                                     .n_routes = n_server_routes,
                                     .context = server,
                                     .may_change = may_change,
                                     .admit = access_admit,
                                     .tls = server->tls};
    enum anb_status status = http_start(&http, &server->http, err);
    if (status == ANB_OK) log_event(LOG_INFO, "listening", "address=%s", http_address(server->http));
    return status;
}

/* Handlers run as soon as HTTP does, so all that they ask stands before; what wakes HTTP begins behind it. */
static enum anb_status start_parts(struct server *server, const struct server_config *config, struct anb_error *err)
{
    struct node *node = server->node;
    const struct folders *folders = &server->folders;
    enum anb_status status = open_audit(server, err);
    if (status == ANB_OK) status = conductor_new(node, &server->conductor, err);
    if (status == ANB_OK) status = outboxes_start(node, &server->outboxes, err);
    if (status == ANB_OK) status = job_logs_open(folders->jobs, config->log_limit_bytes, &server->logs, err);
    if (status == ANB_OK) status = telemetry_new(node, server->logs, folders->data, &server->telemetry, err);
    if (status == ANB_OK)
        status = store_start(node, server->conductor, server->logs, folders->jobs, &server->store, err);
    if (status == ANB_OK)
        status = submitter_new(node, server->conductor, folders->incoming, config->model_limit_bytes,
                               &server->submitter, err);
    if (status == ANB_OK) status = open_users(server, err);
    if (status == ANB_OK && config->tls.certificate) status = tls_open(&config->tls, &server->tls, err);
    if (status == ANB_OK) status = start_http(server, config, err);
    if (status == ANB_OK) status = submitter_start(server->submitter, server->http, err);
    if (status == ANB_OK) status = telemetry_start(server->telemetry, server->http, err);
    return status;
}

/* HTTP is woken by the submitter and the telemetry reader until they are gone: it is freed behind them. */
void server_stop(struct server *server)
{
    http_stop(server->http);
    submitter_free(server->submitter);
    telemetry_free(server->telemetry);
    http_free(server->http);
    tls_close(server->tls);
    users_close(server->users);
    store_stop(server->store);
    outboxes_stop(server->outboxes);
    job_logs_close(server->logs);
    conductor_free(server->conductor);
    audit_close(server->audit);
    folders_close(&server->folders);
}

enum anb_status server_start(struct server *server, struct node *node, const struct server_config *config,
                             struct anb_error *err)
{
    *server = (struct server){.node = node};
    enum anb_status status = folders_open(config->data_folder, node_project(node), &server->folders, err);
    if (status != ANB_OK) return status;
    status = start_parts(server, config, err);
    if (status != ANB_OK) server_stop(server);
    return status;
}

void server_tell(struct server *server, int64_t before)
{
    if (node_control_offset(server->node) != before) http_wake(server->http);
    http_tick(server->http, clock_monotonic_ms());
    heads_tell(server->node, server->audit, false);
}
