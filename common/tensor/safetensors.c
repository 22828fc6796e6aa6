#include "tensor/safetensors.h"

#include "base/utf8.h"
#include "tensor/header_text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_BYTES = 8, ALIGNMENT = 64 };

static enum anb_status read_at(int fd, void *data, size_t size, int64_t offset, const char *name, struct anb_error *err)
{
    unsigned char *out = data;
    while (size > 0) {
        ssize_t got = pread(fd, out, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return anb_fail_errno(err, errno, "cannot read %s", name);
        if (got == 0) return anb_fail(err, ANB_CORRUPT, "%s became shorter while it was read", name);
        out += got;
        offset += got;
        size -= (size_t)got;
    }
    return ANB_OK;
}

static enum anb_status file_bytes(int fd, const char *name, int64_t *bytes, struct anb_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return anb_fail_errno(err, errno, "cannot look at %s", name);
    if (!S_ISREG(info.st_mode)) return anb_fail(err, ANB_INVALID, "%s is not a plain file", name);
    *bytes = info.st_size;
    return ANB_OK;
}

static enum anb_status header_bytes(int fd, const char *name, int64_t file_size, size_t *bytes, struct anb_error *err)
{
    unsigned char raw[SIZE_BYTES];
    if (file_size < SIZE_BYTES)
        return anb_fail(err, ANB_CORRUPT, "%s has %" PRId64 " bytes: too short for a safetensors file", name,
                        file_size);
    enum anb_status status = read_at(fd, raw, sizeof raw, 0, name, err);
    if (status != ANB_OK) return status;
    uint64_t size = 0;
    for (int i = SIZE_BYTES - 1; i >= 0; i--) size = size << 8 | raw[i];
    if (size > LAYOUT_MAX_BYTES)
        return anb_fail(err, ANB_TOO_LARGE,
                        "%s: a header of %" PRIu64 " bytes, at most %d are read; is it a safetensors file?", name, size,
                        LAYOUT_MAX_BYTES);
    if (size > (uint64_t)(file_size - SIZE_BYTES))
        return anb_fail(err, ANB_CORRUPT, "%s is cut off inside its header of %" PRIu64 " bytes", name, size);
    *bytes = (size_t)size;
    return ANB_OK;
}

static enum anb_status read_layout(int fd, const char *name, size_t size, struct layout **layout, struct anb_error *err)
{
    struct buf header;
    buf_init(&header, LAYOUT_MAX_BYTES);
    enum anb_status status = buf_reserve(&header, size, err);
    if (status == ANB_OK) status = read_at(fd, header.data, size, SIZE_BYTES, name, err);
    if (status == ANB_OK) {
        header.size = size;
        status = layout_take(&header, layout, err);
        if (status != ANB_OK) anb_error_prefix(err, "%s: ", name);
    }
    buf_fini(&header);
    return status;
}

static enum anb_status check_length(int64_t data_bytes, int64_t expected, const char *name, struct anb_error *err)
{
    if (data_bytes == expected) return ANB_OK;
    return anb_fail(err, ANB_CORRUPT,
                    "%s has %" PRId64 " bytes of data, but its header describes %" PRId64 ": it is %s", name,
                    data_bytes, expected, data_bytes < expected ? "cut off" : "too long");
}

enum anb_status safetensors_open(int fd, const char *name, struct safetensors *file, struct anb_error *err)
{
    int64_t size = 0;
    size_t header = 0;
    struct layout *layout = NULL;
    enum anb_status status = file_bytes(fd, name, &size, err);
    if (status == ANB_OK) status = header_bytes(fd, name, size, &header, err);
    if (status == ANB_OK) status = read_layout(fd, name, header, &layout, err);
    if (status != ANB_OK) return status;
    int64_t offset = SIZE_BYTES + (int64_t)header;
    status = check_length(size - offset, layout_data_bytes(layout), name, err);
    if (status == ANB_OK)
        *file = (struct safetensors){.layout = layout, .data_offset = offset};
    else
        layout_free(layout);
    return status;
}

void safetensors_fini(struct safetensors *file)
{
    layout_free(file->layout);
    *file = (struct safetensors){0};
}

static enum anb_status append_metadata(struct buf *out, const char *const *metadata, struct anb_error *err)
{
    enum anb_status status = buf_append_text(out, "\"__metadata__\":{", err);
    for (size_t i = 0; metadata[i] && status == ANB_OK; i++) {
        if (!utf8_is_valid(slice_of_text(metadata[i])))
            return anb_fail(err, ANB_INVALID, "metadata text %zu is not UTF-8", i + 1);
        const char *mark = i == 0 ? "" : i % 2 == 1 ? ":" : ",";
        status = buf_append_text(out, mark, err);
        if (status == ANB_OK) status = header_quote(out, metadata[i], err);
    }
    if (status == ANB_OK) status = buf_append_text(out, "}", err);
    return status;
}

/* Behind the place of its size: the canonical text with the metadata put in behind its first '{', blanks up to the
 * alignment. */
static enum anb_status append_header(const struct layout *layout, const char *const *metadata, struct buf *out,
                                     struct anb_error *err)
{
    struct slice text = layout_text(layout);
    size_t begin = out->size - SIZE_BYTES;
    enum anb_status status = buf_append_text(out, "{", err);
    if (status == ANB_OK && metadata) status = append_metadata(out, metadata, err);
    if (status == ANB_OK && metadata && layout_n_tensors(layout) > 0) status = buf_append_text(out, ",", err);
    if (status == ANB_OK) status = buf_append(out, slice_of((const char *)text.data + 1, text.size - 1), err);
    while (status == ANB_OK && (out->size - begin) % ALIGNMENT != 0) status = buf_append_text(out, " ", err);
    return status;
}

enum anb_status safetensors_head(const struct layout *layout, const char *const *metadata, struct buf *out,
                                 struct anb_error *err)
{
    static const unsigned char unknown[SIZE_BYTES];
    size_t begin = out->size;
    enum anb_status status = buf_append(out, slice_of(unknown, SIZE_BYTES), err);
    if (status == ANB_OK) status = append_header(layout, metadata, out, err);
    size_t size = out->size - begin - SIZE_BYTES;
    if (status == ANB_OK && size > LAYOUT_MAX_BYTES)
        status = anb_fail(err, ANB_TOO_LARGE, "a header of %zu bytes, at most %d are written", size, LAYOUT_MAX_BYTES);
    if (status != ANB_OK) {
        out->size = begin;
        return status;
    }
    for (int i = 0; i < SIZE_BYTES; i++) out->data[begin + (size_t)i] = (unsigned char)((uint64_t)size >> (8 * i));
    return ANB_OK;
}
