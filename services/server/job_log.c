#include "server/job_log.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, INDEX_STEP = 128, LINE_MAX_BYTES = 65536, READ_BYTES = 65536 };

struct job_log {
    char job[17];
    int64_t n_lines, size;
    bool is_full;
    int64_t last_offset[JOB_LOG_MAX_PARTITIONS]; /* written so far; -1: none */
    int64_t *index;                              /* where every INDEX_STEP-th line begins */
    size_t n_index, index_room;
    struct job_log *next;
};

struct job_logs {
    char folder[PATH_BYTES - 64];
    int64_t ceiling_bytes;
    pthread_mutex_t lock; /* over all that follows */
    struct job_log *first;
};

bool job_id_is_valid(const char *job)
{
    return strlen(job) == 16 && strspn(job, "0123456789abcdef") == 16;
}

/* -- numbering */

static bool index_line(struct job_log *log, int64_t begin)
{
    if (log->n_lines % INDEX_STEP != 0) return true;
    if (log->n_index == log->index_room) {
        size_t room = log->index_room ? 2 * log->index_room : 16;
        int64_t *index = realloc(log->index, room * sizeof *index);
        if (!index) return false;
        log->index = index;
        log->index_room = room;
    }
    log->index[log->n_index++] = begin;
    return true;
}

static void note_place(struct job_log *log, int32_t partition, int64_t offset)
{
    if (partition < 0 || partition >= JOB_LOG_MAX_PARTITIONS) return;
    if (offset > log->last_offset[partition]) log->last_offset[partition] = offset;
}

/* {"p":0,"o":17,... : the place stands first, so that numbering a file needs no JSON parser. */
static enum anb_status number_line(struct job_log *log, const char *line, size_t size, int64_t begin)
{
    char start[64];
    int partition;
    long long offset;
    snprintf(start, sizeof start, "%.*s", (int)(size < 63 ? size : 63), line);
    if (sscanf(start, "{\"p\":%d,\"o\":%lld,", &partition, &offset) == 2) note_place(log, partition, (int64_t)offset);
    if (!index_line(log, begin)) return ANB_NO_MEMORY;
    log->n_lines++;
    log->size = begin + (int64_t)size;
    return ANB_OK;
}

static enum anb_status number_file(struct job_log *log, int fd, struct anb_error *err)
{
    static const size_t room = LINE_MAX_BYTES + READ_BYTES;
    char *part = malloc(room);
    size_t held = 0;
    enum anb_status status = part ? ANB_OK : ANB_NO_MEMORY;
    while (status == ANB_OK) {
        ssize_t got = pread(fd, part + held, room - held, log->size + (int64_t)held);
        if (got <= 0) break;
        held += (size_t)got;
        char *begin = part, *end;
        while (status == ANB_OK && (end = memchr(begin, '\n', held)) != NULL) {
            size_t size = (size_t)(end + 1 - begin);
            status = number_line(log, begin, size, log->size);
            begin += size;
            held -= size;
        }
        memmove(part, begin, held);
        if (held == room) break; /* no line is that long: what follows is not ours */
    }
    free(part);
    return status == ANB_OK ? ANB_OK : anb_fail(err, status, "no memory for the log of job %s", log->job);
}

static int open_file(const struct job_logs *logs, const char *job, int flags)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s/logs.jsonl", logs->folder, job);
    return open(path, flags | O_CLOEXEC, 0600);
}

/* What a crash left half-written is cut off: its record comes again. */
static enum anb_status load(struct job_logs *logs, struct job_log *log, struct anb_error *err)
{
    int fd = open_file(logs, log->job, O_RDWR);
    if (fd < 0 && errno == ENOENT) return ANB_OK;
    if (fd < 0) return anb_fail_errno(err, errno, "cannot open the log of job %s", log->job);
    enum anb_status status = number_file(log, fd, err);
    if (status == ANB_OK && ftruncate(fd, (off_t)log->size) != 0)
        status = anb_fail_errno(err, errno, "cannot cut the log of job %s", log->job);
    close(fd);
    log->is_full = log->size >= logs->ceiling_bytes;
    return status;
}

static void free_log(struct job_log *log)
{
    free(log->index);
    free(log);
}

/* Under the lock. */
static enum anb_status find(struct job_logs *logs, const char *job, struct job_log **out, struct anb_error *err)
{
    for (struct job_log *log = logs->first; log; log = log->next)
        if (strcmp(log->job, job) == 0) {
            *out = log;
            return ANB_OK;
        }
    if (!job_id_is_valid(job)) return anb_fail(err, ANB_INVALID, "\"%.32s\" is no job id", job);
    struct job_log *log = calloc(1, sizeof *log);
    if (!log) return anb_fail(err, ANB_NO_MEMORY, "no memory for the log of job %s", job);
    memcpy(log->job, job, sizeof log->job);
    for (int p = 0; p < JOB_LOG_MAX_PARTITIONS; p++) log->last_offset[p] = -1;
    enum anb_status status = load(logs, log, err);
    if (status != ANB_OK) {
        free_log(log);
        return status;
    }
    log->next = logs->first;
    logs->first = log;
    *out = log;
    return ANB_OK;
}

/* -- writing */

static enum anb_status write_line(const struct telemetry *record, int32_t partition, int64_t offset, struct buf *out,
                                  struct anb_error *err)
{
    char number[512];
    const char *text = record->text;
    if (*record->key) {
        snprintf(number, sizeof number, record->step >= 0 ? "%.256s=%.9g step=%lld" : "%.256s=%.9g", record->key,
                 record->value, (long long)record->step);
        text = number;
    }
    struct doc *line = doc_new_map();
    doc_set_int(line, "p", partition);
    doc_set_int(line, "o", offset);
    doc_set_int(line, "time_ms", record->head.time_ms);
    doc_set_text(line, "site", record->head.node);
    if (record->round >= 0)
        doc_set_int(line, "round", record->round);
    else
        doc_set_text(line, "round", NULL);
    doc_set_text(line, "source", record->source);
    enum anb_status status = doc_set_text(line, "text", text)
                                 ? doc_write_json(line, false, out, err)
                                 : anb_fail(err, ANB_NO_MEMORY, "no memory for a log line");
    doc_free(line);
    return status == ANB_OK ? buf_append_text(out, "\n", err) : status;
}

/* Under the lock. */
static enum anb_status append_line(struct job_logs *logs, struct job_log *log, struct slice line, struct anb_error *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", logs->folder, log->job);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) return anb_fail_errno(err, errno, "cannot make folder %.200s", path);
    int fd = open_file(logs, log->job, O_WRONLY | O_CREAT);
    if (fd < 0) return anb_fail_errno(err, errno, "cannot open the log of job %s", log->job);
    enum anb_status status = file_write_all(fd, line.data, line.size, log->size, err);
    if (status == ANB_OK) status = index_line(log, log->size) ? ANB_OK : anb_fail(err, ANB_NO_MEMORY, "no memory");
    if (status == ANB_OK) {
        log->n_lines++;
        log->size += (int64_t)line.size;
    } else if (ftruncate(fd, (off_t)log->size) != 0)
        log_event(LOG_WARN, "log-torn", "job=%s", log->job);
    close(fd);
    return status;
}

static enum anb_status append_record(struct job_logs *logs, struct job_log *log, const struct telemetry *record,
                                     int32_t partition, int64_t offset, struct anb_error *err)
{
    struct telemetry last = *record;
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    enum anb_status status = write_line(record, partition, offset, &line, err);
    bool fits = log->size + (int64_t)line.size <= logs->ceiling_bytes;
    if (status == ANB_OK && !fits) {
        last.key = "";
        last.source = "server";
        last.text = "the log of this job has reached its ceiling: later lines are left out";
        buf_clear(&line);
        status = write_line(&last, partition, offset, &line, err);
    }
    if (status == ANB_OK) status = append_line(logs, log, buf_slice(&line), err);
    if (status == ANB_OK && !fits) log->is_full = true;
    buf_fini(&line);
    return status;
}

enum anb_status job_logs_append(struct job_logs *logs, const struct telemetry *record, int32_t partition,
                                int64_t offset, struct anb_error *err)
{
    struct job_log *log;
    if (partition < 0 || partition >= JOB_LOG_MAX_PARTITIONS)
        return anb_fail(err, ANB_INVALID, "partition %d is above %d", partition, JOB_LOG_MAX_PARTITIONS - 1);
    pthread_mutex_lock(&logs->lock);
    enum anb_status status = find(logs, record->job, &log, err);
    if (status == ANB_OK && offset <= log->last_offset[partition])
        status = anb_fail(err, ANB_EXISTS, "the line is there already");
    if (status == ANB_OK && log->is_full)
        status = anb_fail(err, ANB_TOO_LARGE, "the log of job %s is full", record->job);
    if (status == ANB_OK) status = append_record(logs, log, record, partition, offset, err);
    if (status == ANB_OK) note_place(log, partition, offset);
    pthread_mutex_unlock(&logs->lock);
    return status;
}

/* -- reading */

static void add_line(struct doc *list, const char *line, size_t size, int64_t number)
{
    static const char *const keys[] = {"time_ms", "site", "round", "source", "text"};
    struct doc *parsed = NULL;
    doc_parse_json(slice_of(line, size), "log line", &parsed, NULL);
    struct doc *map = doc_add_map(list);
    doc_set_int(map, "n", number);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) doc_set_copy(map, keys[i], doc_get(parsed, keys[i]));
    doc_free(parsed);
}

struct span {                  /* of lines in a file */
    int64_t number, from, end; /* number of the first line read, of the first wanted, of the one after the last */
    int64_t begin;             /* its place in the file */
};

static enum anb_status read_span(int fd, const struct span *span, int64_t limit, struct doc *list, int64_t *next,
                                 struct anb_error *err)
{
    FILE *file = fdopen(fd, "r");
    if (!file) {
        close(fd);
        return anb_fail_errno(err, errno, "cannot read a log");
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    int64_t number = span->number;
    fseeko(file, (off_t)span->begin, SEEK_SET);
    while (number < span->end && *next - span->from < limit && (size = getline(&line, &room, file)) > 0) {
        if (number >= span->from) {
            add_line(list, line, (size_t)size, number);
            *next = number + 1;
        }
        number++;
    }
    free(line);
    fclose(file);
    return ANB_OK;
}

enum anb_status job_logs_read(struct job_logs *logs, const char *job, int64_t from, int64_t limit, struct doc *list,
                              int64_t *next, struct anb_error *err)
{
    struct job_log *log;
    struct span span = {.from = from};
    int fd = -1;
    *next = from;
    pthread_mutex_lock(&logs->lock);
    enum anb_status status = find(logs, job, &log, err);
    if (status == ANB_OK && from < log->n_lines) {
        size_t at = (size_t)(from / INDEX_STEP);
        span = (struct span){
            .number = (int64_t)at * INDEX_STEP, .from = from, .end = log->n_lines, .begin = log->index[at]};
        fd = open_file(logs, job, O_RDONLY);
    }
    pthread_mutex_unlock(&logs->lock);
    return fd < 0 ? status : read_span(fd, &span, limit, list, next, err);
}

int64_t job_logs_count(struct job_logs *logs, const char *job)
{
    struct job_log *log;
    pthread_mutex_lock(&logs->lock);
    int64_t count = find(logs, job, &log, NULL) == ANB_OK ? log->n_lines : 0;
    pthread_mutex_unlock(&logs->lock);
    return count;
}

void job_logs_forget(struct job_logs *logs, const char *job)
{
    pthread_mutex_lock(&logs->lock);
    for (struct job_log **at = &logs->first; *at; at = &(*at)->next) {
        struct job_log *log = *at;
        if (strcmp(log->job, job) != 0) continue;
        *at = log->next;
        free_log(log);
        break;
    }
    pthread_mutex_unlock(&logs->lock);
}

enum anb_status job_logs_open(const char *folder, int64_t ceiling_bytes, struct job_logs **logs, struct anb_error *err)
{
    struct job_logs *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for the logs of jobs");
    if (snprintf(made->folder, sizeof made->folder, "%s", folder) >= (int)sizeof made->folder) {
        free(made);
        return anb_fail(err, ANB_INVALID, "path too long: %.200s", folder);
    }
    made->ceiling_bytes = ceiling_bytes;
    pthread_mutex_init(&made->lock, NULL);
    *logs = made;
    return ANB_OK;
}

void job_logs_close(struct job_logs *logs)
{
    if (!logs) return;
    while (logs->first) {
        struct job_log *next = logs->first->next;
        free_log(logs->first);
        logs->first = next;
    }
    pthread_mutex_destroy(&logs->lock);
    free(logs);
}
