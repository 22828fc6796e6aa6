/* A job's manifest: what its submitter has signed. Who submits which files, as which request of which project.
 *
 * Its text is JSON in one fixed form, so that the same manifest is the same bytes; the signature is over the SHA-256 of
 * that text, under the purpose "anabranch job". A site reads the text, compares it with what came, and only then lets
 * anybody unpack. A manifest is constant once made and is freed with manifest_free; any thread. */
#ifndef ANB_BUNDLE_MANIFEST_H
#define ANB_BUNDLE_MANIFEST_H

#include "bundle/bundle.h"
#include "crypto/sign.h"

enum {
    MANIFEST_MAX_BYTES = 4 << 20,
    MANIFEST_REQUEST_BYTES = 65,  /* with a NUL */
    MANIFEST_VALID_S = 7 * 86400, /* a job must be answered by then: it cannot be brought again later */
    MANIFEST_CLOCK_S = 300        /* what clocks may differ by */
};
#define MANIFEST_PURPOSE "anabranch job"

struct manifest_file {
    const char *path; /* relative to the job folder */
    int64_t bytes;
    struct digest digest;
};

/* A model is named by what every receiver can compute: the digest of its layout's text, and of its data. */
struct manifest_model {
    struct digest layout;
    int64_t bytes; /* of data */
    struct digest data;
};

struct manifest {
    char project[NAME_MAX_BYTES + 1], submitter[NAME_MAX_BYTES + 1];
    char request[MANIFEST_REQUEST_BYTES];
    int64_t signed_s, expires_s; /* since 1970 */
    int64_t archive_bytes;
    struct digest archive; /* of the packed folder */
    struct manifest_model model;
    struct manifest_file *files; /* sorted by path, none twice */
    size_t n_files;
};

/* A manifest without files, archive or model. */
enum anb_status manifest_new(const char *project, const char *submitter, const char *request,
                             struct manifest **manifest, struct anb_error *err);
void manifest_free(struct manifest *manifest); /* NULL is fine */
/* Take in the archive, the first `bytes` of the file open at `fd`: its digest and each file in it. */
enum anb_status manifest_take_archive(struct manifest *manifest, int fd, int64_t bytes, struct anb_error *err);

enum anb_status manifest_write(const struct manifest *manifest, struct buf *out, struct anb_error *err);
/* CORRUPT unless manifest_write writes just these bytes for what they say. */
enum anb_status manifest_read(struct slice text, struct manifest **manifest, struct anb_error *err);

/* The text, and the line with the signature of `key` over the digest of the text. */
enum anb_status manifest_sign(const struct manifest *manifest, const struct key *key, struct buf *out,
                              struct anb_error *err);
/* DENIED unless it is of this project, request and submitter, and has not expired at `now_s`. */
enum anb_status manifest_check(const struct manifest *manifest, const char *project, const char *request,
                               const char *submitter, int64_t now_s, struct anb_error *err);
/* CORRUPT unless the archive, the first `bytes` of the file open at `fd`, is the signed one and has just the files that
 * the manifest names: no other bytes, none missing, none beside. Nothing is written. */
enum anb_status manifest_check_archive(const struct manifest *manifest, int fd, int64_t bytes,
                                       const struct bundle_limits *limits, struct anb_error *err);
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path); /* NULL: not there */

#endif
