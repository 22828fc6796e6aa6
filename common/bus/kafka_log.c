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

/* ERROR repeats for the application what another facility has logged; AUTOCREATE complains about every client of the
 * embedded broker; MOCK and CONFWARN greet each time that broker starts. */
static bool is_noise(const char *facility)
{
    static const char *const noise[] = {"ERROR", "AUTOCREATE", "MOCK", "CONFWARN"};
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
        if (strcmp(facility, noise[i]) == 0) return true;
    return false;
}

static void log_line(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    log_event(is_noise(facility) ? LOG_DEBUG : level_of(level), "kafka", "client=%s fac=%s text=%s",
              client ? rd_kafka_name(client) : "-", facility, text);
}

void kafka_log_attach(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_log_cb(conf, log_line);
}
