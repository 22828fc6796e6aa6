/* What is found in a submission before anything is sent: submit_check.c and submit_manifest.c fill
 * it, submit.c sends it. */
#ifndef ANB_SERVER_SUBMIT_PRIVATE_H
#define ANB_SERVER_SUBMIT_PRIVATE_H

#include "bundle/manifest.h"
#include "job/spec.h"
#include "node/trust.h"
#include "server/upload.h"
#include "tensor/safetensors.h"

enum { SIGNED_MANIFEST_MAX_BYTES = MANIFEST_MAX_BYTES + SIGNATURE_LINE_BYTES };

struct submit_rules {
    struct node_trust *trust;
    const char *user;     /* who submits */
    const char *incoming; /* where a model inside the bundle is unpacked for a moment */
    int64_t model_limit_bytes;
};

struct checked {
    struct job_spec *spec;
    struct manifest *manifest;
    struct digest manifest_digest;
    struct signature signature;   /* of the user, over it */
    struct layout *bundle_layout; /* of archive and manifest, which then stand in the bundle's file */
    struct safetensors model;
    int model_fd; /* the upload's or a file of the bundle */
    bool owns_model_fd;
};

/* Read and check bundle, job file, model and manifest. */
enum anb_status submission_check(const struct upload *upload, const struct submit_rules *rules, struct checked *checked,
                                 struct anb_error *err);
/* Its last part: INVALID or CORRUPT unless the user has signed all of it. */
enum anb_status submission_check_manifest(const struct upload *upload, const struct submit_rules *rules,
                                          struct checked *checked, struct anb_error *err);
void checked_fini(struct checked *checked);

#endif
