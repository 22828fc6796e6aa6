/* An answer in the making: first its tensors are declared, then they get their place in a memfd, where the program
 * writes the numbers. Sending unmaps and seals it. So the numbers are written once and copied never. */
#include "library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct anb_update *anb_update_new(struct anb_client *client)
{
    struct anb_update *update = calloc(1, sizeof *update);
    if (!update) return NULL;
    update->client = client;
    update->fd = -1;
    update->weight = 1;
    update->metrics.ceiling = MESSAGE_MAX_BYTES;
    return update;
}

void anb_update_free(struct anb_update *update)
{
    if (!update) return;
    if (update->map) munmap(update->map, update->map_bytes);
    if (update->fd >= 0) close(update->fd);
    for (size_t i = 0; i < update->n_tensors; i++) free((char *)update->tensors[i].name);
    free(update->tensors);
    json_fini(&update->metrics);
    free(update);
}

static struct anb_tensor *room_for_one(struct anb_update *update)
{
    if (update->n_tensors == update->capacity) {
        size_t capacity = 2 * update->capacity + 8;
        struct anb_tensor *grown = realloc(update->tensors, capacity * sizeof *grown);
        if (!grown) return NULL;
        update->tensors = grown;
        update->capacity = capacity;
    }
    return &update->tensors[update->n_tensors];
}

int anb_update_add(struct anb_update *update, const char *name, enum anb_dtype dtype, const int64_t *shape,
                   int n_dimensions)
{
    struct anb_client *client = update->client;
    if (update->fd >= 0) return fail(client, "tensor %s is declared after the first anb_update_data", name);
    if (!*name || strcmp(name, "__metadata__") == 0) return fail(client, "\"%s\" cannot be the name of a tensor", name);
    if (n_dimensions < 0 || n_dimensions > ANB_MAX_DIMENSIONS)
        return fail(client, "tensor %s has %d dimensions, 0..%d are possible", name, n_dimensions, ANB_MAX_DIMENSIONS);
    struct anb_tensor tensor = {.dtype = dtype, .n_dimensions = n_dimensions};
    if (n_dimensions > 0) memcpy(tensor.shape, shape, (size_t)n_dimensions * sizeof *shape);
    if (!tensor_measure(&tensor)) return fail(client, "tensor %s has no possible shape or data type", name);
    struct anb_tensor *slot = room_for_one(update);
    tensor.name = slot ? strdup(name) : NULL;
    if (!tensor.name) return fail(client, "no memory for tensor %s", name);
    *slot = tensor;
    update->n_tensors++;
    return 0;
}

int anb_update_like(struct anb_update *update)
{
    const struct image *model = &update->client->model;
    for (size_t i = 0; i < model->n_tensors; i++) {
        const struct anb_tensor *t = &model->tensors[i];
        if (anb_update_add(update, t->name, t->dtype, t->shape, t->n_dimensions) != 0) return -1;
    }
    return 0;
}

static void put_tensor(struct json_text *head, const struct anb_tensor *tensor, size_t begin)
{
    json_put_text(head, tensor->name);
    json_put(head, ":{\"dtype\":\"");
    json_put(head, dtype_word(tensor->dtype));
    json_put(head, "\",\"shape\":[");
    for (int d = 0; d < tensor->n_dimensions; d++) {
        if (d > 0) json_put(head, ",");
        json_put_integer(head, tensor->shape[d]);
    }
    json_put(head, "],\"data_offsets\":[");
    json_put_integer(head, (int64_t)begin);
    json_put(head, ",");
    json_put_integer(head, (int64_t)(begin + tensor->bytes));
    json_put(head, "]}");
}

/* The header with its size in front, padded so that the data begins at a multiple of 64. Gives the data's bytes. */
static size_t put_head(const struct anb_update *update, struct json_text *head)
{
    size_t at = 0;
    json_put(head, "12345678{"); /* eight bytes for the size, known at the end */
    for (size_t i = 0; i < update->n_tensors; i++) {
        if (i > 0) json_put(head, ",");
        put_tensor(head, &update->tensors[i], at);
        head->failed |= __builtin_add_overflow(at, update->tensors[i].bytes, &at) || at > INT64_MAX / 2;
    }
    json_put(head, "}");
    while (!head->failed && head->size % HEAD_ALIGNMENT != 0) json_put(head, " ");
    for (int i = 0; !head->failed && i < 8; i++) head->data[i] = (char)((head->size - 8) >> (8 * i) & 0xFF);
    return at;
}

static int make_file(struct anb_update *update, const struct json_text *head, size_t data_bytes)
{
    update->fd = memfd_create("anabranch-update", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (update->fd < 0) return fail(update->client, "no memfd for the update: %s", strerror(errno));
    if (ftruncate(update->fd, (off_t)(head->size + data_bytes)) != 0 ||
        pwrite(update->fd, head->data, head->size, 0) != (ssize_t)head->size)
        return fail(update->client, "no room for an update of %zu bytes: %s", data_bytes, strerror(errno));
    update->map_bytes = head->size + data_bytes;
    void *map = mmap(NULL, update->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, update->fd, 0);
    if (map == MAP_FAILED)
        return fail(update->client, "no room for an update of %zu bytes: %s", data_bytes, strerror(errno));
    update->map = map;
    return 0;
}

int update_lay_out(struct anb_update *update)
{
    if (update->map) return 0;
    if (update->fd >= 0) return -1; /* it was tried, the reason is known */
    struct json_text head = {.ceiling = HEAD_MAX_BYTES};
    size_t data_bytes = put_head(update, &head);
    int rc = head.failed ? fail(update->client, "the update's tensors are too many or too large")
                         : make_file(update, &head, data_bytes);
    unsigned char *at = update->map ? update->map + head.size : NULL;
    for (size_t i = 0; rc == 0 && i < update->n_tensors; i++) {
        update->tensors[i].data = at;
        at += update->tensors[i].bytes;
    }
    json_fini(&head);
    return rc;
}

void *anb_update_data(struct anb_update *update, size_t index)
{
    if (index >= update->n_tensors) {
        fail(update->client, "the update has no tensor %zu, it has %zu", index, update->n_tensors);
        return NULL;
    }
    if (update_lay_out(update) != 0) return NULL;
    return (void *)update->tensors[index].data;
}

int update_seal(struct anb_update *update)
{
    if (update_lay_out(update) != 0) return -1;
    munmap(update->map, update->map_bytes);
    update->map = NULL;
    if (fcntl(update->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
        return fail(update->client, "the update cannot be sealed: %s", strerror(errno));
    return 0;
}

int anb_update_metric(struct anb_update *update, const char *name, double value)
{
    struct json_text *out = &update->metrics;
    if (out->size > 0) json_put(out, ",");
    json_put_text(out, name);
    json_put(out, ":");
    json_put_real(out, value);
    return out->failed ? fail(update->client, "metric %s: too many metrics", name) : 0;
}

void anb_update_weight(struct anb_update *update, double weight)
{
    update->weight = weight;
}

void anb_update_params_type(struct anb_update *update, enum anb_params_type type)
{
    update->params_type = type;
}
