/* anabranch-server: conducts jobs, answers REST, stores models and log lines.
 *
 * Threads: the main thread follows the control log and conducts; one each answers HTTP, sends submissions, stores
 * models and reads telemetry. All state that matters is in the control log; the data folder holds models and log lines.
 */
#include "node/heads.h"
#include "node/service.h"
#include "server/server.h"

#include <stdio.h>

struct settings {
    struct service_settings common;
    char *data_folder, *listen, *rest_certificate, *rest_key;
    int64_t max_model_mib, max_log_mib, outbox_hours, outbox_gib;
};

static const struct option_entry entries[] = {
    SERVICE_OPTIONS(struct settings),
    OPTION_PATH_ENTRY(struct settings, data_folder, "data-folder", "models and log lines of jobs are kept here"),
    OPTION_TEXT_ENTRY(struct settings, listen, "listen", "127.0.0.1:8500",
                      "where REST is spoken, over HTTPS, HOST:PORT; port 0 takes any"),
    OPTION_PATH_ENTRY(struct settings, rest_certificate, "rest-certificate",
                      "PEM file with what REST shows to its users: rest-certificate.pem of the kit"),
    OPTION_PATH_ENTRY(struct settings, rest_key, "rest-key", "PEM file with its key: rest-key.pem of the kit"),
    OPTION_INT_ENTRY(struct settings, max_model_mib, "max-model-mib", "0", 0, 1 << 30, "MiB",
                     "largest initial model of a job; 0: no limit"),
    OPTION_INT_ENTRY(struct settings, max_log_mib, "max-log-mib", "64", 1, 65536, "MiB",
                     "most log lines kept of a job"),
    OPTION_INT_ENTRY(struct settings, outbox_hours, "outbox-hours", "168", 0, 87600, "h",
                     "how long the broker keeps what is in an outbox; 0: no bound"),
    OPTION_INT_ENTRY(struct settings, outbox_gib, "outbox-gib", "0", 0, 1 << 20, "GiB",
                     "how much the broker keeps of an outbox, by partition: more than a round needs; 0: no bound"),
};

static const struct option_table table = {"anabranch-server", "",
                                          "Conducts jobs, answers REST, stores models and log lines.", entries,
                                          sizeof entries / sizeof *entries};

static enum anb_status prepare(struct service *service, struct anb_error *err)
{
    const struct settings *settings = service->settings;
    (void)err;
    service->outbox_retention_ms = settings->outbox_hours ? settings->outbox_hours * 3600 * 1000 : -1;
    service->outbox_retention_bytes = settings->outbox_gib ? settings->outbox_gib << 30 : -1;
    return ANB_OK;
}

/* -- the owner's loop */

static enum anb_status say_ready(struct service *service, struct server *server, struct anb_error *err)
{
    char extra[320];
    snprintf(extra, sizeof extra, "\"listen\":\"%s\"", http_address(server->http));
    return service_say_ready(service, extra, err);
}

static enum anb_status conduct(struct service *service, struct server *server, struct anb_error *err)
{
    bool was_ready = false;
    enum anb_status status = ANB_OK;
    while (status == ANB_OK && !service_stopping()) {
        int64_t before = node_control_offset(server->node);
        int64_t wait_ms = conductor_step(server->conductor);
        if (!was_ready && conductor_is_ready(server->conductor)) {
            was_ready = true;
            status = say_ready(service, server, err);
        }
        if (status == ANB_OK) status = service_follow(server->node, wait_ms, err);
        server_tell(server, before);
    }
    return status;
}

static enum anb_status run(struct service *service, struct node *node, struct anb_error *err)
{
    const struct settings *settings = service->settings;
    const struct server_config config = {.data_folder = settings->data_folder,
                                         .listen = settings->listen,
                                         .model_limit_bytes = settings->max_model_mib << 20,
                                         .log_limit_bytes = settings->max_log_mib << 20,
                                         .tls = {.certificate = settings->rest_certificate,
                                                 .key = settings->rest_key,
                                                 .passphrase_file = settings->common.kit.key_passphrase_file,
                                                 .root = settings->common.kit.root}};
    struct server server;
    enum anb_status status = server_start(&server, node, &config, err);
    if (status != ANB_OK) return status;
    status = conduct(service, &server, err);
    if (status == ANB_OK) heads_tell(node, server.audit, true);
    server_stop(&server);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct service service = {.word = "server",
                              .role = ROLE_SERVER,
                              .keep_history = true,
                              .table = &table,
                              .settings = &settings,
                              .data_folder = &settings.data_folder,
                              .common = &settings.common,
                              .run = run,
                              .prepare = prepare};
    return service_main(&service, argc, argv);
}
