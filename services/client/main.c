/* anabranch-client: the agent of one site. It takes part in jobs, keeps their trainers running and carries models
 * between them and the log. Trainers hold no key and know no broker.
 *
 * The main thread follows the control log; the agent's thread does what it asks. */
#include "agent.h"
#include "base/file.h"
#include "node/service.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { POLL_MS = 100, SOCKET_NAME_BYTES = 32, SOCKET_PATH_BYTES = 108 };

struct settings {
    struct service_settings common;
    char *data_folder;
    int64_t grace_s;
};

static const struct option_entry entries[] = {
    SERVICE_OPTIONS(struct settings),
    OPTION_TEXT_ENTRY(struct settings, data_folder, "data-folder", NULL,
                      "work folder of this agent alone: jobs are unpacked and trainers run below it"),
    OPTION_INT_ENTRY(struct settings, grace_s, "grace-s", "10", 0, 3600, "s",
                     "how long a trainer may go on after its job has ended, before it gets SIGTERM"),
};

static const struct option_table table = {"anabranch-client", "",
                                          "The agent of one site: takes part in jobs and runs their trainers.", entries,
                                          sizeof entries / sizeof *entries};

/* Make the folder and keep others out of it; the lock goes with the process. */
static enum anb_status take_folder(const char *folder, char absolute[PATH_MAX], struct anb_error *err)
{
    char path[PATH_MAX + 8];
    enum anb_status status = file_make_folders(folder, err);
    if (status != ANB_OK) return status;
    if (!realpath(folder, absolute)) return anb_fail_errno(err, errno, "--data-folder %s", folder);
    snprintf(path, sizeof path, "%s/lock", absolute);
    if (strlen(absolute) + SOCKET_NAME_BYTES > SOCKET_PATH_BYTES)
        return anb_fail(err, ANB_INVALID, "--data-folder %s is too long for the sockets in it: at most %d bytes",
                        absolute, SOCKET_PATH_BYTES - SOCKET_NAME_BYTES);
    int lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (lock < 0) return anb_fail_errno(err, errno, "cannot open %s", path);
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) return ANB_OK;
    close(lock);
    return anb_fail(err, ANB_EXISTS, "another agent works in %s: give each its own --data-folder", absolute);
}

static enum anb_status follow(struct node *node, struct agent *agent, struct anb_error *err)
{
    while (!service_stopping() && !agent_has_failed(agent, err)) {
        enum anb_status status = service_follow(node, POLL_MS, err);
        if (status != ANB_OK) return status;
        agent_wake(agent);
    }
    return service_stopping() ? ANB_OK : err->status;
}

static enum anb_status run(struct service *service, struct node *node, struct anb_error *err)
{
    const struct settings *settings = service->settings;
    char folder[PATH_MAX];
    struct agent *agent = NULL;
    enum anb_status status = take_folder(settings->data_folder, folder, err);
    const struct agent_config config = {.data_folder = folder, .grace_ms = settings->grace_s * 1000};
    if (status == ANB_OK) status = agent_start(node, &config, &agent, err);
    if (status == ANB_OK) status = service_say_ready(service, NULL, err);
    if (status == ANB_OK) status = follow(node, agent, err);
    agent_stop(agent);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct service service = {.word = "client",
                              .role = ROLE_CLIENT,
                              .table = &table,
                              .settings = &settings,
                              .common = &settings.common,
                              .run = run};
    return service_main(&service, argc, argv);
}
