/* What the server counts, in Prometheus' text format. Labels have few values: no job, site or path ever is one. */
#ifndef ANB_SERVER_METRICS_H
#define ANB_SERVER_METRICS_H

#include "server/server.h"

enum anb_status metrics_write(struct server *server, struct buf *out, struct anb_error *err);

#endif
