/* What the owner of a site says about its trainers on the command line: where they may read and write, as whom they
 * run. A program embeds `struct site_settings trainer` in its settings and puts SITE_OPTIONS into its table. Main
 * thread, at start. */
#ifndef ANB_CLIENT_SITE_H
#define ANB_CLIENT_SITE_H

#include "base/options.h"
#include "confine.h"

struct site_settings {
    char *user, *confinement, *network, *read, *write, *hide;
};

#define SITE_OPTIONS(type)                                                                                             \
    OPTION_OPTIONAL_ENTRY(type, trainer.user, "trainer-user",                                                          \
                          "run trainers as this user; needs an agent that runs as root"),                              \
        OPTION_TEXT_ENTRY(type, trainer.confinement, "trainer-confinement", "auto",                                    \
                          "auto: Landlock where the kernel has it; required: no job without it; off"),                 \
        OPTION_TEXT_ENTRY(type, trainer.network, "trainer-network", "any", "any, or none: trainers have no network"),  \
        OPTION_OPTIONAL_ENTRY(                                                                                         \
            type, trainer.read, "trainer-read",                                                                        \
            "PATH:PATH, all that trainers can read beside the system's folders and their own; without it they can "    \
            "read everything but this agent's folder, its keys and --trainer-hide"),                                   \
        OPTION_OPTIONAL_ENTRY(type, trainer.write, "trainer-write",                                                    \
                              "PATH:PATH, where trainers can write beside their own job's folder"),                    \
        OPTION_OPTIONAL_ENTRY(type, trainer.hide, "trainer-hide", "PATH:PATH, what trainers can never read")

/* `keys`: colon-separated paths that are hidden, too; NULL: none. `user` is filled when there is one. Free with
 * confine_site_fini. */
enum anb_status site_confine(const struct site_settings *settings, const char *data_folder, const char *keys,
                             struct confine_user *user, struct confine_site *site, struct anb_error *err);
void confine_site_fini(struct confine_site *site);
/* The folders that trainers pass through, for this user alone, or just passable for the trainers' own. */
enum anb_status site_make_folders(const struct confine_site *site, const char *data_folder, struct anb_error *err);

#endif
