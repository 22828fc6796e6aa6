/* The target of a request, "PATH?NAME=VALUE&...", as it stood on the wire.
 *
 * Nothing is decoded: a target with a per cent sign, "..", an empty segment or a byte that no path of ours has is
 * refused, so there is one spelling of each. Pure functions; any thread. */
#ifndef ANB_SERVER_TARGET_H
#define ANB_SERVER_TARGET_H

#include "base/buf.h"

enum { TARGET_MAX_BYTES = 256, TARGET_MAX_QUERIES = 8 };

struct target_query {
    const char *name;
    const char *value;
};

struct target { /* not to be copied: it points into itself */
    char text[TARGET_MAX_BYTES + 1];
    const char *path;
    struct target_query queries[TARGET_MAX_QUERIES];
    size_t n_queries;
};

enum anb_status target_parse(const char *raw, struct target *target, struct anb_error *err);

/* Every name must be one of `known` (blank-separated, "" for none). */
enum anb_status target_check_queries(const struct target *target, const char *known, struct anb_error *err);
/* The value, or NULL when the name is not there. */
const char *target_query(const struct target *target, const char *name);
/* *value stays when the name is not there. */
enum anb_status target_query_int(const struct target *target, const char *name, int64_t least, int64_t most,
                                 int64_t *value, struct anb_error *err);

#endif
