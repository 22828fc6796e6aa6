/* One model becoming a durable file. Pure file work but for the transfer; any thread. */
#ifndef ANB_SERVER_STORE_FILE_H
#define ANB_SERVER_STORE_FILE_H

#include "crypto/digest.h"

struct stored_file {
    struct digest digest; /* SHA-256 of the file */
    int64_t bytes;
};

/* Writes the model to `fd`. */
typedef enum anb_status store_fill(void *context, int fd, struct anb_error *err);

/* Make `folder`, let `fill` write a file beside `folder`/global.safetensors, fsync, measure, rename. After a failure
 * nothing of it is left, and what stood there before still stands. */
enum anb_status store_file(const char *folder, store_fill *fill, void *context, struct stored_file *out,
                           struct anb_error *err);

#define STORE_FILE_NAME "global.safetensors"

#endif
