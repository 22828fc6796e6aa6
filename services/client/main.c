/* anabranch-client: the agent of one site. It takes part in jobs, keeps their trainers running and carries models
 * between them and the log. Trainers hold no key and know no broker.
 *
 * The main thread follows the control log; the agent's thread does what it asks. */
#include "agent.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "node/heads.h"
#include "node/service.h"
#include "policy/policy.h"
#include "site.h"

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
    char *data_folder, *policy;
    int64_t grace_s;
    struct site_settings trainer;
};

static const struct option_entry entries[] = {
    SERVICE_OPTIONS(struct settings),
    OPTION_PATH_ENTRY(struct settings, data_folder, "data-folder",
                      "work folder of this agent alone: jobs are unpacked and trainers run below it"),
    OPTION_OPTIONAL_PATH_ENTRY(struct settings, policy, "policy",
                               "the site's policy file: who may run what here; without one, all jobs are refused"),
    OPTION_INT_ENTRY(struct settings, grace_s, "grace-s", "10", 0, 3600, "s",
                     "how long a trainer may go on after its job has ended, before it gets SIGTERM"),
    SITE_OPTIONS(struct settings),
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

/* A folder in a place that others can write to, too: it must be ours alone. Trainers of another user pass through. */
static enum anb_status make_private_folder(const char *folder, bool is_passable, struct anb_error *err)
{
    struct stat info;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return anb_fail_errno(err, errno, "cannot make folder %s", folder);
    if (lstat(folder, &info) != 0) return anb_fail_errno(err, errno, "cannot use the folder %s", folder);
    if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 066) != 0)
        return anb_fail(err, ANB_DENIED,
                        "%s is not a folder of this user alone: remove it, or take a shorter --data-folder", folder);
    if (chmod(folder, is_passable ? 0711 : 0700) == 0) return ANB_OK;
    return anb_fail_errno(err, errno, "cannot use the folder %s", folder);
}

/* The path of a socket is short. Below a deep data folder there is no room for one: then the sockets lie in a folder
 * whose name is made from the data folder's, so that an agent after this one finds the same. */
static enum anb_status choose_socket_folder(const char *data_folder, bool is_passable, char folder[PATH_MAX],
                                            struct anb_error *err)
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
    return make_private_folder(folder, is_passable, err);
}

static enum anb_status follow(struct node *node, struct agent *agent, struct audit *audit, struct anb_error *err)
{
    while (!service_stopping() && !agent_has_failed(agent, err)) {
        enum anb_status status = service_follow(node, POLL_MS, err);
        if (status != ANB_OK) return status;
        heads_tell(node, audit, false);
        agent_wake(agent);
    }
    return service_stopping() ? ANB_OK : err->status;
}

/* A site without a policy refuses all jobs; one whose policy cannot be read does not start. */
static enum anb_status check_policy(const char *file, struct anb_error *err)
{
    struct policy *policy = NULL;
    if (!file) {
        log_event(LOG_WARN, "no-policy", "text=%s",
                  "all jobs are refused: write a policy file, and give it by --policy");
        return ANB_OK;
    }
    enum anb_status status = policy_read(file, &policy, err);
    policy_free(policy);
    return status;
}

struct parts { /* of a running agent, in the order in which they are made */
    char folder[PATH_MAX], sockets[PATH_MAX];
    struct confine_user user;
    struct confine_site confine;
    struct audit *audit;
    struct agent *agent;
};

static enum anb_status confine(struct parts *parts, const struct settings *settings, struct anb_error *err)
{
    const struct kit_files *kit = &settings->common.kit;
    char *keys = NULL;
    if (asprintf(&keys, "%s:%s:%s", kit->identity_key ? kit->identity_key : "",
                 kit->encryption_key ? kit->encryption_key : "",
                 kit->key_passphrase_file ? kit->key_passphrase_file : "") < 0)
        return anb_fail(err, ANB_NO_MEMORY, "no memory for paths");
    enum anb_status status = site_confine(&settings->trainer, parts->folder, keys, &parts->user, &parts->confine, err);
    free(keys);
    return status;
}

static enum anb_status open_parts(struct parts *parts, const struct settings *settings, struct node *node,
                                  struct anb_error *err)
{
    char log[PATH_MAX + 8];
    enum anb_status status = check_policy(settings->policy, err);
    if (status == ANB_OK) status = take_folder(settings->data_folder, parts->folder, err);
    if (status != ANB_OK) return status;
    snprintf(log, sizeof log, "%s/audit", parts->folder);
    const struct audit_config audit = {.folder = log, .project = settings->common.project, .node = node_name(node)};
    status = confine(parts, settings, err);
    if (status == ANB_OK)
        status = choose_socket_folder(parts->folder, parts->confine.user != NULL, parts->sockets, err);
    if (status == ANB_OK) status = audit_open(&audit, &parts->audit, err);
    const struct agent_config config = {.data_folder = parts->folder,
                                        .socket_folder = parts->sockets,
                                        .policy_file = settings->policy,
                                        .grace_ms = settings->grace_s * 1000,
                                        .confine = &parts->confine,
                                        .audit = parts->audit};
    return status == ANB_OK ? agent_start(node, &config, &parts->agent, err) : status;
}

static void close_parts(struct parts *parts)
{
    audit_close(parts->audit);
    confine_site_fini(&parts->confine);
    if (*parts->sockets && strcmp(parts->sockets, parts->folder) != 0) rmdir(parts->sockets);
}

static enum anb_status run(struct service *service, struct node *node, struct anb_error *err)
{
    struct parts parts = {.agent = NULL};
    enum anb_status status = open_parts(&parts, service->settings, node, err);
    if (status == ANB_OK) status = service_say_ready(service, NULL, err);
    if (status == ANB_OK) status = follow(node, parts.agent, parts.audit, err);
    agent_stop(parts.agent);
    if (status == ANB_OK) heads_tell(node, parts.audit, true);
    close_parts(&parts);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct service service = {.word = "client",
                              .role = ROLE_CLIENT,
                              .table = &table,
                              .settings = &settings,
                              .data_folder = &settings.data_folder,
                              .common = &settings.common,
                              .run = run};
    return service_main(&service, argc, argv);
}
