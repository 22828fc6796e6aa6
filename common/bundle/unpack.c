/* An archive from outside is checked member by member and, for bundle_unpack, written below one folder: every step of a
 * path is opened by descriptor and not through links, every file is new. Both calls run the same checks and read every
 * byte; they differ in the sink. */
#include "base/file.h"
#include "bundle/member.h"
#include "bundle/tar.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 65536 };

/* Where members go: into a folder (fd), into a buf (the member wanted), before a visitor's eyes, or nowhere. */
struct sink {
    int folder_fd; /* -1: nothing is written */
    const char *wanted;
    struct buf *content;
    bool found;
    const struct bundle_visitor *visitor; /* NULL: none */
};

/* Where the bytes of one member go; each part may be missing. */
struct target {
    int fd; /* -1: none */
    struct buf *content;
    struct digest_context *digest;
};

struct unpacker {
    struct archive *archive;
    struct archive_entry *entry;
    struct members members;
    struct sink *sink;
    struct anb_error *err;
};

static enum anb_status check_type(struct unpacker *unpacker, const char *path)
{
    unsigned type = archive_entry_filetype(unpacker->entry);
    bool is_link = archive_entry_hardlink(unpacker->entry) || type == AE_IFLNK;
    if (is_link) return anb_fail(unpacker->err, ANB_INVALID, "%s: links are not allowed in a bundle", path);
    if (type == AE_IFREG || type == AE_IFDIR) return ANB_OK;
    return anb_fail(unpacker->err, ANB_INVALID, "%s: only files and folders are allowed in a bundle", path);
}

/* The folder `name` (of `size` bytes) in `fd`, made when it is missing; closes `fd`. -1 with errno set. */
static int enter_folder(int fd, const char *name, size_t size)
{
    char part[MEMBER_PART_BYTES + 1];
    memcpy(part, name, size);
    part[size] = 0;
    int next = -1;
    if (mkdirat(fd, part, 0755) == 0 || errno == EEXIST)
        next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = errno;
    close(fd);
    errno = error;
    return next;
}

/* A descriptor for the folder that holds the last part of `path`, or for `path` itself when it is a folder. */
static enum anb_status open_folder(struct unpacker *unpacker, const char *path, bool is_folder, int *out)
{
    int fd = fcntl(unpacker->sink->folder_fd, F_DUPFD_CLOEXEC, 0);
    for (const char *part = path; fd >= 0 && *part;) {
        size_t size = strcspn(part, "/");
        if (!part[size] && !is_folder) break;
        fd = enter_folder(fd, part, size);
        part += size + (part[size] == '/');
    }
    if (fd < 0) return anb_fail_errno(unpacker->err, errno, "cannot make the folders of %s", path);
    *out = fd;
    return ANB_OK;
}

static enum anb_status create_file(struct unpacker *unpacker, const char *path, int *out)
{
    int folder;
    const char *slash = strrchr(path, '/');
    mode_t mode = archive_entry_perm(unpacker->entry) & S_IXUSR ? 0755 : 0644;
    enum anb_status status = open_folder(unpacker, path, false, &folder);
    if (status != ANB_OK) return status;
    int fd = openat(folder, slash ? slash + 1 : path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd >= 0 && fchmod(fd, mode) != 0) status = anb_fail_errno(unpacker->err, errno, "cannot create %s", path);
    if (fd < 0) status = anb_fail_errno(unpacker->err, errno, "cannot create %s", path);
    close(folder);
    if (status != ANB_OK && fd >= 0) close(fd);
    if (status == ANB_OK) *out = fd;
    return status;
}

static enum anb_status put_part(struct unpacker *unpacker, const struct target *target, struct slice part,
                                int64_t offset)
{
    enum anb_status status = ANB_OK;
    if (target->digest) digest_update(target->digest, part);
    if (target->fd >= 0) status = file_write_all(target->fd, part.data, part.size, offset, unpacker->err);
    if (status == ANB_OK && target->content) status = buf_append(target->content, part, unpacker->err);
    return status;
}

static enum anb_status copy_content(struct unpacker *unpacker, const char *path, int64_t size,
                                    const struct target *target)
{
    char part[READ_BYTES];
    for (int64_t offset = 0;;) {
        la_ssize_t got = archive_read_data(unpacker->archive, part, sizeof part);
        if (got < 0) return tar_fail(unpacker->err, ANB_CORRUPT, unpacker->archive, path);
        if (got > size - offset || (got == 0 && offset < size))
            return anb_fail(unpacker->err, ANB_CORRUPT, "%s: has not the %lld bytes it announces", path,
                            (long long)size);
        if (got == 0) return ANB_OK;
        enum anb_status status = put_part(unpacker, target, slice_of(part, (size_t)got), offset);
        if (status != ANB_OK) return status;
        offset += got;
    }
}

static enum anb_status show(struct unpacker *unpacker, const char *path, int64_t size, struct digest_context *context)
{
    const struct bundle_visitor *visitor = unpacker->sink->visitor;
    struct digest digest;
    enum anb_status status = digest_finish(context, &digest, unpacker->err);
    if (status != ANB_OK) return status;
    return visitor->file(visitor->context, path, size, &digest, unpacker->err);
}

static enum anb_status take_content(struct unpacker *unpacker, const char *path, int64_t size, struct target *target)
{
    struct sink *sink = unpacker->sink;
    enum anb_status status = ANB_OK;
    if (sink->visitor && !(target->digest = digest_new()))
        return anb_fail(unpacker->err, ANB_NO_MEMORY, "no memory for a digest");
    if (sink->folder_fd >= 0) status = create_file(unpacker, path, &target->fd);
    if (status == ANB_OK) status = copy_content(unpacker, path, size, target);
    if (target->fd >= 0 && close(target->fd) != 0 && status == ANB_OK)
        status = anb_fail_errno(unpacker->err, errno, "cannot write %s", path);
    if (status == ANB_OK && sink->visitor) status = show(unpacker, path, size, target->digest);
    digest_free(target->digest);
    return status;
}

static enum anb_status take_file(struct unpacker *unpacker, const char *path, int64_t size)
{
    struct sink *sink = unpacker->sink;
    bool wanted = sink->wanted && strcmp(sink->wanted, path) == 0;
    struct target target = {.fd = -1, .content = wanted ? sink->content : NULL};
    enum anb_status status = take_content(unpacker, path, size, &target);
    if (status == ANB_OK && wanted) sink->found = true;
    return status;
}

static enum anb_status take_folder(struct unpacker *unpacker, const char *path)
{
    int fd;
    if (unpacker->sink->folder_fd < 0) return ANB_OK;
    enum anb_status status = open_folder(unpacker, path, true, &fd);
    if (status == ANB_OK) close(fd);
    return status;
}

static enum anb_status take_member(struct unpacker *unpacker)
{
    char path[MEMBER_PATH_BYTES];
    enum anb_status status = member_path(archive_entry_pathname(unpacker->entry), path, unpacker->err);
    if (status == ANB_OK) status = check_type(unpacker, path);
    if (status != ANB_OK) return status;
    bool is_folder = archive_entry_filetype(unpacker->entry) == AE_IFDIR;
    int64_t size = is_folder ? 0 : archive_entry_size(unpacker->entry);
    if (!*path && is_folder) return ANB_OK; /* "./" */
    if (!*path) return anb_fail(unpacker->err, ANB_INVALID, "a file has no name");
    status = members_add(&unpacker->members, path, is_folder, size, unpacker->err);
    if (status != ANB_OK) return status;
    return is_folder ? take_folder(unpacker, path) : take_file(unpacker, path, size);
}

static enum anb_status take_members(struct unpacker *unpacker)
{
    for (;;) {
        int result = archive_read_next_header(unpacker->archive, &unpacker->entry);
        if (result == ARCHIVE_EOF) return ANB_OK;
        if (result != ARCHIVE_OK) return tar_fail(unpacker->err, ANB_CORRUPT, unpacker->archive, "the archive");
        enum anb_status status = take_member(unpacker);
        if (status != ANB_OK) return status;
    }
}

static enum anb_status take_archive(int fd, const struct bundle_limits *limits, struct sink *sink,
                                    struct anb_error *err)
{
    struct unpacker unpacker = {.sink = sink, .err = err, .archive = archive_read_new()};
    if (!unpacker.archive) return anb_fail(err, ANB_NO_MEMORY, "no memory to read a bundle");
    locale_t before = tar_locale_enter();
    enum anb_status status = members_init(&unpacker.members, limits, err);
    archive_read_support_format_tar(unpacker.archive);
    if (status == ANB_OK && archive_read_open_fd(unpacker.archive, fd, READ_BYTES) != ARCHIVE_OK)
        status = tar_fail(err, ANB_CORRUPT, unpacker.archive, "the archive");
    if (status == ANB_OK) status = take_members(&unpacker);
    archive_read_free(unpacker.archive);
    tar_locale_leave(before);
    members_fini(&unpacker.members);
    return status;
}

enum anb_status bundle_unpack(int fd, const struct bundle_limits *limits, const char *folder, struct anb_error *err)
{
    struct sink sink = {.folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (sink.folder_fd < 0) return anb_fail_errno(err, errno, "cannot open folder %s", folder);
    enum anb_status status = take_archive(fd, limits, &sink, err);
    close(sink.folder_fd);
    return status;
}

enum anb_status bundle_read(int fd, const struct bundle_limits *limits, const char *member, struct buf *out,
                            struct anb_error *err)
{
    struct sink sink = {.folder_fd = -1, .wanted = member, .content = out};
    size_t before = out ? out->size : 0;
    enum anb_status status = take_archive(fd, limits, &sink, err);
    if (status == ANB_OK && member && !sink.found)
        status = anb_fail(err, ANB_NOT_FOUND, "there is no %s in the bundle", member);
    if (status != ANB_OK && out) out->size = before;
    return status;
}

enum anb_status bundle_each(int fd, const struct bundle_limits *limits, const struct bundle_visitor *visitor,
                            struct anb_error *err)
{
    struct sink sink = {.folder_fd = -1, .visitor = visitor};
    return take_archive(fd, limits, &sink, err);
}
