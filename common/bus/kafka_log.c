#include "bus/kafka_private.h"

#include "base/log.h"

#include <string.h>

/* By syslog's levels. librdkafka tells of each lost connection at "error", which for us is a warning: it tries again by
 * itself. */
static enum log_level level_of(int syslog_level)
{
    if (syslog_level <= 2) return LOG_ERROR;
    if (syslog_level <= 4) return LOG_WARN;
    return syslog_level <= 6 ? LOG_INFO : LOG_DEBUG;
}

/* The library's reports to the application repeat what its facilities have logged before. */
static bool is_repetition(const char *facility)
{
    return strcmp(facility, "ERROR") == 0;
}

static void log_line(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    log_event(is_repetition(facility) ? LOG_DEBUG : level_of(level), "kafka", "client=%s fac=%s text=%s",
              client ? rd_kafka_name(client) : "-", facility, text);
}

void kafka_log_attach(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_log_cb(conf, log_line);
}
