#include "support/model.h"

#include "base/file.h"
#include "tensor/kernels.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Numbers between -1 and 1 in each format, none of them NaN. */
static void fill_element(enum dtype dtype, unsigned char *at, uint64_t random)
{
    float value = (float)((int64_t)(random % 2000001) - 1000000) / 1e6f;
    double wide = value;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (dtype == DTYPE_F32)
        memcpy(at, &value, 4);
    else if (dtype == DTYPE_F64)
        memcpy(at, &wide, 8);
    else if (dtype == DTYPE_BF16)
        memcpy(at, (unsigned char *)&bits + 2, 2);
    else
        memcpy(at, &random, dtype_bytes(dtype));
}

static struct test_model make(const char *header, uint64_t seed)
{
    struct test_model model = {.fd = memfd_create("model", MFD_CLOEXEC)};
    struct buf head;
    uint64_t state = seed * 2654435761u + 88172645463325252u;
    buf_init(&head, 1 << 20);
    if (layout_parse(slice_of_text(header), &model.layout, NULL) != ANB_OK) abort();
    model.data = malloc((size_t)layout_data_bytes(model.layout) + 1);
    for (size_t i = 0; i < layout_n_tensors(model.layout); i++) {
        const struct tensor_entry *tensor = layout_tensor(model.layout, i);
        for (int64_t at = tensor->begin; at < tensor->end; at += (int64_t)dtype_bytes(tensor->dtype))
            fill_element(tensor->dtype, model.data + at, next_random(&state));
    }
    safetensors_head(model.layout, NULL, &head, NULL);
    model.data_offset = (int64_t)head.size;
    file_write_all(model.fd, head.data, head.size, 0, NULL);
    file_write_all(model.fd, model.data, (size_t)layout_data_bytes(model.layout), model.data_offset, NULL);
    buf_fini(&head);
    return model;
}

static int64_t add_tensor(char *header, const char *name, const char *dtype, int64_t n, size_t bytes, int64_t begin)
{
    int64_t end = begin + n * (int64_t)bytes;
    sprintf(header + strlen(header), "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%lld],\"data_offsets\":[%lld,%lld]}",
            begin ? "," : "", name, dtype, (long long)n, (long long)begin, (long long)end);
    return end;
}

struct test_model test_model_mixed(int64_t n, uint64_t seed)
{
    char header[1024] = "{";
    int64_t end = add_tensor(header, "layer.weight", "F32", n, 4, 0);
    end = add_tensor(header, "layer.half", "BF16", n / 2 + 1, 2, end);
    end = add_tensor(header, "counts", "I32", 5, 4, end);
    end = add_tensor(header, "flags", "U8", 3, 1, end);
    end = add_tensor(header, "wide", "F64", n / 4 + 1, 8, end);
    sprintf(header + strlen(header), ",\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[%lld,%lld]}}",
            (long long)end, (long long)end + 4);
    return make(header, seed);
}

struct test_model test_model_integers(int64_t n, uint64_t seed)
{
    char header[256] = "{";
    add_tensor(header, "w", "F32", n, 4, 0);
    strcat(header, "}");
    struct test_model model = make(header, seed);
    uint64_t state = seed + 7;
    for (int64_t i = 0; i < n; i++) {
        float value = (float)(next_random(&state) % 1000);
        memcpy(model.data + 4 * i, &value, 4);
    }
    file_write_all(model.fd, model.data, (size_t)(4 * n), model.data_offset, NULL);
    return model;
}

void test_model_free(struct test_model *model)
{
    layout_free(model->layout);
    free(model->data);
    close(model->fd);
}

void test_fedavg(const struct test_model *models, const double *weights, size_t n_models, unsigned char *out)
{
    const struct layout *layout = models[0].layout;
    for (size_t i = 0; i < layout_n_tensors(layout); i++) {
        const struct tensor_entry *tensor = layout_tensor(layout, i);
        size_t size = dtype_bytes(tensor->dtype);
        for (int64_t at = tensor->begin; at < tensor->end; at += (int64_t)size) {
            double sum = 0, total = 0;
            for (size_t k = 0; k < n_models; k++) {
                kernel_accumulate(tensor->dtype, &sum, models[k].data + at, 1, weights[k]);
                total += weights[k];
            }
            kernel_finish(tensor->dtype, out + at, &sum, 1, total);
        }
    }
}
