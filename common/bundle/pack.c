/* A folder becomes a tar archive: names sorted by their bytes, no times, no owners, so that the same folder gives the
 * same bytes everywhere. The tree is walked by descriptors and never through a link. */
#include "bundle/member.h"
#include "bundle/tar.h"

#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 65536 };

struct packer {
    struct archive *archive;
    struct archive_entry *entry;
    const char *skip;
    struct members members;
    struct anb_error *err;
};

static enum anb_status pack_folder(struct packer *packer, int fd, const char *path);

static enum anb_status write_header(struct packer *packer, const char *path, const struct stat *info)
{
    bool is_folder = S_ISDIR(info->st_mode);
    mode_t mode = is_folder || (info->st_mode & S_IXUSR) ? 0755 : 0644;
    archive_entry_clear(packer->entry);
    archive_entry_set_pathname(packer->entry, path);
    archive_entry_set_filetype(packer->entry, is_folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(packer->entry, mode);
    archive_entry_set_size(packer->entry, is_folder ? 0 : info->st_size);
    archive_entry_set_mtime(packer->entry, 0, 0);
    if (archive_write_header(packer->archive, packer->entry) == ARCHIVE_OK) return ANB_OK;
    return tar_fail(packer->err, ANB_IO, packer->archive, path);
}

/* Exactly `left` bytes: the header has promised them. */
static enum anb_status write_content(struct packer *packer, int fd, const char *path, int64_t left)
{
    char part[COPY_BYTES];
    while (left > 0) {
        ssize_t got = read(fd, part, left < COPY_BYTES ? (size_t)left : COPY_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return anb_fail_errno(packer->err, errno, "cannot read %s", path);
        if (got == 0) return anb_fail(packer->err, ANB_INVALID, "%s became shorter while it was packed", path);
        if (archive_write_data(packer->archive, part, (size_t)got) != got)
            return tar_fail(packer->err, ANB_IO, packer->archive, path);
        left -= got;
    }
    return ANB_OK;
}

static enum anb_status pack_open(struct packer *packer, int fd, const char *path)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return anb_fail_errno(packer->err, errno, "cannot look at %s", path);
    bool is_folder = S_ISDIR(info.st_mode);
    if (!is_folder && !S_ISREG(info.st_mode))
        return anb_fail(packer->err, ANB_INVALID, "%s: only files and folders can be in a job's folder", path);
    int64_t size = is_folder ? 0 : info.st_size;
    enum anb_status status = members_add(&packer->members, path, is_folder, size, packer->err);
    if (status == ANB_OK) status = write_header(packer, path, &info);
    if (status != ANB_OK) return status;
    return is_folder ? pack_folder(packer, fd, path) : write_content(packer, fd, path, size);
}

static enum anb_status pack_one(struct packer *packer, int folder_fd, const char *folder, const char *name)
{
    char joined[2 * MEMBER_PATH_BYTES], path[MEMBER_PATH_BYTES];
    snprintf(joined, sizeof joined, "%s%s%s", folder, *folder ? "/" : "", name);
    if (packer->skip && strcmp(joined, packer->skip) == 0) return ANB_OK;
    enum anb_status status = member_path(joined, path, packer->err);
    if (status != ANB_OK) return status;
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        return anb_fail(packer->err, ANB_INVALID, "%s is a link: put a copy of the file there", path);
    if (fd < 0) return anb_fail_errno(packer->err, errno, "cannot open %s", path);
    status = pack_open(packer, fd, path);
    close(fd);
    return status;
}

static int is_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "__pycache__") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum anb_status pack_folder(struct packer *packer, int fd, const char *path)
{
    struct dirent **names;
    enum anb_status status = ANB_OK;
    int n_names = scandirat(fd, ".", &names, is_wanted, by_bytes);
    if (n_names < 0) return anb_fail_errno(packer->err, errno, "cannot read folder %s", path);
    for (int i = 0; i < n_names; i++) {
        if (status == ANB_OK) status = pack_one(packer, fd, path, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return status;
}

static enum anb_status pack_into(struct packer *packer, const char *folder, int fd)
{
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) return anb_fail_errno(packer->err, errno, "cannot open folder %s", folder);
    archive_write_set_format_pax_restricted(packer->archive);
    archive_write_set_bytes_in_last_block(packer->archive, 1);
    enum anb_status status = ANB_OK;
    if (archive_write_open_fd(packer->archive, fd) != ARCHIVE_OK)
        status = tar_fail(packer->err, ANB_IO, packer->archive, folder);
    if (status == ANB_OK) status = pack_folder(packer, folder_fd, "");
    if (status == ANB_OK && archive_write_close(packer->archive) != ARCHIVE_OK)
        status = tar_fail(packer->err, ANB_IO, packer->archive, folder);
    close(folder_fd);
    return status;
}

enum anb_status bundle_pack(const char *folder, const char *skip, int fd, struct anb_error *err)
{
    static const struct bundle_limits limits = {BUNDLE_MAX_FILES, BUNDLE_MAX_BYTES};
    struct packer packer = {.skip = skip, .err = err};
    enum anb_status status = members_init(&packer.members, &limits, err);
    if (status != ANB_OK) return status;
    packer.archive = archive_write_new();
    packer.entry = archive_entry_new();
    locale_t before = tar_locale_enter();
    if (packer.archive && packer.entry)
        status = pack_into(&packer, folder, fd);
    else
        status = anb_fail(err, ANB_NO_MEMORY, "no memory to pack %s", folder);
    archive_entry_free(packer.entry);
    archive_write_free(packer.archive);
    tar_locale_leave(before);
    members_fini(&packer.members);
    return status;
}
