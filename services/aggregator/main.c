/* anabranch-aggregator: folds the updates of a round into the next model. It keeps nothing: all it needs is in the log,
 * so it may be killed at any moment and started anywhere.
 *
 * The main thread follows the control log; worker threads fold. */
#include "node/service.h"
#include "worker.h"

enum { POLL_MS = 100 };

struct settings {
    struct service_settings common;
    int64_t folds;
};

static const struct option_entry entries[] = {
    SERVICE_OPTIONS(struct settings),
    OPTION_INT_ENTRY(struct settings, folds, "folds", "2", 1, MAX_WORKERS, "", "jobs folded at the same time"),
};

static const struct option_table table = {"anabranch-aggregator", "",
                                          "Folds the updates of a round into the next model, for any number of jobs.",
                                          entries, sizeof entries / sizeof *entries};

static enum anb_status run(struct service *service, struct node *node, struct anb_error *err)
{
    const struct settings *settings = service->settings;
    struct workers *workers;
    enum anb_status status = workers_start(node, (int)settings->folds, &workers, err);
    if (status != ANB_OK) return status;
    status = service_say_ready(service, NULL, err);
    while (status == ANB_OK && !service_stopping()) status = service_follow(node, POLL_MS, err);
    workers_stop(workers);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct service service = {.word = "aggregator",
                              .role = ROLE_AGGREGATOR,
                              .table = &table,
                              .settings = &settings,
                              .common = &settings.common,
                              .run = run};
    return service_main(&service, argc, argv);
}
