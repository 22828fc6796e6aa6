#include "site.h"

#include "base/file.h"
#include "base/log.h"
#include "fence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static enum anb_status parse_words(const struct site_settings *settings, struct confine_site *site,
                                   struct anb_error *err)
{
    static const char *const words[] = {
        [CONFINE_FENCE_AUTO] = "auto", [CONFINE_FENCE_REQUIRED] = "required", [CONFINE_FENCE_OFF] = "off"};
    size_t i = 0, n = sizeof words / sizeof *words;
    while (i < n && strcmp(settings->confinement, words[i]) != 0) i++;
    if (i == n)
        return anb_fail(err, ANB_INVALID, "--trainer-confinement must be auto, required or off, got \"%s\"",
                        settings->confinement);
    site->fence = (enum confine_fence)i;
    site->no_network = strcmp(settings->network, "none") == 0;
    if (site->no_network || strcmp(settings->network, "any") == 0) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "--trainer-network must be any or none, got \"%s\"", settings->network);
}

static enum anb_status add_paths(struct confine_paths *paths, const char *option, const char *text, bool may_lack,
                                 struct anb_error *err)
{
    enum anb_status status = text ? confine_paths_add(paths, text, may_lack, err) : ANB_OK;
    if (status != ANB_OK) anb_error_prefix(err, "--%s: ", option);
    return status;
}

/* A rule for a folder opens all below it: what is hidden must not lie there. */
static enum anb_status check_apart(const struct confine_paths *open, const struct confine_paths *hidden,
                                   const char *option, struct anb_error *err)
{
    for (size_t i = 0; i < open->n; i++) {
        size_t size = strlen(open->paths[i]);
        for (size_t j = 0; j < hidden->n; j++) {
            const char *secret = hidden->paths[j];
            bool is_within = strncmp(secret, open->paths[i], size) == 0 &&
                             (secret[size] == '/' || secret[size] == '\0' || size == 1);
            if (is_within)
                return anb_fail(err, ANB_INVALID, "--%s %s would open %s to trainers: name the folders beside it",
                                option, open->paths[i], secret);
        }
    }
    return ANB_OK;
}

/* It is said once, loudly: what is weaker than it could be. */
static enum anb_status check_fence(const struct confine_site *site, struct anb_error *err)
{
    int version = fence_version();
    if (version == 0 && site->fence == CONFINE_FENCE_REQUIRED)
        return anb_fail(
            err, ANB_UNAVAILABLE,
            "--trainer-confinement required: this kernel has no Landlock (Linux 5.13), or it is switched off");
    if (site->fence != CONFINE_FENCE_OFF && version > 0) return ANB_OK;
    log_event(LOG_WARN, "trainers-unfenced", "reason=%s keys=%s",
              version == 0 ? "this kernel has no Landlock" : "--trainer-confinement off",
              site->user ? "another user's" : "a trainer can read them");
    return ANB_OK;
}

enum anb_status site_confine(const struct site_settings *settings, const char *data_folder, const char *keys,
                             struct confine_user *user, struct confine_site *site, struct anb_error *err)
{
    *site = (struct confine_site){.user = NULL};
    enum anb_status status = parse_words(settings, site, err);
    if (status == ANB_OK) status = add_paths(&site->hidden, "data-folder", data_folder, false, err);
    if (status == ANB_OK) status = add_paths(&site->hidden, "keys", keys, true, err);
    if (status == ANB_OK) status = add_paths(&site->hidden, "trainer-hide", settings->hide, true, err);
    if (status == ANB_OK) status = add_paths(&site->read, "trainer-read", settings->read, false, err);
    if (status == ANB_OK) status = add_paths(&site->write, "trainer-write", settings->write, false, err);
    if (status == ANB_OK) status = check_apart(&site->read, &site->hidden, "trainer-read", err);
    if (status == ANB_OK) status = check_apart(&site->write, &site->hidden, "trainer-write", err);
    if (status == ANB_OK && settings->user) {
        status = confine_user_find(settings->user, user, err);
        if (status == ANB_OK) site->user = user;
        if (status != ANB_OK) anb_error_prefix(err, "--trainer-user: ");
    }
    if (status == ANB_OK) status = check_fence(site, err);
    if (status != ANB_OK) confine_site_fini(site);
    return status;
}

void confine_site_fini(struct confine_site *site)
{
    confine_paths_fini(&site->hidden);
    confine_paths_fini(&site->read);
    confine_paths_fini(&site->write);
}

enum anb_status site_make_folders(const struct confine_site *site, const char *data_folder, struct anb_error *err)
{
    char jobs[4096];
    mode_t mode = site->user ? 0711 : 0700;
    if (snprintf(jobs, sizeof jobs, "%s/jobs", data_folder) >= (int)sizeof jobs)
        return anb_fail(err, ANB_INVALID, "--data-folder is too long");
    enum anb_status status = file_make_folders(jobs, err);
    if (status != ANB_OK) return status;
    if (chmod(data_folder, mode) != 0 || chmod(jobs, mode) != 0)
        return anb_fail_errno(err, errno, "--data-folder %s must belong to this user", data_folder);
    return ANB_OK;
}
