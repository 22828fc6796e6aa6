#include "server/folders.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static enum anb_status lock_folder(struct folders *folders, struct anb_error *err)
{
    char path[3200];
    snprintf(path, sizeof path, "%s/lock", folders->data);
    folders->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (folders->lock_fd < 0) return anb_fail_errno(err, errno, "cannot open %s", path);
    if (flock(folders->lock_fd, LOCK_EX | LOCK_NB) == 0) return ANB_OK;
    return anb_fail(err, ANB_DENIED, "another server uses the data folder %s: give each its own", folders->data);
}

static enum anb_status check_project(struct folders *folders, const char *project, struct anb_error *err)
{
    char path[3200];
    struct buf name;
    snprintf(path, sizeof path, "%s/project", folders->data);
    buf_init(&name, 256);
    enum anb_status status = file_read(path, &name, err);
    if (status == ANB_NOT_FOUND)
        status = file_write(path, slice_of_text(project), err);
    else if (status == ANB_OK && strcmp(buf_text(&name), project) != 0)
        status = anb_fail(err, ANB_DENIED, "the data folder %s is of project %s, not %s", folders->data,
                          buf_text(&name), project);
    buf_fini(&name);
    return status;
}

enum anb_status folders_open(const char *data, const char *project, struct folders *folders, struct anb_error *err)
{
    folders->lock_fd = -1;
    if (snprintf(folders->data, sizeof folders->data, "%s", data) >= (int)sizeof folders->data)
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", data);
    snprintf(folders->jobs, sizeof folders->jobs, "%s/jobs", data);
    snprintf(folders->incoming, sizeof folders->incoming, "%s/incoming", data);
    enum anb_status status = file_make_folders(folders->jobs, err);
    if (status == ANB_OK) status = lock_folder(folders, err);
    if (status == ANB_OK) status = check_project(folders, project, err);
    if (status == ANB_OK) status = file_remove_folder(folders->incoming, err);
    if (status == ANB_OK) status = file_make_folders(folders->incoming, err);
    if (status != ANB_OK) folders_close(folders);
    return status;
}

void folders_close(struct folders *folders)
{
    if (folders->lock_fd >= 0) close(folders->lock_fd);
    folders->lock_fd = -1;
}
