/* The parts of a submission on their way to disk: what the REST endpoint takes in a multipart body.
 *
 * Parts "bundle", "manifest" and "model" go to unnamed files in the incoming folder (nothing is left behind by a
 * crash), "request" is a short text. Every part has a ceiling. Memory is what the caller hands in at a time. Used by
 * the HTTP thread; the finished parts may move to another one. */
#ifndef ANB_SERVER_UPLOAD_H
#define ANB_SERVER_UPLOAD_H

#include "base/buf.h"

enum { REQUEST_WORD_BYTES = 65 }; /* 1..64 of [A-Za-z0-9._-], and a NUL */

struct upload_limits {
    int64_t bundle_bytes, manifest_bytes;
    int64_t model_bytes; /* 0: as much as the disk holds */
};

struct upload_file {
    int fd; /* -1: the part did not come */
    int64_t bytes;
};

struct upload {
    struct upload_file bundle, manifest, model;
    char request[REQUEST_WORD_BYTES]; /* "" when none was given */
    size_t request_bytes;
};

void upload_init(struct upload *upload);
void upload_fini(struct upload *upload);

/* `size` bytes of part `name` at `offset`. INVALID for an unknown name or a repeated part, TOO_LARGE beyond a ceiling,
 * NO_SPACE when the disk is full. */
enum anb_status upload_put(struct upload *upload, const char *folder, const struct upload_limits *limits,
                           const char *name, int64_t offset, const void *data, size_t size, struct anb_error *err);
/* All parts are there: what must be is, and the request id has the right form. */
enum anb_status upload_finish(struct upload *upload, struct anb_error *err);

/* The sentence for a model above the limit, with the way out. */
enum anb_status upload_model_too_large(int64_t limit_bytes, struct anb_error *err);

#endif
