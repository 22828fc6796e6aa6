/* The parts of one server, for the handlers of its REST endpoint. Constant once the endpoint has started. */
#ifndef ANB_SERVER_SERVER_H
#define ANB_SERVER_SERVER_H

#include "server/conductor.h"
#include "server/http.h"
#include "server/job_log.h"
#include "server/outboxes.h"
#include "server/store.h"
#include "server/submit.h"
#include "server/telemetry.h"

struct server {
    struct node *node;
    struct conductor *conductor;
    struct outboxes *outboxes;
    struct job_logs *logs;
    struct store *store;
    struct submitter *submitter;
    struct http *http;
    struct telemetry_reader *telemetry;
};

#endif
