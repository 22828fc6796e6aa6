/* The policy file of a site's kit: it lets nobody in, and says what to write. */
#include "cli/provision.h"

static const char text[] =
    "# What this site lets others do; its agent reads the file anew for each decision.\n"
    "# As it stands, all jobs are refused. Take the # away from what should hold, and look at it with\n"
    "#   anabranch policy check JOB-FOLDER --policy policy.yaml --user NAME --role ROLE\n"
    "\n"
    "submitters:\n"
    "  users: []                  # names of users who may submit jobs: [rosa, jan]\n"
    "  roles: []                  # and all users with one of these roles: [admin, lead, member]\n"
    "\n"
    "jobs:\n"
    "  smallest_cohort: 2         # fewest updates that may be put together: round.quorum of the job\n"
    "\n"
    "code:\n"
    "  allow: none                # none, listed, or any: which programs and files of a job may run here\n"
    "  # With \"listed\": the commands, word by word, and the SHA-256 of every file of the job folder but job.yaml\n"
    "  # (sha256sum JOB-FOLDER/* prints them).\n"
    "  # commands:\n"
    "  #   - [python3, train.py]\n"
    "  # digests:\n"
    "  #   - \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n"
    "\n"
    "# resources:                 # what a trainer may take\n"
    "#   memory_mib: 8192\n"
    "#   wall_s: 3600             # for one task\n"
    "\n"
    "# privacy:                   # what is done to updates before they leave\n"
    "#   default: strict\n"
    "#   scopes:\n"
    "#     strict:\n"
    "#       filters:\n"
    "#         - norm_clip: {norm: 1.0, per: update}\n"
    "\n"
    "# authorization:             # a program of yours that is asked last\n"
    "#   program: /etc/anabranch/authorize\n";

enum anb_status provision_policy_write(const char *folder, struct anb_error *err)
{
    return provision_write(folder, "policy.yaml", slice_of_text(text), err);
}
