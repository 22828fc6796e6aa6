#include "server/store_file.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, READ_BYTES = 65536 };

static enum anb_status measure(int fd, const char *path, struct stored_file *out, struct anb_error *err)
{
    char part[READ_BYTES];
    struct digest_context *context = digest_new();
    if (!context) return anb_fail(err, ANB_NO_MEMORY, "no memory for a digest");
    int64_t at = 0;
    ssize_t got;
    while ((got = pread(fd, part, sizeof part, (off_t)at)) > 0) {
        digest_update(context, slice_of(part, (size_t)got));
        at += got;
    }
    enum anb_status status =
        got < 0 ? anb_fail_errno(err, errno, "cannot read %s", path) : digest_finish(context, &out->digest, err);
    digest_free(context);
    out->bytes = at;
    return status;
}

/* The rename is durable once the folder is. */
static enum anb_status sync_folder(const char *folder, struct anb_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int error_number = errno;
    if (fd >= 0) close(fd);
    return synced ? ANB_OK : anb_fail_errno(err, error_number, "cannot sync %s", folder);
}

static enum anb_status write_beside(const char *path, store_fill *fill, void *context, struct stored_file *out,
                                    struct anb_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return anb_fail_errno(err, errno, "cannot create %s", path);
    enum anb_status status = fill(context, fd, err);
    if (status == ANB_OK && fsync(fd) != 0) status = anb_fail_errno(err, errno, "cannot write %s", path);
    if (status == ANB_OK) status = measure(fd, path, out, err);
    if (close(fd) != 0 && status == ANB_OK) status = anb_fail_errno(err, errno, "cannot write %s", path);
    return status;
}

enum anb_status store_file(const char *folder, store_fill *fill, void *context, struct stored_file *out,
                           struct anb_error *err)
{
    char beside[PATH_BYTES], path[PATH_BYTES];
    if (snprintf(beside, sizeof beside, "%s/incoming.tmp", folder) >= (int)sizeof beside ||
        snprintf(path, sizeof path, "%s/" STORE_FILE_NAME, folder) >= (int)sizeof path)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", folder);
    enum anb_status status = file_make_folders(folder, err);
    if (status != ANB_OK) return status;
    status = write_beside(beside, fill, context, out, err);
    if (status == ANB_OK && rename(beside, path) != 0) status = anb_fail_errno(err, errno, "cannot write %s", path);
    if (status == ANB_OK) status = sync_folder(folder, err);
    if (status != ANB_OK) unlink(beside);
    return status;
}
