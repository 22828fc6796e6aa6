/* Files, whole. Any thread. */
#ifndef ANB_BASE_FILE_H
#define ANB_BASE_FILE_H

#include "base/buf.h"

/* Append the file's bytes to `out`; TOO_LARGE when they pass the buf's ceiling. */
enum anb_status file_read(const char *path, struct buf *out, struct anb_error *err);
/* Write beside it, fsync, rename: after a crash the old or the new bytes stand there, never a part. */
enum anb_status file_write(const char *path, struct slice bytes, struct anb_error *err);
enum anb_status file_write_all(int fd, const void *data, size_t size, int64_t offset, struct anb_error *err);
enum anb_status file_make_folders(const char *path, struct anb_error *err);
/* The folder and all below it; links are removed, not followed. A missing folder is fine. */
enum anb_status file_remove_folder(const char *path, struct anb_error *err);

#endif
