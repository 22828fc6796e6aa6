/* One logfmt line for each event on standard error:
 *
 *     log_event(LOG_INFO, "round-closed", "job=%s round=%d", job, round);
 *     ts=2026-11-24T11:21:20.123Z level=info svc=server event=round-closed job=4f1c... round=3
 *
 * `fields` is key=%directive pairs between single blanks. A value with blanks, quotes or control characters is quoted
 * and escaped, so foreign bytes cannot forge a line. No payload, key or token is ever logged. A line is written whole,
 * by one write; any thread may log. */
#ifndef ANB_BASE_LOG_H
#define ANB_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Once, before threads start. `service` must stay alive. Before it: service "-", level info. */
void log_setup(const char *service, enum log_level least);
/* False when the word is none of debug, info, warn, error. */
bool log_level_parse(const char *word, enum log_level *level);

/* Directives: %s %d %u %zu %lld %llu %.3f (any precision); others end the line with "bad-format". */
void log_event(enum log_level level, const char *event, const char *fields, ...) __attribute__((format(printf, 3, 4)));

#endif
