#include "privacy/ledger.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512, TAIL_BYTES = 2 * LINE_MAX_BYTES };

struct tail { /* the end of the file, whole lines */
    char text[TAIL_BYTES];
    size_t size;
    int64_t end; /* byte behind the last whole line */
};

static enum anb_status corrupt(const char *path, struct anb_error *err)
{
    return anb_fail(
        err, ANB_CORRUPT,
        "%s is not the ledger that was written here: find out what happened to it; the scope's updates stay "
        "until it is put right",
        path);
}

static enum anb_status read_tail(int fd, const char *path, struct tail *tail, struct anb_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return anb_fail_errno(err, errno, "cannot look at %s", path);
    int64_t from = info.st_size > TAIL_BYTES ? info.st_size - TAIL_BYTES : 0;
    ssize_t got = pread(fd, tail->text, TAIL_BYTES, from);
    if (got < 0) return anb_fail_errno(err, errno, "cannot read %s", path);
    tail->size = (size_t)got;
    while (tail->size > 0 && tail->text[tail->size - 1] != '\n') tail->size--;
    tail->end = from + (int64_t)tail->size;
    if (tail->size == 0 && from > 0) return corrupt(path, err);
    return ANB_OK;
}

static bool read_number(const struct doc *map, const char *key, double *number)
{
    *number = doc_real(doc_get(map, key), -1);
    return isfinite(*number) && *number >= 0;
}

static bool read_loss(const struct doc *map, const char *keys[3], struct privacy_loss *loss)
{
    return read_number(map, keys[0], &loss->rho) && read_number(map, keys[1], &loss->pure) &&
           read_number(map, keys[2], &loss->numbers);
}

static bool read_entry(const struct doc *map, struct ledger_entry *entry)
{
    *entry = (struct ledger_entry){.number = doc_int(doc_get(map, "update"), -1),
                                   .time_ms = doc_int(doc_get(map, "time_ms"), -1),
                                   .round = (int32_t)doc_int(doc_get(map, "round"), -1)};
    snprintf(entry->job, sizeof entry->job, "%s", doc_text(doc_get(map, "job"), ""));
    return entry->number > 0 && entry->time_ms >= 0 && *entry->job &&
           read_number(map, "budget", &entry->budget.epsilon) && read_number(map, "delta", &entry->budget.delta) &&
           read_loss(map, (const char *[]){"rho", "pure", "numbers"}, &entry->loss) &&
           read_loss(map, (const char *[]){"total_rho", "total_pure", "total_numbers"}, &entry->total);
}

static enum anb_status last_entry(int fd, const char *path, struct tail *tail, struct ledger_entry *entry,
                                  struct anb_error *err)
{
    struct doc *map = NULL;
    *entry = (struct ledger_entry){.round = -1};
    enum anb_status status = read_tail(fd, path, tail, err);
    if (status != ANB_OK || tail->size == 0) return status;
    const char *start = tail->text, *newline = memrchr(tail->text, '\n', tail->size - 1);
    if (newline) start = newline + 1;
    struct slice line = slice_of(start, (size_t)(tail->text + tail->size - 1 - start));
    bool fine = doc_parse_json(line, path, &map, NULL) == ANB_OK && read_entry(map, entry);
    doc_free(map);
    return fine ? ANB_OK : corrupt(path, err);
}

static enum anb_status write_line(struct buf *line, const struct ledger_entry *entry, struct anb_error *err)
{
    struct doc *map = doc_new_map();
    doc_set_int(map, "update", entry->number);
    doc_set_int(map, "time_ms", entry->time_ms);
    doc_set_text(map, "job", entry->job);
    doc_set_int(map, "round", entry->round);
    doc_set_real(map, "rho", entry->loss.rho);
    doc_set_real(map, "pure", entry->loss.pure);
    doc_set_real(map, "numbers", entry->loss.numbers);
    doc_set_real(map, "total_rho", entry->total.rho);
    doc_set_real(map, "total_pure", entry->total.pure);
    doc_set_real(map, "total_numbers", entry->total.numbers);
    doc_set_real(map, "epsilon", privacy_epsilon(&entry->total, entry->budget.delta));
    doc_set_real(map, "budget", entry->budget.epsilon);
    bool whole = doc_set_real(map, "delta", entry->budget.delta) != NULL;
    enum anb_status status =
        whole ? doc_write_json(map, false, line, err) : anb_fail(err, ANB_NO_MEMORY, "no memory for a ledger's line");
    if (status == ANB_OK) status = buf_append_text(line, "\n", err);
    doc_free(map);
    return status;
}

enum anb_status ledger_check(const char *path, const struct filter_budget *budget, const struct privacy_loss *total,
                             const struct privacy_loss *loss, struct anb_error *err)
{
    struct privacy_loss after = *total;
    privacy_loss_add(&after, loss);
    double epsilon = privacy_epsilon(&after, budget->delta);
    if (epsilon <= budget->epsilon) return ANB_OK;
    const char *slash = strrchr(path, '/');
    return anb_fail(err, ANB_DENIED,
                    "the site's privacy budget is spent: epsilon %.4g of %g at delta %g in %s, and this update would "
                    "make it %.4g",
                    privacy_epsilon(total, budget->delta), budget->epsilon, budget->delta, slash ? slash + 1 : path,
                    epsilon);
}

/* A file that was made just now is there after a power loss only when its folder says so. */
static enum anb_status sync_folder(const char *path, struct anb_error *err)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return anb_fail_errno(err, errno, "cannot open the folder of %s", path);
    int rc = fsync(fd);
    int why = errno;
    close(fd);
    return rc == 0 ? ANB_OK : anb_fail_errno(err, why, "cannot write the folder of %s", path);
}

static enum anb_status append_line(int fd, const char *path, int64_t end, struct slice line, struct anb_error *err)
{
    if (ftruncate(fd, (off_t)end) != 0) return anb_fail_errno(err, errno, "cannot write %s", path);
    enum anb_status status = file_write_all(fd, line.data, line.size, end, err);
    if (status == ANB_OK && fsync(fd) != 0) status = anb_fail_errno(err, errno, "cannot write %s", path);
    if (status == ANB_OK && end == 0) status = sync_folder(path, err);
    return status;
}

static enum anb_status open_locked(const char *path, int flags, int lock, int *fd, struct anb_error *err)
{
    int opened = open(path, flags | O_CLOEXEC, 0600);
    if (opened < 0) return anb_fail_errno(err, errno, "cannot open %s", path);
    int rc;
    do rc = flock(opened, lock);
    while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        *fd = opened;
        return ANB_OK;
    }
    enum anb_status status = anb_fail_errno(err, errno, "cannot lock %s", path);
    close(opened);
    return status;
}

enum anb_status ledger_spend(const char *path, const struct filter_budget *budget, struct ledger_entry *entry,
                             struct anb_error *err)
{
    int fd;
    struct tail tail;
    struct ledger_entry last;
    struct buf line;
    enum anb_status status = open_locked(path, O_RDWR | O_CREAT, LOCK_EX, &fd, err);
    if (status != ANB_OK) return status;
    buf_init(&line, LINE_MAX_BYTES);
    status = last_entry(fd, path, &tail, &last, err);
    if (status == ANB_OK) {
        entry->number = last.number + 1;
        entry->budget = *budget;
        entry->total = last.total;
        privacy_loss_add(&entry->total, &entry->loss);
        status = ledger_check(path, budget, &last.total, &entry->loss, err);
    }
    if (status == ANB_OK) status = write_line(&line, entry, err);
    if (status == ANB_OK) status = append_line(fd, path, tail.end, buf_slice(&line), err);
    buf_fini(&line);
    close(fd);
    return status;
}

enum anb_status ledger_last(const char *path, struct ledger_entry *entry, struct anb_error *err)
{
    int fd;
    struct tail tail;
    enum anb_status status = open_locked(path, O_RDONLY, LOCK_SH, &fd, err);
    if (status != ANB_OK) return status;
    status = last_entry(fd, path, &tail, entry, err);
    close(fd);
    return status;
}
