#include "audit/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- the end of a file */

static enum anb_status read_part(int fd, const char *name, int64_t offset, size_t size, struct buf *out,
                                 struct anb_error *err)
{
    enum anb_status status = buf_reserve(out, size, err);
    if (status != ANB_OK) return status;
    for (out->size = 0; out->size < size;) {
        ssize_t got = pread(fd, out->data + out->size, size - out->size, (off_t)(offset + (int64_t)out->size));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return anb_fail_errno(err, got < 0 ? errno : EIO, "cannot read %s", name);
        out->size += (size_t)got;
    }
    return ANB_OK;
}

/* The last of the lines in `bytes` that is whole; *end is where it ends, 0: there is none. */
static enum anb_status last_line(struct slice bytes, size_t *end, struct chain_head *head, struct anb_error *err)
{
    const char *text = bytes.data;
    for (size_t stop = bytes.size; stop > 0; stop--) {
        if (text[stop - 1] != '\n') continue;
        size_t start = stop - 1;
        while (start > 0 && text[start - 1] != '\n') start--;
        struct audit_line line;
        enum anb_status status = audit_line_read(slice_of(text + start, stop - 1 - start), &line, &head->digest, err);
        if (status == ANB_NO_MEMORY) return status;
        if (status != ANB_OK) continue;
        *end = stop;
        head->sequence = line.sequence;
        return ANB_OK;
    }
    *end = 0;
    *head = (struct chain_head){0};
    return ANB_OK;
}

static enum anb_status find_end(struct slice bytes, int64_t offset, const char *name, struct audit_tail *tail,
                                struct anb_error *err)
{
    size_t end;
    enum anb_status status = last_line(bytes, &end, &tail->head, err);
    if (status != ANB_OK) return status;
    bool one_at_most = offset == 0 && bytes.size < AUDIT_LINE_MAX_BYTES && !memchr(bytes.data, '\n', bytes.size);
    if (end == 0 && !one_at_most)
        return anb_fail(err, ANB_CORRUPT,
                        "the end of %s holds no line of an audit log: move the file away, and keep it for whoever asks",
                        name);
    tail->bytes = offset + (int64_t)end;
    tail->n_torn = (int64_t)(bytes.size - end);
    return digest_of(slice_of((const char *)bytes.data + end, bytes.size - end), &tail->torn, err);
}

static enum anb_status find_begin(struct slice bytes, const char *name, struct audit_tail *tail, struct anb_error *err)
{
    struct audit_line line;
    struct digest digest;
    const char *newline = memchr(bytes.data, '\n', bytes.size);
    if (!newline) return anb_fail(err, ANB_CORRUPT, "%s does not begin with a line of an audit log", name);
    size_t size = (size_t)(newline - (const char *)bytes.data);
    enum anb_status status = audit_line_read(slice_of(bytes.data, size), &line, &digest, err);
    if (status == ANB_OK) tail->first_sequence = line.sequence;
    if (status != ANB_OK) anb_error_prefix(err, "%s:1: ", name);
    return status;
}

enum anb_status audit_tail_read(int fd, const char *name, struct audit_tail *out, struct anb_error *err)
{
    struct stat info;
    struct buf bytes;
    struct audit_tail tail = {0};
    if (fstat(fd, &info) != 0) return anb_fail_errno(err, errno, "cannot look at %s", name);
    int64_t size = info.st_size, offset = size > AUDIT_TAIL_BYTES ? size - AUDIT_TAIL_BYTES : 0;
    buf_init(&bytes, AUDIT_TAIL_BYTES + 1);
    enum anb_status status = ANB_OK;
    if (size > 0) {
        status = read_part(fd, name, offset, (size_t)(size - offset), &bytes, err);
        if (status == ANB_OK) status = find_end(buf_slice(&bytes), offset, name, &tail, err);
    }
    if (status == ANB_OK && tail.head.sequence > 0) {
        status = read_part(fd, name, 0, (size_t)(size < AUDIT_TAIL_BYTES ? size : AUDIT_TAIL_BYTES), &bytes, err);
        if (status == ANB_OK) status = find_begin(buf_slice(&bytes), name, &tail, err);
    }
    buf_fini(&bytes);
    if (status == ANB_OK) *out = tail;
    return status;
}

/* -- full files */

const char *audit_full_name(int64_t first_sequence, char name[AUDIT_NAME_BYTES])
{
    snprintf(name, AUDIT_NAME_BYTES, "audit-%012" PRId64 ".log", first_sequence);
    return name;
}

static int64_t sequence_of(const char *name)
{
    char again[AUDIT_NAME_BYTES];
    if (strncmp(name, "audit-", 6) != 0) return 0;
    int64_t sequence = strtoll(name + 6, NULL, 10);
    return sequence > 0 && strcmp(audit_full_name(sequence, again), name) == 0 ? sequence : 0;
}

static void count_file(struct audit_full_files *files, int64_t sequence)
{
    files->n++;
    if (sequence > files->highest) files->highest = sequence;
    if (files->lowest == 0 || sequence < files->lowest) {
        files->second = files->lowest;
        files->lowest = sequence;
    } else if (files->second == 0 || sequence < files->second) {
        files->second = sequence;
    }
}

enum anb_status audit_full_files(int folder, int64_t after, struct audit_full_files *files, struct anb_error *err)
{
    int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* with a position of its own */
    DIR *all = own >= 0 ? fdopendir(own) : NULL;
    if (!all) {
        int why = errno;
        if (own >= 0) close(own);
        return anb_fail_errno(err, why, "cannot list the folder of the audit log");
    }
    *files = (struct audit_full_files){0};
    for (const struct dirent *entry = readdir(all); entry; entry = readdir(all)) {
        int64_t sequence = sequence_of(entry->d_name);
        if (sequence > after) count_file(files, sequence);
    }
    closedir(all);
    return ANB_OK;
}
