/* A model as it lies in memory: 8 bytes with the size of the header, the header (JSON), then the tensors' bytes.
 *
 * The file is mapped once, private and read-only (Linux refuses a shared mapping of sealed memory), and is never
 * copied. The agent has checked it; what would lead outside of the mapping is refused here all the same. */
#include "library.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const struct {
    const char *word;
    size_t bytes;
} dtypes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
              {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};

size_t anb_dtype_bytes(enum anb_dtype dtype)
{
    return (size_t)dtype < sizeof dtypes / sizeof *dtypes ? dtypes[dtype].bytes : 0;
}

const char *dtype_word(enum anb_dtype dtype)
{
    return dtypes[dtype].word;
}

bool tensor_measure(struct anb_tensor *tensor)
{
    size_t size = anb_dtype_bytes(tensor->dtype), elements = 1;
    if (size == 0) return false;
    for (int i = 0; i < tensor->n_dimensions; i++) {
        if (tensor->shape[i] < 0 || __builtin_mul_overflow(elements, (size_t)tensor->shape[i], &elements)) return false;
    }
    tensor->n_elements = elements;
    return !__builtin_mul_overflow(elements, size, &tensor->bytes);
}

static bool read_dtype(struct json_cursor *head, enum anb_dtype *dtype)
{
    char *word = json_text(head);
    bool found = false;
    for (size_t i = 0; word && !found && i < sizeof dtypes / sizeof *dtypes; i++) {
        found = strcmp(dtypes[i].word, word) == 0;
        if (found) *dtype = (enum anb_dtype)i;
    }
    free(word);
    return found;
}

static bool read_shape(struct json_cursor *head, struct anb_tensor *tensor)
{
    if (!json_enter(head, '[')) return false;
    for (tensor->n_dimensions = 0; json_item(head); tensor->n_dimensions++) {
        if (tensor->n_dimensions == ANB_MAX_DIMENSIONS) return false;
        tensor->shape[tensor->n_dimensions] = json_integer(head);
    }
    return !head->bad;
}

static bool read_offsets(struct json_cursor *head, int64_t *begin, int64_t *end)
{
    if (!json_enter(head, '[') || !json_item(head)) return false;
    *begin = json_integer(head);
    if (!json_item(head)) return false;
    *end = json_integer(head);
    return !json_item(head) && !head->bad;
}

/* The fields of one tensor; its data is placed in the data section at `data`, which has `data_bytes`. */
static bool read_tensor(struct json_cursor *head, const unsigned char *data, size_t data_bytes,
                        struct anb_tensor *tensor)
{
    int64_t begin = -1, end = -1;
    bool typed = false, shaped = false;
    if (!json_enter(head, '{')) return false;
    for (char *key; (key = json_key(head)); free(key)) {
        if (strcmp(key, "dtype") == 0)
            typed = read_dtype(head, &tensor->dtype);
        else if (strcmp(key, "shape") == 0)
            shaped = read_shape(head, tensor);
        else if (strcmp(key, "data_offsets") == 0 && !read_offsets(head, &begin, &end))
            head->bad = true;
    }
    if (head->bad || !typed || !shaped || !tensor_measure(tensor)) return false;
    if (begin < 0 || end < begin || (uint64_t)end > data_bytes || (uint64_t)(end - begin) != tensor->bytes)
        return false;
    tensor->data = data + begin;
    return true;
}

static struct anb_tensor *add_tensor(struct image *image)
{
    if ((image->n_tensors & (image->n_tensors + 1)) == 0) { /* 0, 1, 3, 7: double the room */
        struct anb_tensor *grown = realloc(image->tensors, (2 * image->n_tensors + 1) * sizeof *grown);
        if (!grown) return NULL;
        image->tensors = grown;
    }
    struct anb_tensor *tensor = &image->tensors[image->n_tensors++];
    *tensor = (struct anb_tensor){0};
    return tensor;
}

static int by_place(const void *a, const void *b)
{
    const struct anb_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* an empty tensor stands before the one at its place */
}

static bool read_head(struct image *image, size_t head_bytes)
{
    const unsigned char *data = image->map + 8 + head_bytes;
    size_t data_bytes = image->map_bytes - 8 - head_bytes;
    struct json_cursor head = json_over((const char *)image->map + 8, head_bytes);
    if (!json_enter(&head, '{')) return false;
    for (char *name; (name = json_key(&head));) {
        if (strcmp(name, "__metadata__") == 0) {
            json_skip(&head);
            free(name);
            continue;
        }
        struct anb_tensor *tensor = add_tensor(image);
        if (!tensor) {
            free(name);
            return false;
        }
        bool good = read_tensor(&head, data, data_bytes, tensor);
        tensor->name = name; /* freed with the image */
        if (!good) return false;
    }
    if (!json_done(&head)) return false;
    if (image->n_tensors) qsort(image->tensors, image->n_tensors, sizeof *image->tensors, by_place);
    return true;
}

static size_t head_size(const struct image *image)
{
    uint64_t size = 0;
    for (int i = 7; i >= 0; i--) size = size << 8 | image->map[i];
    return size <= HEAD_MAX_BYTES && size <= image->map_bytes - 8 ? (size_t)size : 0;
}

int image_open(struct anb_client *client, int fd)
{
    struct image *image = &client->model;
    struct stat facts;
    image_close(image);
    if (fstat(fd, &facts) != 0 || facts.st_size < 8) return fail(client, "the agent's model is no safetensors file");
    void *map = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return fail(client, "the model of %lld bytes cannot be mapped", (long long)facts.st_size);
    *image = (struct image){.map = map, .map_bytes = (size_t)facts.st_size};
    size_t head_bytes = head_size(image);
    if (head_bytes > 0 && read_head(image, head_bytes)) return 0;
    image_close(image);
    return fail(client, "the header of the agent's model is not that of a safetensors file");
}

void image_close(struct image *image)
{
    for (size_t i = 0; i < image->n_tensors; i++) free((char *)image->tensors[i].name);
    free(image->tensors);
    if (image->map) munmap(image->map, image->map_bytes);
    *image = (struct image){0};
}
