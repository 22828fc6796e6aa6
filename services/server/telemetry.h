/* Reads the telemetry topic from where it stopped and puts each job's lines into its log. One thread of its own.
 *
 * Where it stopped stands in FOLDER/telemetry.json, written now and then; what is read again after a crash is
 * recognised by the log (job_log.h), so no line stands twice. */
#ifndef ANB_SERVER_TELEMETRY_H
#define ANB_SERVER_TELEMETRY_H

#include "node/node.h"
#include "server/http.h"
#include "server/job_log.h"

struct telemetry_reader;

struct telemetry_counters {
    uint64_t lines, refused, full, failed;
};

/* All must outlive the reader. */
enum anb_status telemetry_new(struct node *node, struct job_logs *logs, const char *folder,
                              struct telemetry_reader **reader, struct anb_error *err);
/* `http` is woken when lines have come. */
enum anb_status telemetry_start(struct telemetry_reader *reader, struct http *http, struct anb_error *err);
void telemetry_free(struct telemetry_reader *reader);
/* Any thread. */
void telemetry_count(struct telemetry_reader *reader, struct telemetry_counters *counters);

#endif
