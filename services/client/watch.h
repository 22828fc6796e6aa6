/* A file descriptor on a libuv loop: a callback when it can be read. The loop's thread only. */
#ifndef ANB_CLIENT_WATCH_H
#define ANB_CLIENT_WATCH_H

#include "base/status.h"

#include <uv.h>

struct watch;
typedef void watch_ready(void *context);

/* Takes `fd` (closes it even when it fails). Once freed, no callback comes any more; freeing in a callback is fine. */
enum anb_status watch_new(uv_loop_t *loop, int fd, watch_ready *ready, void *context, struct watch **watch,
                          struct anb_error *err);
void watch_free(struct watch *watch); /* NULL is fine */
int watch_fd(const struct watch *watch);

#endif
