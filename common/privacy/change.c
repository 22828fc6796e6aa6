/* Reading two files side by side: what the site's result has more than the model it was given. */
#include "privacy/apply_private.h"

#include "tensor/kernels.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static enum anb_status read_raw(int fd, int64_t at, void *out, size_t size, struct anb_error *err)
{
    unsigned char *bytes = out;
    while (size > 0) {
        ssize_t got = pread(fd, bytes, size, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return anb_fail_errno(err, errno, "cannot read the model");
        if (got == 0) return anb_fail(err, ANB_CORRUPT, "the model is shorter than its layout says");
        bytes += got;
        at += got;
        size -= (size_t)got;
    }
    return ANB_OK;
}

static enum anb_status read_piece(const struct filter_run *run, const struct piece *piece, bool base, void *out,
                                  struct anb_error *err)
{
    const struct tensor_entry *tensor = piece_tensor(run, piece);
    size_t width = dtype_bytes(tensor->dtype);
    int64_t at = tensor->begin + piece->first * (int64_t)width;
    if (base) return read_raw(run->source.base_fd, run->source.base_data_offset + at, out, piece->n * width, err);
    return read_raw(run->source.fd, run->source.data_offset + at, out, piece->n * width, err);
}

enum anb_status change_read(struct filter_run *run, const struct piece *piece, struct anb_error *err)
{
    enum dtype dtype = piece_tensor(run, piece)->dtype;
    enum anb_status status = read_piece(run, piece, false, run->raw, err);
    if (status != ANB_OK) return status;
    kernel_zero(run->x, piece->n);
    kernel_accumulate(dtype, run->x, run->raw, piece->n, 1);
    if (!run->source.is_change) {
        status = read_piece(run, piece, true, run->raw, err);
        if (status != ANB_OK) return status;
        kernel_accumulate(dtype, run->x, run->raw, piece->n, -1);
    }
    double factor = run->factors[piece->tensor];
    for (size_t i = 0; factor != 1 && i < piece->n; i++) run->x[i] *= factor;
    return ANB_OK;
}

/* out = out - base; true when each difference fits. */
#define SUBTRACT(type)                                                                                                 \
    static bool subtract_##type(void *out, const void *base, size_t n)                                                 \
    {                                                                                                                  \
        bool fits = true;                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                                               \
            type a, b, difference;                                                                                     \
            memcpy(&a, (char *)out + i * sizeof a, sizeof a);                                                          \
            memcpy(&b, (const char *)base + i * sizeof b, sizeof b);                                                   \
            fits &= !__builtin_sub_overflow(a, b, &difference);                                                        \
            memcpy((char *)out + i * sizeof a, &difference, sizeof a);                                                 \
        }                                                                                                              \
        return fits;                                                                                                   \
    }

SUBTRACT(int64_t)
SUBTRACT(int32_t)
SUBTRACT(int16_t)
SUBTRACT(int8_t)
SUBTRACT(uint8_t)

/* From false to true only: "true" added to true would stay true. */
static bool subtract_bool(void *out, const void *base, size_t n)
{
    unsigned char *to = out;
    const unsigned char *from = base;
    bool fits = true;
    for (size_t i = 0; i < n; i++) {
        fits &= to[i] != 0 || from[i] == 0;
        to[i] = to[i] != 0 && from[i] == 0;
    }
    return fits;
}

static bool subtract(enum dtype dtype, void *out, const void *base, size_t n)
{
    switch (dtype) {
    case DTYPE_I64: return subtract_int64_t(out, base, n);
    case DTYPE_I32: return subtract_int32_t(out, base, n);
    case DTYPE_I16: return subtract_int16_t(out, base, n);
    case DTYPE_I8: return subtract_int8_t(out, base, n);
    case DTYPE_U8: return subtract_uint8_t(out, base, n);
    case DTYPE_BOOL: return subtract_bool(out, base, n);
    default: return false;
    }
}

enum anb_status change_read_whole(struct filter_run *run, const struct piece *piece, unsigned char *out,
                                  struct anb_error *err)
{
    const struct tensor_entry *tensor = piece_tensor(run, piece);
    enum anb_status status = read_piece(run, piece, false, out, err);
    if (status != ANB_OK || run->source.is_change) return status;
    status = read_piece(run, piece, true, run->raw, err);
    if (status != ANB_OK || subtract(tensor->dtype, out, run->raw, piece->n)) return status;
    return anb_fail(err, ANB_INVALID,
                    "tensor \"%.80s\" changed by more than a %s can say: exclude it in the site's filters",
                    tensor->name, dtype_word(tensor->dtype));
}
