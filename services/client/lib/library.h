/* The parts of the library, for each other. Each belongs to the thread of its client. */
#ifndef ANB_LIB_LIBRARY_H
#define ANB_LIB_LIBRARY_H

#include "anabranch/anabranch.h"
#include "json.h"

#include <pthread.h>

enum { MESSAGE_MAX_BYTES = 65536, HEAD_ALIGNMENT = 64, HEAD_MAX_BYTES = 16 << 20 };

/* A received model: one mapping, and the tensors in it. */
struct image {
    unsigned char *map; /* NULL: none */
    size_t map_bytes;
    struct anb_tensor *tensors;
    size_t n_tensors;
};

struct anb_client {
    int socket;
    pthread_mutex_t send_lock;
    bool asked, over, has_task;
    char *job, *site;
    char *task, *task_name; /* the id of the open one, the name of the last one */
    int32_t round, total_rounds;
    struct image model;
    char error[512];
};

struct anb_update {
    struct anb_client *client;
    struct anb_tensor *tensors; /* data: only the offset in the data section, as long as nothing is mapped */
    size_t n_tensors, capacity;
    int fd; /* -1: not laid out yet */
    unsigned char *map;
    size_t map_bytes, head_bytes;
    struct json_text metrics;
    double weight;
    enum anb_params_type params_type;
};

int fail(struct anb_client *client, const char *format, ...) __attribute__((format(printf, 2, 3))); /* gives -1 */

/* Map the safetensors file at `fd` and list its tensors; the old image is given back first. */
int image_open(struct anb_client *client, int fd);
void image_close(struct image *image);
const char *dtype_word(enum anb_dtype dtype);
/* Elements and bytes of a shape; false on overflow, a negative length or an unknown dtype. */
bool tensor_measure(struct anb_tensor *tensor);

/* Write the head, map the data section; tensors then have their addresses. */
int update_lay_out(struct anb_update *update);
/* Unmap and seal: `fd` can be sent. */
int update_seal(struct anb_update *update);

/* One packet, with a descriptor unless `fd` is -1. */
int link_send(struct anb_client *client, const struct json_text *message, int fd);
/* One packet of at most MESSAGE_MAX_BYTES; *fd is the caller's, -1 when none came. Gives its size, 0 when the time is
 * over, -1 when the agent is gone. */
long link_receive(struct anb_client *client, int timeout_ms, char *packet, int *fd);

#endif
