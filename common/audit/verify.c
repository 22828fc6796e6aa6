#include "audit/verify.h"

#include "audit/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
    struct audit_verdict *verdict;
    const struct chain_head *heads;
    size_t n_heads;
    bool *met;
    int64_t line; /* in the current file */
};

static void break_at(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void break_at(struct check *check, const char *format, ...)
{
    va_list values;
    if (check->verdict->is_broken) return; /* the first one counts */
    va_start(values, format);
    vsnprintf(check->verdict->reason, sizeof check->verdict->reason, format, values);
    va_end(values);
    check->verdict->is_broken = true;
    check->verdict->line = check->line;
}

/* -- one line */

static void compare_heads(struct check *check, const struct chain_head *here)
{
    for (size_t i = 0; i < check->n_heads; i++) {
        const struct chain_head *head = &check->heads[i];
        bool is_same = digest_equal(&head->digest, &here->digest);
        if (is_same && (head->sequence == 0 || head->sequence == here->sequence)) check->met[i] = true;
        if (!is_same && head->sequence == here->sequence)
            break_at(check,
                     "line %" PRId64 " is not the one whose digest was kept elsewhere: it was altered, or all "
                     "lines were written anew",
                     here->sequence);
    }
}

static void take_line(struct check *check, struct slice text)
{
    struct audit_verdict *verdict = check->verdict;
    struct audit_line line;
    struct chain_head here;
    struct anb_error err;
    check->line++;
    enum anb_status status = audit_line_read(text, &line, &here.digest, &err);
    here.sequence = line.sequence;
    if (status != ANB_OK)
        break_at(check, "no line of an audit log: %.160s", err.text);
    else if (verdict->n_lines == 0)
        verdict->first_sequence = line.sequence;
    else if (line.sequence != verdict->last.sequence + 1)
        break_at(check, "line %" PRId64 " follows line %" PRId64 ": lines are missing or out of order", line.sequence,
                 verdict->last.sequence);
    else if (!digest_equal(&line.previous, &verdict->last.digest))
        break_at(check, "it names another digest of line %" PRId64 " than that has: one of the two was altered",
                 verdict->last.sequence);
    static const struct digest zeros;
    if (status == ANB_OK && line.sequence == 1 && !digest_equal(&line.previous, &zeros))
        break_at(check, "the first line of a chain names no digest before it");
    if (verdict->is_broken) return;
    verdict->n_lines++;
    verdict->last = here;
    compare_heads(check, &here);
}

/* -- one file */

static enum anb_status read_lines(struct check *check, int fd, struct anb_error *err)
{
    static const size_t room = 4 * (size_t)AUDIT_LINE_MAX_BYTES;
    char *bytes = malloc(room);
    size_t used = 0;
    ssize_t got = 1;
    if (!bytes) return anb_fail(err, ANB_NO_MEMORY, "no memory to read an audit log");
    while (got > 0 && !check->verdict->is_broken) {
        do got = read(fd, bytes + used, room - used);
        while (got < 0 && errno == EINTR);
        if (got > 0) used += (size_t)got;
        size_t begin = 0;
        for (char *end; (end = memchr(bytes + begin, '\n', used - begin)) && !check->verdict->is_broken;) {
            take_line(check, slice_of(bytes + begin, (size_t)(end - bytes) - begin));
            begin = (size_t)(end - bytes) + 1;
        }
        memmove(bytes, bytes + begin, used - begin);
        used -= begin;
        check->line += used == room;
        if (used == room) break_at(check, "a line has less than %d bytes", AUDIT_LINE_MAX_BYTES);
    }
    int why = errno;
    if (got == 0 && used > 0 && !check->verdict->is_broken) {
        check->line++;
        break_at(check,
                 "an unfinished line: the process died while it wrote it (its next start repairs that and says so), "
                 "or the file was cut");
    }
    free(bytes);
    return got < 0 ? anb_fail_errno(err, why, "cannot read the audit log") : ANB_OK;
}

static enum anb_status verify_file(struct check *check, int folder, const char *name, struct anb_error *err)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return anb_fail_errno(err, errno, "cannot open %s", name);
    check->verdict->n_files++;
    check->line = 0;
    snprintf(check->verdict->file, sizeof check->verdict->file, "%s", name);
    enum anb_status status = read_lines(check, fd, err);
    close(fd);
    return status;
}

static enum anb_status verify_folder(struct check *check, const char *path, struct anb_error *err)
{
    struct audit_full_files files = {0};
    int64_t after = 0;
    char name[AUDIT_NAME_BYTES];
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return anb_fail_errno(err, errno, "cannot open %s", path);
    enum anb_status status = audit_full_files(folder, after, &files, err);
    while (status == ANB_OK && files.lowest > 0 && !check->verdict->is_broken) {
        status = verify_file(check, folder, audit_full_name(files.lowest, name), err);
        after = files.lowest;
        if (status == ANB_OK) status = audit_full_files(folder, after, &files, err);
    }
    if (status == ANB_OK && !check->verdict->is_broken) status = verify_file(check, folder, AUDIT_FILE_NAME, err);
    close(folder);
    return status;
}

/* -- all of it */

static void judge_heads(struct check *check)
{
    struct audit_verdict *verdict = check->verdict;
    check->line = 0;
    for (size_t i = 0; i < check->n_heads && !verdict->is_broken; i++) {
        const struct chain_head *head = &check->heads[i];
        if (check->met[i])
            verdict->n_heads_met++;
        else if (head->sequence == 0)
            break_at(check, "no line has the digest that was given");
        else if (head->sequence < verdict->first_sequence)
            verdict->n_heads_before++;
        else
            break_at(check,
                     "it ends at line %" PRId64 ", and the head of line %" PRId64
                     " was kept elsewhere: lines were cut off at its end",
                     verdict->last.sequence, head->sequence);
    }
}

enum anb_status audit_verify(const char *path, const struct chain_head *heads, size_t n_heads,
                             struct audit_verdict *verdict, struct anb_error *err)
{
    struct stat info;
    *verdict = (struct audit_verdict){.n_lines = 0};
    if (stat(path, &info) != 0) return anb_fail_errno(err, errno, "cannot open %s", path);
    struct check check = {.verdict = verdict, .heads = heads, .n_heads = n_heads};
    check.met = calloc(n_heads + 1, sizeof *check.met);
    if (!check.met) return anb_fail(err, ANB_NO_MEMORY, "no memory to read an audit log");
    enum anb_status status =
        S_ISDIR(info.st_mode) ? verify_folder(&check, path, err) : verify_file(&check, AT_FDCWD, path, err);
    if (status == ANB_OK && verdict->n_lines == 0) break_at(&check, "there is no line in it");
    if (status == ANB_OK && !verdict->is_broken) judge_heads(&check);
    free(check.met);
    return status;
}
