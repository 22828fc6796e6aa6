/* Any bytes as a roster's body. What is read has one form only: it is written as the same bytes. */
#include "trust/roster_text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct roster *roster = NULL;
    struct anb_error err;
    if (roster_read_body(slice_of(data, size), &roster, &err) == ANB_OK) {
        struct buf again;
        buf_init(&again, ROSTER_MAX_BYTES);
        if (roster_write_body(roster, &again, &err) != ANB_OK || !slice_equal(buf_slice(&again), slice_of(data, size)))
            abort();
        buf_fini(&again);
    }
    roster_free(roster);
    return 0;
}
