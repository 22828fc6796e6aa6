/* The writer. Its one invariant: `head` is the digest of the last line that stands whole in the file; a line that could
 * not be written whole is cut off again, so nothing but the end of the process leaves a torn one. */
#include "audit/audit.h"

#include "audit/files.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { SYNC_MS = 1000, FLOOD_WINDOW_MS = 60000 };

static const struct {
    const char *word;
    enum audit_when when;
} events[] = {
#define X(code, word, when) {word, AUDIT_##when},
    AUDIT_EVENT_LIST(X)
#undef X
};

const char *audit_word(enum audit_what what)
{
    return events[what].word;
}

enum audit_when audit_when(enum audit_what what)
{
    return events[what].when;
}

struct audit {
    char *node, *subject; /* "project river node site-1" */
    int64_t file_bytes, n_files;
    int folder, fd; /* the folder's lock keeps other processes away */

    pthread_mutex_t lock; /* guards what follows */
    struct chain_head head;
    int64_t bytes, first_sequence; /* of audit.log */
    bool is_synced;
    int64_t synced_ms;
    struct buf text; /* of the line being written */

    int64_t head_ms; /* when the head was taken last, */
    int64_t head_line;
    bool is_pressing;  /* and whether something has happened since that others should soon hear of */
    int64_t n_lost;    /* not written, and not yet told in the log */
    int64_t n_missing; /* since the start */
    int64_t window_ms; /* when this minute of floods began */
    int64_t n_of_kind[AUDIT_N_EVENTS];
};

/* -- one line, under the lock */

static enum anb_status sync_file(struct audit *audit, struct anb_error *err)
{
    if (audit->is_synced) return ANB_OK;
    if (fdatasync(audit->fd) != 0) return anb_fail_errno(err, errno, "the audit log is not on the disk");
    audit->is_synced = true;
    audit->synced_ms = clock_monotonic_ms();
    return ANB_OK;
}

static enum anb_status put_line(struct audit *audit, const struct audit_event *event, struct anb_error *err)
{
    struct audit_line line = {.sequence = audit->head.sequence + 1, .previous = audit->head.digest};
    struct digest digest;
    clock_text(clock_wall_ms(), line.time);
    audit_line_fill(&line, event, audit->node);
    buf_clear(&audit->text);
    enum anb_status status = audit_line_write(&line, &audit->text, &digest, err);
    if (status != ANB_OK) return status;
    status = file_write_all(audit->fd, audit->text.data, audit->text.size, audit->bytes, err);
    if (status != ANB_OK) {
        if (ftruncate(audit->fd, (off_t)audit->bytes) != 0) /* the next line is written over it */
            log_event(LOG_ERROR, "audit-torn", "bytes=%lld", (long long)audit->bytes);
        anb_error_prefix(err, "no line in the audit log: ");
        return status;
    }
    audit->bytes += (int64_t)audit->text.size;
    if (audit->first_sequence == 0) audit->first_sequence = line.sequence;
    audit->head = (struct chain_head){line.sequence, digest};
    audit->is_synced = false;
    audit->is_pressing |= event->what == AUDIT_JOB_ENDED || audit_when(event->what) == AUDIT_DURABLE;
    return ANB_OK;
}

/* -- full files */

static enum anb_status drop_oldest(struct audit *audit, struct anb_error *err)
{
    struct audit_full_files files;
    enum anb_status status = audit_full_files(audit->folder, 0, &files, err);
    while (status == ANB_OK && (int64_t)files.n >= audit->n_files && files.second > 0) {
        char name[AUDIT_NAME_BYTES], detail[128];
        audit_full_name(files.lowest, name);
        snprintf(detail, sizeof detail, "lines %" PRId64 " to %" PRId64 "; %" PRId64 " files are kept", files.lowest,
                 files.second - 1, audit->n_files);
        const struct audit_event dropped = {.what = AUDIT_FILE_DROPPED, .on = name, .detail = detail};
        status = put_line(audit, &dropped, err); /* first the line, then the file */
        if (status == ANB_OK && unlinkat(audit->folder, name, 0) != 0)
            status = anb_fail_errno(err, errno, "cannot remove %s", name);
        if (status == ANB_OK) status = audit_full_files(audit->folder, 0, &files, err);
    }
    return status;
}

/* The full file gets its own name; should there be no new one, it gets the old name back. */
static enum anb_status turn_over(struct audit *audit, struct anb_error *err)
{
    char name[AUDIT_NAME_BYTES];
    audit_full_name(audit->first_sequence, name);
    enum anb_status status = sync_file(audit, err);
    if (status != ANB_OK) return status;
    if (renameat(audit->folder, AUDIT_FILE_NAME, audit->folder, name) != 0)
        return anb_fail_errno(err, errno, "cannot rename the full " AUDIT_FILE_NAME " to %s", name);
    int fd = openat(audit->folder, AUDIT_FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        status = anb_fail_errno(err, errno, "cannot create a new " AUDIT_FILE_NAME);
        if (renameat(audit->folder, name, audit->folder, AUDIT_FILE_NAME) != 0)
            log_event(LOG_ERROR, "audit-renamed", "file=%s", name);
        return status;
    }
    fsync(audit->folder);
    close(audit->fd);
    audit->fd = fd;
    audit->bytes = audit->first_sequence = 0;
    return drop_oldest(audit, err);
}

/* -- lines that are missing */

static enum anb_status tell_missing(struct audit *audit, const char *kind, const char *why, int64_t n,
                                    struct anb_error *err)
{
    char detail[128];
    snprintf(detail, sizeof detail, "%" PRId64 " lines are not here", n);
    const struct audit_event missing = {.what = AUDIT_LINES_MISSING, .on = kind, .outcome = why, .detail = detail};
    return put_line(audit, &missing, err);
}

static enum anb_status end_window(struct audit *audit, bool now, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    int64_t now_ms = clock_monotonic_ms();
    if (!now && now_ms - audit->window_ms < FLOOD_WINDOW_MS) return ANB_OK;
    for (int kind = 0; kind < AUDIT_N_EVENTS && status == ANB_OK; kind++) {
        int64_t n_over = audit->n_of_kind[kind] - AUDIT_FLOOD_PER_MINUTE;
        if (n_over > 0) status = tell_missing(audit, audit_word((enum audit_what)kind), "too-many", n_over, err);
        if (status == ANB_OK) audit->n_of_kind[kind] = 0;
    }
    if (status == ANB_OK) audit->window_ms = now_ms;
    return status;
}

static enum anb_status tell_lost(struct audit *audit, struct anb_error *err)
{
    if (audit->n_lost == 0) return ANB_OK;
    enum anb_status status = tell_missing(audit, NULL, "not-written", audit->n_lost, err);
    if (status == ANB_OK) audit->n_lost = 0;
    return status;
}

/* -- the calls */

static enum anb_status write_event(struct audit *audit, const struct audit_event *event, struct anb_error *err)
{
    enum anb_status status = tell_lost(audit, err);
    if (status == ANB_OK) status = end_window(audit, false, err);
    if (status == ANB_OK && audit->bytes >= audit->file_bytes) status = turn_over(audit, err);
    if (status == ANB_OK && audit_when(event->what) == AUDIT_FLOOD &&
        audit->n_of_kind[event->what]++ >= AUDIT_FLOOD_PER_MINUTE) {
        audit->n_missing++;
        return ANB_OK;
    }
    if (status == ANB_OK) status = put_line(audit, event, err);
    bool is_due = audit_when(event->what) == AUDIT_DURABLE || clock_monotonic_ms() - audit->synced_ms >= SYNC_MS;
    return status == ANB_OK && is_due ? sync_file(audit, err) : status;
}

enum anb_status audit_write(struct audit *audit, const struct audit_event *event, struct anb_error *err)
{
    struct anb_error own;
    if (!audit) return ANB_OK;
    if (!err) err = &own;
    pthread_mutex_lock(&audit->lock);
    enum anb_status status = write_event(audit, event, err);
    if (status != ANB_OK && audit_when(event->what) >= AUDIT_AFTER) {
        audit->n_lost++;
        audit->n_missing++;
    }
    pthread_mutex_unlock(&audit->lock);
    if (status != ANB_OK) log_event(LOG_ERROR, "audit-failed", "what=%s reason=%s", audit_word(event->what), err->text);
    return status;
}

bool audit_head_is_due(struct audit *audit)
{
    pthread_mutex_lock(&audit->lock);
    int64_t after_ms = audit->is_pressing ? AUDIT_PRESSING_MS : AUDIT_HEAD_MS;
    bool is_due = audit->head.sequence > audit->head_line && clock_monotonic_ms() - audit->head_ms >= after_ms;
    pthread_mutex_unlock(&audit->lock);
    return is_due;
}

enum anb_status audit_take_head(struct audit *audit, struct chain_head *head, struct anb_error *err)
{
    pthread_mutex_lock(&audit->lock);
    enum anb_status status = sync_file(audit, err);
    if (status == ANB_OK) {
        *head = audit->head;
        audit->head_line = head->sequence;
        audit->head_ms = clock_monotonic_ms();
        audit->is_pressing = false;
    }
    pthread_mutex_unlock(&audit->lock);
    return status;
}

int64_t audit_n_missing(struct audit *audit)
{
    pthread_mutex_lock(&audit->lock);
    int64_t n = audit->n_missing;
    pthread_mutex_unlock(&audit->lock);
    return n;
}

/* -- opening and closing */

static enum anb_status lock_folder(struct audit *audit, const char *path, struct anb_error *err)
{
    enum anb_status status = file_make_folders(path, err);
    if (status != ANB_OK) return status;
    audit->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (audit->folder < 0) return anb_fail_errno(err, errno, "cannot open %s", path);
    if (flock(audit->folder, LOCK_EX | LOCK_NB) == 0) return ANB_OK;
    if (errno != EWOULDBLOCK) return anb_fail_errno(err, errno, "cannot lock %s", path);
    return anb_fail(err, ANB_EXISTS, "another process keeps its audit log in %s: give each its own folder", path);
}

/* When audit.log has no line the chain ends in the last full file. */
static enum anb_status find_head(struct audit *audit, struct anb_error *err)
{
    struct audit_full_files files;
    struct audit_tail tail;
    char name[AUDIT_NAME_BYTES];
    enum anb_status status = audit_full_files(audit->folder, 0, &files, err);
    if (status != ANB_OK || files.n == 0) return status;
    int fd = openat(audit->folder, audit_full_name(files.highest, name), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return anb_fail_errno(err, errno, "cannot open %s", name);
    status = audit_tail_read(fd, name, &tail, err);
    close(fd);
    if (status == ANB_OK) audit->head = tail.head;
    return status;
}

static enum anb_status repair(struct audit *audit, const struct audit_tail *tail, struct anb_error *err)
{
    char detail[192], digest[DIGEST_TEXT_BYTES];
    if (ftruncate(audit->fd, (off_t)tail->bytes) != 0) return anb_fail_errno(err, errno, "cannot cut the audit log");
    snprintf(detail, sizeof detail, "%" PRId64 " bytes of an unfinished line were removed, SHA-256 %s", tail->n_torn,
             digest_text(&tail->torn, digest));
    log_event(LOG_WARN, "audit-repaired", "bytes=%lld", (long long)tail->n_torn);
    return put_line(audit, &(struct audit_event){.what = AUDIT_LOG_REPAIRED, .detail = detail}, err);
}

static enum anb_status open_file(struct audit *audit, struct anb_error *err)
{
    struct audit_tail tail;
    audit->fd = openat(audit->folder, AUDIT_FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (audit->fd < 0) return anb_fail_errno(err, errno, "cannot open " AUDIT_FILE_NAME);
    enum anb_status status = audit_tail_read(audit->fd, AUDIT_FILE_NAME, &tail, err);
    if (status != ANB_OK) return status;
    audit->head = tail.head;
    audit->bytes = tail.bytes;
    audit->first_sequence = tail.first_sequence;
    if (tail.head.sequence == 0) status = find_head(audit, err);
    bool is_new = audit->head.sequence == 0;
    if (status == ANB_OK && tail.n_torn > 0) status = repair(audit, &tail, err);
    const struct audit_event opened = {.what = is_new ? AUDIT_LOG_BEGAN : AUDIT_LOG_OPENED, .on = audit->subject};
    return status == ANB_OK ? put_line(audit, &opened, err) : status;
}

enum anb_status audit_open(const struct audit_config *config, struct audit **out, struct anb_error *err)
{
    struct audit *audit = calloc(1, sizeof *audit);
    if (!audit) return anb_fail(err, ANB_NO_MEMORY, "no memory for an audit log");
    audit->folder = audit->fd = -1;
    audit->file_bytes = config->file_bytes ? config->file_bytes : AUDIT_FILE_BYTES;
    audit->n_files = config->n_files ? config->n_files : AUDIT_N_FILES;
    audit->window_ms = audit->synced_ms = audit->head_ms = clock_monotonic_ms();
    pthread_mutex_init(&audit->lock, NULL);
    buf_init(&audit->text, AUDIT_LINE_MAX_BYTES);
    audit->node = strdup(config->node);
    if (asprintf(&audit->subject, "project %s node %s", config->project, config->node) < 0) audit->subject = NULL;
    enum anb_status status = audit->node && audit->subject ? lock_folder(audit, config->folder, err)
                                                           : anb_fail(err, ANB_NO_MEMORY, "no memory for an audit log");
    if (status == ANB_OK) {
        status = open_file(audit, err);
        if (status == ANB_OK) status = sync_file(audit, err);
        if (status != ANB_OK) anb_error_prefix(err, "%s: ", config->folder);
    }
    if (status == ANB_OK) {
        *out = audit;
        return ANB_OK;
    }
    if (audit->fd >= 0) close(audit->fd);
    audit->fd = -1;
    audit_close(audit);
    return status;
}

static void end_log(struct audit *audit)
{
    struct anb_error err;
    enum anb_status status = tell_lost(audit, &err);
    if (status == ANB_OK) status = end_window(audit, true, &err);
    if (status == ANB_OK) status = put_line(audit, &(struct audit_event){.what = AUDIT_LOG_CLOSED}, &err);
    if (status == ANB_OK) status = sync_file(audit, &err);
    if (status != ANB_OK) log_event(LOG_ERROR, "audit-failed", "what=log-closed reason=%s", err.text);
    close(audit->fd);
}

void audit_close(struct audit *audit)
{
    if (!audit) return;
    if (audit->fd >= 0) end_log(audit);
    if (audit->folder >= 0) close(audit->folder);
    pthread_mutex_destroy(&audit->lock);
    buf_fini(&audit->text);
    free(audit->subject);
    free(audit->node);
    free(audit);
}
