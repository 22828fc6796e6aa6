/* anabranch-client: the agent of one site. It takes part in jobs, keeps their trainers running and carries models
 * between them and the log. Trainers hold no key and know no broker.
 *
 * The main thread follows the control log; the agent's thread does what it asks. */
#include "agent.h"
#include "base/file.h"
#include "crypto/digest.h"
#include "node/service.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POLL_MS = 100, SOCKET_NAME_BYTES = 32, SOCKET_PATH_BYTES = 108, FOLDER_NAME_DIGITS = 16 };

struct settings {
    struct service_settings common;
    char *data_folder;
    int64_t grace_s;
};

static const struct option_entry entries[] = {
    SERVICE_OPTIONS(struct settings),
    OPTION_PATH_ENTRY(struct settings, data_folder, "data-folder",
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
    int lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (lock < 0) return anb_fail_errno(err, errno, "cannot open %s", path);
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) return ANB_OK;
    close(lock);
    return anb_fail(err, ANB_EXISTS, "another agent works in %s: give each its own --data-folder", absolute);
}

static bool has_room_for_sockets(const char *folder)
{
    return strlen(folder) + SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES;
}

/* A folder in a place that others can write to, too: it must be ours alone. */
static enum anb_status make_private_folder(const char *folder, struct anb_error *err)
{
    struct stat info;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return anb_fail_errno(err, errno, "cannot make folder %s", folder);
    if (lstat(folder, &info) != 0) return anb_fail_errno(err, errno, "cannot use the folder %s", folder);
    if (S_ISDIR(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 077) == 0) return ANB_OK;
    return anb_fail(err, ANB_DENIED,
                    "%s is not a folder of this user alone: remove it, or take a shorter --data-folder", folder);
}

/* The path of a socket is short. Below a deep data folder there is no room for one: then the sockets lie in a folder
 * whose name is made from the data folder's, so that an agent after this one finds the same. */
static enum anb_status choose_socket_folder(const char *data_folder, char folder[PATH_MAX], struct anb_error *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char name[DIGEST_TEXT_BYTES];
    struct digest digest;
    if (has_room_for_sockets(data_folder)) {
        snprintf(folder, PATH_MAX, "%s", data_folder);
        return ANB_OK;
    }
    enum anb_status status = digest_of(slice_of_text(data_folder), &digest, err);
    if (status != ANB_OK) return status;
    snprintf(folder, PATH_MAX, "%s/anabranch-%.*s", runtime && *runtime == '/' ? runtime : "/tmp", FOLDER_NAME_DIGITS,
             digest_text(&digest, name));
    if (!has_room_for_sockets(folder))
        return anb_fail(err, ANB_INVALID, "XDG_RUNTIME_DIR and --data-folder are too long for the paths of sockets");
    return make_private_folder(folder, err);
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
    char folder[PATH_MAX], sockets[PATH_MAX] = "";
    struct agent *agent = NULL;
    enum anb_status status = take_folder(settings->data_folder, folder, err);
    const struct agent_config config = {
        .data_folder = folder, .socket_folder = sockets, .grace_ms = settings->grace_s * 1000};
    if (status == ANB_OK) status = choose_socket_folder(folder, sockets, err);
    if (status == ANB_OK) status = agent_start(node, &config, &agent, err);
    if (status == ANB_OK) status = service_say_ready(service, NULL, err);
    if (status == ANB_OK) status = follow(node, agent, err);
    agent_stop(agent);
    if (*sockets && strcmp(sockets, folder) != 0) rmdir(sockets);
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
