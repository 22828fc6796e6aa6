/* A job's manifest, signed with the submitter's key. One thread. */
#ifndef ANB_CLI_JOB_SIGN_H
#define ANB_CLI_JOB_SIGN_H

#include "cli/job_folder.h"

struct job_signer {
    const char *kit;             /* folder that `anabranch provision` made for the user */
    const char *passphrase_file; /* of the key in it; NULL: it is not encrypted */
};

/* Append the signed manifest of this folder and model, as request `request`, to `out`. */
enum anb_status job_sign(const struct job_folder *folder, const struct job_signer *signer, const char *request,
                         struct buf *out, struct anb_error *err);

#endif
