/* What may be in a bundle: the rules for names and counts, the same for packing, unpacking and reading.
 *
 * A `struct members` remembers every path seen so far, so that a file cannot stand there twice or where a folder is. It
 * belongs to one call. Only bundle/ and its tests look here. */
#ifndef ANB_BUNDLE_MEMBER_H
#define ANB_BUNDLE_MEMBER_H

#include "bundle/bundle.h"

enum { MEMBER_PATH_BYTES = 1024, MEMBER_PART_BYTES = 255, MEMBER_MAX_DEPTH = 32 };

/* The clean form of a member's name, without "./" and doubled or trailing slashes: "" for the folder itself. INVALID
 * for NULL, absolute paths, "..", control characters, backslashes, text that is not UTF-8, too long or too deep. */
enum anb_status member_path(const char *name, char path[MEMBER_PATH_BYTES], struct anb_error *err);

struct members {
    struct bundle_limits limits;
    int64_t n_files; /* folders count, too */
    int64_t n_bytes;
    struct member **table; /* open addressing */
    size_t capacity;
};

enum anb_status members_init(struct members *members, const struct bundle_limits *limits, struct anb_error *err);
void members_fini(struct members *members);

/* Take `path` (clean) in, and the folders above it. EXISTS for a file that is there already, or where a folder stands,
 * or below a file; TOO_LARGE beyond the limits. `size_bytes` 0 for folders. */
enum anb_status members_add(struct members *members, const char *path, bool is_folder, int64_t size_bytes,
                            struct anb_error *err);

#endif
