/* What is found in a submission before anything is sent: submit_check.c fills it, submit.c sends it. */
#ifndef ANB_SERVER_SUBMIT_PRIVATE_H
#define ANB_SERVER_SUBMIT_PRIVATE_H

#include "job/spec.h"
#include "server/upload.h"
#include "tensor/safetensors.h"

struct checked {
    struct job_spec *spec;
    struct digest bundle_digest;
    struct layout *bundle_layout;
    struct safetensors model;
    int model_fd; /* the upload's or a file of the bundle */
    bool owns_model_fd;
};

/* Read and check bundle, job file and model. `incoming`: where a model inside the bundle is unpacked for a moment. */
enum anb_status submission_check(const struct upload *upload, const char *incoming, int64_t model_limit_bytes,
                                 struct checked *checked, struct anb_error *err);
void checked_fini(struct checked *checked);

#endif
