/* anabranch-broker: the embedded broker as a program, for a whole federation on one machine without Java.
 *
 * It makes a project's topics before it says that it is ready, because the mock cluster inside does not answer when it
 * is asked to create topics. It ends on SIGTERM or SIGINT, and what it held is gone then. */
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/options.h"
#include "bus/embedded.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    char *project, *nodes, *ready_file;
    int64_t partitions;
};

static const struct option_entry entries[] = {
    OPTION_TEXT_ENTRY(struct settings, project, "project", NULL, "the project whose topics are made"),
    OPTION_TEXT_ENTRY(
        struct settings, nodes, "nodes", "",
        "nodes whose outboxes are made, a,b,c; another node's outbox is made when it first writes, with 4 "
        "partitions"),
    OPTION_INT_ENTRY(struct settings, partitions, "partitions", "4", 1, 64, "", "partitions of each outbox in --nodes"),
    OPTION_OPTIONAL_PATH_ENTRY(struct settings, ready_file, "ready-file",
                               "write one JSON line here when ready: the address is bootstrap_servers in it"),
};

static const struct option_table table = {
    "anabranch-broker", "",
    "A small broker for trying things out on one machine, on a port of 127.0.0.1 that the system picks and that is\n"
    "printed. It keeps all in memory, and of each partition only the newest 5 MiB or 100,000 batches: enough for "
    "models\n"
    "of a few MiB. For larger ones, for more than one machine and for work that must survive, use Apache Kafka.",
    entries, sizeof entries / sizeof *entries};

enum { TELEMETRY_PARTITIONS = 4 };

static enum anb_status add_topic(struct embedded_broker *broker, const char *project, const char *rest,
                                 int32_t partitions, struct anb_error *err)
{
    char name[2 * NAME_MAX_BYTES + 16];
    snprintf(name, sizeof name, "%s.%s", project, rest);
    return embedded_broker_add_topic(broker, name, partitions, err);
}

static enum anb_status add_outbox(struct embedded_broker *broker, const struct settings *settings, const char *node,
                                  struct anb_error *err)
{
    char rest[NAME_MAX_BYTES + 8];
    enum anb_status status = name_check("--nodes", node, err);
    if (status != ANB_OK) return status;
    snprintf(rest, sizeof rest, "out.%s", node);
    return add_topic(broker, settings->project, rest, (int32_t)settings->partitions, err);
}

/* Takes `settings->nodes` apart in place. */
static enum anb_status add_outboxes(struct embedded_broker *broker, struct settings *settings, struct anb_error *err)
{
    char *rest = NULL;
    for (char *node = strtok_r(settings->nodes, ",", &rest); node; node = strtok_r(NULL, ",", &rest)) {
        enum anb_status status = add_outbox(broker, settings, node, err);
        if (status != ANB_OK) return status;
    }
    return ANB_OK;
}

static enum anb_status add_topics(struct embedded_broker *broker, struct settings *settings, struct anb_error *err)
{
    enum anb_status status = name_check("--project", settings->project, err);
    if (status == ANB_OK) status = add_topic(broker, settings->project, "control", 1, err);
    if (status == ANB_OK) status = add_topic(broker, settings->project, "pulse", 1, err);
    if (status == ANB_OK) status = add_topic(broker, settings->project, "telemetry", TELEMETRY_PARTITIONS, err);
    if (status == ANB_OK) status = add_outboxes(broker, settings, err);
    return status;
}

/* The ready file is one JSON line, as those of the other programs. */
static enum anb_status say_ready(const struct settings *settings, const char *servers, int64_t ms,
                                 struct anb_error *err)
{
    char line[512];
    printf("%s\n", servers);
    fflush(stdout);
    log_event(LOG_INFO, "ready", "project=%s servers=%s ms=%lld", settings->project, servers, (long long)ms);
    if (!settings->ready_file) return ANB_OK;
    snprintf(line, sizeof line, "{\"name\":\"broker\",\"pid\":%d,\"ready_ms\":%lld,\"bootstrap_servers\":\"%s\"}\n",
             (int)getpid(), (long long)ms, servers);
    return file_write(settings->ready_file, slice_of_text(line), err);
}

static enum anb_status serve(struct settings *settings, const sigset_t *endings, struct anb_error *err)
{
    int64_t begun_ms = clock_monotonic_ms();
    struct embedded_broker *broker = NULL;
    enum anb_status status = embedded_broker_start(&broker, err);
    if (status == ANB_OK) status = add_topics(broker, settings, err);
    if (status == ANB_OK)
        status = say_ready(settings, embedded_broker_servers(broker), clock_monotonic_ms() - begun_ms, err);
    int signal_number = 0;
    if (status == ANB_OK) sigwait(endings, &signal_number);
    embedded_broker_stop(broker);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct anb_error err = {0};
    sigset_t endings; /* blocked before the broker's threads start, so that only sigwait gets them */
    sigemptyset(&endings);
    sigaddset(&endings, SIGTERM);
    sigaddset(&endings, SIGINT);
    pthread_sigmask(SIG_BLOCK, &endings, NULL);
    signal(SIGPIPE, SIG_IGN);
    log_setup("broker", LOG_INFO);
    enum anb_status status = options_parse(&table, argc, argv, &settings, &(int){0}, &err);
    if (status == ANB_CLOSED) return EXIT_SUCCESS;
    if (status == ANB_OK) status = serve(&settings, &endings, &err);
    options_fini(&table, &settings);
    if (status == ANB_OK) return EXIT_SUCCESS;
    fprintf(stderr, "anabranch-broker: %s\n", err.text);
    return EXIT_FAILURE;
}
