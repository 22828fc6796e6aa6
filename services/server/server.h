/* The parts of one server, and their threads.
 *
 * The owner thread follows the control log and conducts; one thread each answers HTTP, sends submissions, stores
 * models, reads telemetry and creates outboxes. Constant between server_start and server_stop: handlers read it on the
 * HTTP thread. */
#ifndef ANB_SERVER_SERVER_H
#define ANB_SERVER_SERVER_H

#include "audit/audit.h"
#include "server/conductor.h"
#include "server/folders.h"
#include "server/http.h"
#include "server/job_log.h"
#include "server/outboxes.h"
#include "server/store.h"
#include "server/submit.h"
#include "server/telemetry.h"
#include "server/tls.h"
#include "server/users.h"

struct server {
    struct node *node;
    struct folders folders;
    struct audit *audit; /* NULL: none is kept */
    struct conductor *conductor;
    struct outboxes *outboxes;
    struct job_logs *logs;
    struct telemetry_reader *telemetry;
    struct store *store;
    struct submitter *submitter;
    struct users *users;
    struct tls *tls; /* NULL: plain HTTP, which tests speak */
    struct http *http;
};

struct server_config {
    const char *data_folder;
    const char *listen;
    int64_t model_limit_bytes; /* 0: none */
    int64_t log_limit_bytes;   /* of a job */
    struct tls_files tls;      /* without a certificate: plain HTTP on the loopback address, for tests */
};

/* `node` must outlive the server. Nothing is left running after a failure. */
enum anb_status server_start(struct server *server, struct node *node, const struct server_config *config,
                             struct anb_error *err);
/* After each turn of the owner: wake who waits when the control log has moved from `before`, and let time pass. */
void server_tell(struct server *server, int64_t before);
void server_stop(struct server *server);

#endif
