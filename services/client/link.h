/* The socket of one job: a trainer connects, one at a time, and packets go both ways. The loop's thread only.
 *
 * The first packet must be a hello; what is no message ends the connection, what cannot be taken is refused. Both are
 * answered here, so the handler sees nothing but good messages. A trainer that is refused too often, or connects too
 * often, is hung up on. */
#ifndef ANB_CLIENT_LINK_H
#define ANB_CLIENT_LINK_H

#include "message.h"

#include <uv.h>

struct link;

struct link_handler {
    /* *fd is the descriptor that came along, -1: none. It is closed afterwards unless the handler takes it (sets it to
     * -1). */
    void (*message)(void *context, const struct message *message, int *fd);
    void (*gone)(void *context); /* the trainer has hung up */
    void *context;
};

enum anb_status link_new(uv_loop_t *loop, const char *path, const struct link_handler *handler, struct link **link,
                         struct anb_error *err);
void link_free(struct link *link); /* NULL is fine */
/* Who may connect: processes of this user, and of this session unless it is 0. At first this process's user, and any
 * session. The socket's file is given to that user. */
enum anb_status link_expect(struct link *link, uid_t uid, pid_t session, struct anb_error *err);
bool link_is_connected(const struct link *link);
/* Send a JSON text, with a descriptor unless `fd` is -1. A trainer that does not read its packets is hung up on. */
void link_send(struct link *link, struct slice text, int fd);
void link_refuse(struct link *link, const char *task, const char *reason);
void link_hang_up(struct link *link);        /* no `gone` follows */
void link_stop_listening(struct link *link); /* and remove the socket's file; a connected trainer stays */

#endif
