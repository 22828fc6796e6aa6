/* Sending a trainer's result, on a thread of its own. The owner's thread calls; one result at a time. */
#ifndef ANB_CLIENT_UPLOAD_H
#define ANB_CLIENT_UPLOAD_H

#include "duty.h"
#include "filtering.h"
#include "message.h"
#include "node/node.h"
#include "tensor/safetensors.h"

struct upload;

struct upload_order {
    const char *job;
    int32_t round, attempt;
    struct stream_set base;
};

enum anb_status upload_new(struct node *node, void (*wake)(void *owner), void *owner, struct upload **upload,
                           struct anb_error *err);
void upload_free(struct upload *upload); /* cancels; NULL is fine */

struct upload_model { /* -1 and an empty file: metrics alone */
    int fd;
    struct safetensors file;
    int base_fd; /* the model that the trainer was given: only for a scope with filters, else -1 */
};

/* Keep a result of `order`: metrics and weight are copied, the model is taken when OK. `scope` must outlive it. */
enum anb_status upload_keep(struct upload *upload, const struct message *message, const struct upload_order *order,
                            const struct scope *scope, const struct upload_model *model, struct anb_error *err);
/* Send what is kept; only when idle. It may be sent again after a failure. */
void upload_start(struct upload *upload, const struct upload_order *order);
void upload_drop(struct upload *upload); /* forget what is kept; only when idle */
bool upload_is_idle(struct upload *upload);
void upload_cancel(struct upload *upload);
/* True once for each sending. */
bool upload_collect(struct upload *upload, enum anb_status *status, struct anb_error *err);
void upload_progress(struct upload *upload, int64_t *done, int64_t *total);

#endif
