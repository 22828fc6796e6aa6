/* libanabranch: the training side of a federation, for programs in C and C++.
 *
 *     struct anb_client *client = anb_open(NULL, why, sizeof why);
 *     while (anb_receive(client, -1) == ANB_TASK) {
 *         struct anb_update *update = anb_update_new(client);
 *         anb_update_like(update);                             // the received model's tensors
 *         float *w = anb_update_data(update, 0);               // write the trained numbers here
 *         anb_send(client, update);
 *     }
 *     anb_close(client);
 *
 * The library speaks to the site's agent over the Unix socket named by ANABRANCH_SOCKET, needs nothing but the C
 * library, prints nothing and never exits. Received tensors are views of memory shared with the agent: no copy is made,
 * they are read-only, and they live until the next anb_receive or anb_close. An update is written in place, once.
 * A client belongs to one thread at a time, except that anb_log may be called from any. Functions that return int give
 * 0, or -1 with the reason in anb_error. */
#ifndef ANB_ANABRANCH_H
#define ANB_ANABRANCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum anb_dtype { ANB_F64, ANB_F32, ANB_F16, ANB_BF16, ANB_I64, ANB_I32, ANB_I16, ANB_I8, ANB_U8, ANB_BOOL };

enum { ANB_MAX_DIMENSIONS = 16 };

struct anb_tensor {
    const char *name;
    enum anb_dtype dtype;
    int n_dimensions;
    int64_t shape[ANB_MAX_DIMENSIONS];
    size_t n_elements;
    size_t bytes;
    const void *data; /* aligned for the dtype unless the model's file packs its tensors oddly */
};

struct anb_client;
struct anb_update;

/* -- the link */

/* Connect to the agent; `path` NULL: what ANABRANCH_SOCKET says. NULL when that fails, the reason in `why`. */
struct anb_client *anb_open(const char *path, char *why, size_t why_size);
void anb_close(struct anb_client *client); /* NULL is fine */

const char *anb_error(const struct anb_client *client); /* of the last call that failed */
const char *anb_job(const struct anb_client *client);   /* id of the job */
const char *anb_site(const struct anb_client *client);  /* name of this site */

/* -- tasks */

enum anb_answer {
    ANB_FAILED = -1, /* the reason is in anb_error; the client can only be closed */
    ANB_ENDED = 0,   /* the job is over */
    ANB_TASK = 1,    /* a task and its model are here */
    ANB_WAITED = 2   /* the time is over */
};

/* Wait for the next task, `timeout_ms` < 0: without limit. A task that was not answered comes again. */
enum anb_answer anb_receive(struct anb_client *client, int timeout_ms);

/* About the task; before the first one: "", -1. */
const char *anb_task_name(const struct anb_client *client); /* "train" or "evaluate" */
bool anb_is_train(const struct anb_client *client);
bool anb_is_evaluate(const struct anb_client *client);
int32_t anb_round(const struct anb_client *client); /* from 0 */
int32_t anb_total_rounds(const struct anb_client *client);

/* The received model, tensors in the order of their bytes. */
size_t anb_n_tensors(const struct anb_client *client);
const struct anb_tensor *anb_tensor_at(const struct anb_client *client, size_t index);  /* NULL past the end */
const struct anb_tensor *anb_tensor(const struct anb_client *client, const char *name); /* NULL: there is none */

/* -- the answer */

enum anb_params_type { ANB_FULL, ANB_DIFF };

/* An answer to the task: tensors, metrics, or both. NULL when memory is out. */
struct anb_update *anb_update_new(struct anb_client *client);
void anb_update_free(struct anb_update *update); /* only for one that is not sent; NULL is fine */

/* Declare tensors, before the first anb_update_data: one, or all that the received model has. */
int anb_update_add(struct anb_update *update, const char *name, enum anb_dtype dtype, const int64_t *shape,
                   int n_dimensions);
int anb_update_like(struct anb_update *update);
/* Where the numbers of tensor `index` (in the order of declaration) are written; zeros at first. The memory lives until
 * the update is sent or freed. NULL: no room, or no such tensor. */
void *anb_update_data(struct anb_update *update, size_t index);

int anb_update_metric(struct anb_update *update, const char *name, double value);
void anb_update_weight(struct anb_update *update, double weight); /* steps or examples; 1 by default */
void anb_update_params_type(struct anb_update *update, enum anb_params_type type);

/* Hand the update to the agent; it is freed, whatever the outcome. -1: refused, the task stays open. */
int anb_send(struct anb_client *client, struct anb_update *update);

/* Report a number (`step` -1: without); lost when the agent is gone. Any thread. */
void anb_log(struct anb_client *client, const char *key, double value, int64_t step);
/* Give the open task up for this site. */
int anb_give_up(struct anb_client *client, const char *reason);

size_t anb_dtype_bytes(enum anb_dtype dtype);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
