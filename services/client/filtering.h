/* The filters of a scope at work on one result, between the trainer's file and the stream.
 *
 * A filtering is made once for each result and kept with it: sent again, the same result gives the same bytes and costs
 * nothing more, so that nobody can average the noise away. What it costs is on disk before the first byte leaves. The
 * upload's worker calls filtering_prepare and what the filter asks; the owner's thread makes and frees. */
#ifndef ANB_CLIENT_FILTERING_H
#define ANB_CLIENT_FILTERING_H

#include "node/transfer.h"
#include "scope.h"
#include "tensor/safetensors.h"

struct filtering;

struct filtering_result { /* outlives the filtering, except base_fd, which it takes on success */
    const struct scope *scope;
    const struct safetensors *file;
    int fd, base_fd; /* of the result; of the model that was given to the trainer */
    bool is_change;
    const char *job;
    int32_t round;
};

enum anb_status filtering_new(const struct filtering_result *result, struct filtering **filtering,
                              struct anb_error *err);
void filtering_free(struct filtering *filtering); /* NULL is fine */

/* Measure, then spend; what has been done before is not done again. INVALID: the filters cannot take this update.
 * DENIED: the budget is spent. *filter is good until the filtering is freed. */
enum anb_status filtering_prepare(struct filtering *filtering, const struct transfer_filter **filter,
                                  struct anb_error *err);

#endif
