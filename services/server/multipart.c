#include "server/multipart.h"

#include <microhttpd.h>
#include <stdlib.h>

enum { PROCESSOR_BYTES = 16384 }; /* also the ceiling of a part's head */

struct multipart {
    struct MHD_PostProcessor *processor;
    struct upload *upload;
    const char *folder;
    const struct upload_limits *limits;
    enum anb_status status; /* first failure */
    struct anb_error err;
};

static enum MHD_Result on_part(void *context, enum MHD_ValueKind kind, const char *key, const char *file_name,
                               const char *content_type, const char *encoding, const char *data, uint64_t offset,
                               size_t size)
{
    struct multipart *multipart = context;
    (void)kind, (void)file_name, (void)content_type, (void)encoding;
    if (multipart->status == ANB_OK)
        multipart->status = key ? upload_put(multipart->upload, multipart->folder, multipart->limits, key,
                                             (int64_t)offset, data, size, &multipart->err)
                                : anb_fail(&multipart->err, ANB_INVALID, "a part of the body has no name");
    return multipart->status == ANB_OK ? MHD_YES : MHD_NO;
}

enum anb_status multipart_new(struct MHD_Connection *connection, struct upload *upload, const char *folder,
                              const struct upload_limits *limits, struct multipart **multipart, struct anb_error *err)
{
    struct multipart *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for the body");
    made->upload = upload;
    made->folder = folder;
    made->limits = limits;
    made->processor = MHD_create_post_processor(connection, PROCESSOR_BYTES, on_part, made);
    if (!made->processor) {
        free(made);
        return anb_fail(err, ANB_INVALID, "Content-Type must be multipart/form-data with a boundary");
    }
    *multipart = made;
    return ANB_OK;
}

enum anb_status multipart_feed(struct multipart *multipart, const char *data, size_t size, struct anb_error *err)
{
    if (multipart->status == ANB_OK && MHD_post_process(multipart->processor, data, size) != MHD_YES &&
        multipart->status == ANB_OK)
        multipart->status = anb_fail(&multipart->err, ANB_INVALID, "the body is not well-formed multipart/form-data");
    if (multipart->status != ANB_OK && err) *err = multipart->err;
    return multipart->status;
}

enum anb_status multipart_finish(struct multipart *multipart, struct anb_error *err)
{
    if (!multipart) return ANB_OK;
    enum MHD_Result whole = MHD_destroy_post_processor(multipart->processor);
    if (multipart->status == ANB_OK && whole != MHD_YES)
        multipart->status = anb_fail(&multipart->err, ANB_INVALID, "the body ends in the middle of a part");
    enum anb_status status = multipart->status;
    if (status != ANB_OK && err) *err = multipart->err;
    free(multipart);
    return status;
}
