/* The log lines of each job, numbered from 0, in a file of the job's folder: FOLDER/ID/logs.jsonl.
 *
 * Each line keeps the place it had in the telemetry topic, so a record that is read again after a restart is not
 * written twice. A file has a ceiling; a last line says that it was reached. Any thread; a lock inside, held for file
 * work of a few pages only (a file's first use reads it once to number its lines). */
#ifndef ANB_SERVER_JOB_LOG_H
#define ANB_SERVER_JOB_LOG_H

#include "base/doc.h"
#include "wire/records.h"

enum { JOB_LOG_MAX_PARTITIONS = 64, JOB_LOG_READ_LINES = 5000 };

struct job_logs;

enum anb_status job_logs_open(const char *folder, int64_t ceiling_bytes, struct job_logs **logs, struct anb_error *err);
void job_logs_close(struct job_logs *logs);

/* Append what the record at `offset` of `partition` says. EXISTS: it is there already; TOO_LARGE: the file is full. */
enum anb_status job_logs_append(struct job_logs *logs, const struct telemetry *record, int32_t partition,
                                int64_t offset, struct anb_error *err);
/* Add at most `limit` lines from number `from` on to `list`; *next: the number after the last one. */
enum anb_status job_logs_read(struct job_logs *logs, const char *job, int64_t from, int64_t limit, struct doc *list,
                              int64_t *next, struct anb_error *err);
/* How many lines the job has. */
int64_t job_logs_count(struct job_logs *logs, const char *job);
/* Its folder is about to be removed. */
void job_logs_forget(struct job_logs *logs, const char *job);

/* A job id as it stands in paths: 16 hexadecimal digits. */
bool job_id_is_valid(const char *job);

#endif
