#include "node/service.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { CLOSE_TIMEOUT_MS = 1000, RETRY_PAUSE_MS = 200 };

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool service_stopping(void)
{
    return stop_signal != 0;
}

enum anb_status service_say_ready(const struct service *service, const char *extra, struct anb_error *err)
{
    char line[512];
    const struct service_settings *common = service->common;
    int64_t ms = clock_monotonic_ms() - service->begun_ms;
    log_event(LOG_INFO, "ready", "node=%s project=%s ms=%lld", common->name, common->project, (long long)ms);
    if (!common->ready_file) return ANB_OK;
    snprintf(line, sizeof line, "{\"name\":\"%s\",\"pid\":%d,\"ready_ms\":%lld%s%s}\n", common->name, (int)getpid(),
             (long long)ms, extra ? "," : "", extra ? extra : "");
    return file_write(common->ready_file, slice_of_text(line), err);
}

enum anb_status service_follow(struct node *node, int64_t timeout_ms, struct anb_error *err)
{
    enum anb_status status = node_poll(node, timeout_ms, err);
    if (status == ANB_CLOSED) return status;
    if (status != ANB_OK && status != ANB_AGAIN) {
        log_event(LOG_WARN, "broker-away", "reason=%s", err->text);
        clock_sleep_ms(RETRY_PAUSE_MS);
    }
    node_trim(node);
    return ANB_OK;
}

static enum anb_status open_bus(const struct service_settings *common, const struct kit *kit, struct bus **bus,
                                struct anb_error *err)
{
    const struct bus_tls tls = {common->kit.identity_key, common->kit.certificate, common->kit.root, kit->passphrase};
    const struct bus_kafka_config config = {common->bootstrap_servers, common->name, common->queue_kib,
                                            strcmp(common->broker_protocol, "tls") == 0 ? &tls : NULL};
    return bus_kafka_open(&config, bus, err);
}

static enum anb_status run_on(struct service *service, const struct kit *kit, struct bus *bus, struct anb_error *err)
{
    struct node *node = NULL;
    const struct service_settings *common = service->common;
    const struct node_config config = {.project = common->project,
                                       .name = common->name,
                                       .role = service->role,
                                       .trust = kit->trust,
                                       .version = ANB_VERSION,
                                       .partitions = (int32_t)common->partitions,
                                       .keep_history = service->keep_history,
                                       .data_folder = service->data_folder ? *service->data_folder : NULL,
                                       .timeout_ms = common->join_timeout_s * 1000,
                                       .outbox_retention_ms = service->outbox_retention_ms,
                                       .outbox_retention_bytes = service->outbox_retention_bytes};
    enum anb_status status = node_open(&config, bus, &node, err);
    if (status == ANB_OK) status = service->run(service, node, err);
    node_close(node, status == ANB_OK ? "stopped" : NULL);
    return status;
}

static enum anb_status run(struct service *service, struct anb_error *err)
{
    struct kit kit;
    struct bus *bus = NULL;
    const struct service_settings *common = service->common;
    enum anb_status status = kit_open(&common->kit, common->project, common->name, &kit, err);
    if (status == ANB_OK) status = open_bus(common, &kit, &bus, err);
    if (status == ANB_OK) status = run_on(service, &kit, bus, err);
    if (bus) bus_close(bus, CLOSE_TIMEOUT_MS);
    kit_fini(&kit);
    return status;
}

static enum anb_status check_options(const struct service_settings *common, struct anb_error *err)
{
    enum log_level level;
    if (!log_level_parse(common->log_level, &level))
        return anb_fail(err, ANB_INVALID, "--log-level must be debug, info, warn or error, got \"%s\"",
                        common->log_level);
    if (strcmp(common->broker_protocol, "tls") != 0 && strcmp(common->broker_protocol, "plaintext") != 0)
        return anb_fail(err, ANB_INVALID, "--broker-protocol must be tls or plaintext, got \"%s\"",
                        common->broker_protocol);
    return kit_check(&common->kit, err);
}

static enum anb_status read_options(struct service *service, int argc, char **argv, struct anb_error *err)
{
    enum log_level level;
    int n_operands;
    enum anb_status status = options_parse(service->table, argc, argv, service->settings, &n_operands, err);
    if (status == ANB_OK) status = check_options(service->common, err);
    if (status != ANB_OK) return status;
    log_level_parse(service->common->log_level, &level);
    log_setup(service->word, level);
    return service->prepare ? service->prepare(service, err) : ANB_OK;
}

int service_main(struct service *service, int argc, char **argv)
{
    struct anb_error err = {.text = ""};
    service->begun_ms = clock_monotonic_ms();
    enum anb_status status = read_options(service, argc, argv, &err);
    if (status == ANB_CLOSED) return 0;
    if (status != ANB_OK) {
        fprintf(stderr, "%s: %s\n", service->table->program, err.text);
        return 4;
    }
    catch_signals();
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file with keys, and no other process of this user looks into it */
    status = run(service, &err);
    if (status != ANB_OK) log_event(LOG_ERROR, "stopped", "reason=%s", err.text);
    options_fini(service->table, service->settings);
    return status == ANB_OK ? 0 : 2;
}
