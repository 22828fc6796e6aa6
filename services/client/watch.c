#include "watch.h"

#include <stdlib.h>
#include <unistd.h>

struct watch {
    uv_poll_t poll;
    int fd;
    watch_ready *ready;
    void *context;
};

static void on_event(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events; /* the read says what is wrong */
    struct watch *watch = poll->data;
    watch->ready(watch->context);
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    close(watch->fd);
    free(watch);
}

enum anb_status watch_new(uv_loop_t *loop, int fd, watch_ready *ready, void *context, struct watch **out,
                          struct anb_error *err)
{
    struct watch *watch = calloc(1, sizeof *watch);
    int rc = watch ? uv_poll_init(loop, &watch->poll, fd) : UV_ENOMEM;
    if (rc != 0) {
        close(fd);
        free(watch);
        return anb_fail(err, ANB_IO, "cannot watch a descriptor: %s", uv_strerror(rc));
    }
    watch->fd = fd;
    watch->ready = ready;
    watch->context = context;
    watch->poll.data = watch;
    uv_poll_start(&watch->poll, UV_READABLE | UV_DISCONNECT, on_event);
    *out = watch;
    return ANB_OK;
}

void watch_free(struct watch *watch)
{
    if (watch) uv_close((uv_handle_t *)&watch->poll, on_closed);
}

int watch_fd(const struct watch *watch)
{
    return watch->fd;
}
