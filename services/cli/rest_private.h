/* One HTTP exchange, shared by rest.c (calls, repeating, refusals) and rest_transfer.c (files up and down). */
#ifndef ANB_CLI_REST_PRIVATE_H
#define ANB_CLI_REST_PRIVATE_H

#include "cli/contexts.h"
#include "cli/rest.h"

#include <curl/curl.h>

enum { REST_URL_BYTES = 2048, REST_PATH_BYTES = CONTEXT_TEXT_BYTES + 32, REST_SILENCE_S = 60, REST_ANSWER_S = 30 };

struct rest {
    CURL *curl;
    struct context context; /* the server, and what is shown to it */
    char *passphrase;       /* of the kit's key; NULL: none */
    bool loopback;
    int64_t patience_ms;
};

struct exchange {
    struct rest *rest;
    const char *method;
    const char *path;
    int64_t limit_s;  /* of the whole exchange; 0: only silence ends it */
    curl_mime *mime;  /* NULL: no such body */
    const char *json; /* NULL: no such body */
    const struct rest_watch *watch;
    /* Where the body of a 2xx answer goes; NULL: to `body`. False ends the exchange with `sink_error`. */
    bool (*sink)(void *context, struct slice bytes, struct anb_error *err);
    void *sink_context;
    struct anb_error sink_error;
    struct buf body;
    long http_status;
};

/* Send and receive once. OK for a 2xx answer only. The caller owns exchange->body. */
enum anb_status exchange_run(struct exchange *exchange, struct anb_error *err);

/* Call `attempt` until it gives something else than UNAVAILABLE or the patience is spent. */
enum anb_status rest_repeat(struct rest *rest, enum anb_status (*attempt)(void *context, struct anb_error *err),
                            void *context, struct anb_error *err);
enum anb_status rest_parse_body(const struct exchange *exchange, struct doc **body, struct anb_error *err);

#endif
