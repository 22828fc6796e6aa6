#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, READ_BYTES = 65536 };

static enum anb_status read_descriptor(int fd, const char *path, struct buf *out, struct anb_error *err)
{
    char part[READ_BYTES];
    for (;;) {
        ssize_t got = read(fd, part, sizeof part);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return anb_fail_errno(err, errno, "cannot read %s", path);
        if (got == 0) return ANB_OK;
        enum anb_status status = buf_append(out, slice_of(part, (size_t)got), err);
        if (status == ANB_OK) continue;
        anb_error_prefix(err, "%s: ", path);
        return status;
    }
}

enum anb_status file_read(const char *path, struct buf *out, struct anb_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return anb_fail_errno(err, errno, "cannot open %s", path);
    size_t before = out->size;
    enum anb_status status = read_descriptor(fd, path, out, err);
    if (status != ANB_OK) out->size = before;
    close(fd);
    return status;
}

enum anb_status file_write_all(int fd, const void *data, size_t size, int64_t offset, struct anb_error *err)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t put = pwrite(fd, bytes, size, (off_t)offset);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return anb_fail_errno(err, errno, "cannot write");
        bytes += put;
        offset += put;
        size -= (size_t)put;
    }
    return ANB_OK;
}

enum anb_status file_write(const char *path, struct slice bytes, struct anb_error *err)
{
    char beside[PATH_BYTES];
    if (snprintf(beside, sizeof beside, "%s.%d.tmp", path, (int)getpid()) >= (int)sizeof beside)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return anb_fail_errno(err, errno, "cannot create %s", beside);
    enum anb_status status = file_write_all(fd, bytes.data, bytes.size, 0, err);
    if (status == ANB_OK && fsync(fd) != 0) status = anb_fail_errno(err, errno, "cannot write %s", beside);
    if (close(fd) != 0 && status == ANB_OK) status = anb_fail_errno(err, errno, "cannot write %s", beside);
    if (status == ANB_OK && rename(beside, path) != 0) status = anb_fail_errno(err, errno, "cannot write %s", path);
    if (status != ANB_OK) unlink(beside);
    return status;
}

static enum anb_status check_folder(const char *path, struct anb_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) return anb_fail_errno(err, errno, "cannot look at %s", path);
    return S_ISDIR(info.st_mode) ? ANB_OK : anb_fail(err, ANB_EXISTS, "%s is there, but no folder", path);
}

enum anb_status file_make_folders(const char *path, struct anb_error *err)
{
    char part[PATH_BYTES];
    if (!*path) return anb_fail(err, ANB_INVALID, "a folder without a name cannot be made");
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", path);
    for (char *slash = part + 1;; slash++) {
        slash += strcspn(slash, "/");
        char was = *slash;
        *slash = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST) return anb_fail_errno(err, errno, "cannot make folder %s", part);
        if (!was) return check_folder(path, err);
        *slash = was;
    }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

enum anb_status file_remove_folder(const char *path, struct anb_error *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return ANB_OK;
    return anb_fail_errno(err, errno, "cannot remove %s", path);
}
