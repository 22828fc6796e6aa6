/* A job folder as an archive (pax tar, libarchive): packed by the command line, read by the server, unpacked by the
 * agent.
 *
 * Only regular files and folders travel: no links, no devices, no absolute paths, no "..". Modes become 0644 or 0755,
 * owners and times are dropped, names are sorted: the same folder gives the same bytes. Hidden files, __pycache__ and
 * what `skip` names are left out. Any thread. */
#ifndef ANB_BUNDLE_BUNDLE_H
#define ANB_BUNDLE_BUNDLE_H

#include "crypto/digest.h"

struct bundle_limits {
    int64_t max_files;
    int64_t max_bytes; /* of all files unpacked */
};

enum { BUNDLE_MAX_FILES = 10000 };
#define BUNDLE_MAX_BYTES ((int64_t)256 << 20)

/* Write the archive of `folder` to the file open at `fd`. `skip`: a path relative to the folder that is left out (the
 * initial model), or NULL. */
enum anb_status bundle_pack(const char *folder, const char *skip, int fd, struct anb_error *err);
/* Unpack into `folder`, which must exist and be empty. The first thing that is not allowed ends it with a sentence that
 * names the member; what was written stays for the caller to remove. */
enum anb_status bundle_unpack(int fd, const struct bundle_limits *limits, const char *folder, struct anb_error *err);
/* Check every member as bundle_unpack would, without writing, and append the content of `member` to `out` (NOT_FOUND
 * when it is not there; `member` NULL: only check). */
enum anb_status bundle_read(int fd, const struct bundle_limits *limits, const char *member, struct buf *out,
                            struct anb_error *err);
/* Sees each file after all of it was read. A status other than OK ends the reading. */
struct bundle_visitor {
    enum anb_status (*file)(void *context, const char *path, int64_t bytes, const struct digest *digest,
                            struct anb_error *err);
    void *context;
};
/* Check every member as bundle_unpack would, without writing, and show each file to `visitor`. */
enum anb_status bundle_each(int fd, const struct bundle_limits *limits, const struct bundle_visitor *visitor,
                            struct anb_error *err);

#endif
