/* What the header fields of a request must be before anything else looks at it.
 *
 * libmicrohttpd 0.9.75 takes a second Content-Length, or Content-Length beside Transfer-Encoding, and runs the rest of
 * the body as another request. Such requests end here with 400 and a closed connection. A page of another origin in a
 * browser on this machine must not reach us either. Pure functions; any thread. */
#ifndef ANB_SERVER_HEADERS_H
#define ANB_SERVER_HEADERS_H

#include "base/buf.h"

enum { HEADERS_MAX = 64 };

struct headers {
    int n_fields, n_host, n_content_length, n_transfer_encoding, n_authorization;
    /* All live as long as the request. */
    const char *host, *content_length, *transfer_encoding, *origin, *content_type, *authorization;
};

/* Note one field; `value` may be NULL. */
void headers_note(struct headers *headers, const char *name, const char *value);

/* INVALID for a method that is not 1..16 capital letters: it stands in sentences, which are UTF-8. */
enum anb_status method_check(const char *method, struct anb_error *err);
/* *body_bytes: what the request says its body has; -1 when it comes in pieces. */
enum anb_status headers_check(const struct headers *headers, int64_t *body_bytes, struct anb_error *err);
/* DENIED when a browser says that another site sent it, or when we listen on the loopback address only and Host is a
 * name that somebody else may have pointed here. */
enum anb_status headers_check_origin(const struct headers *headers, bool on_loopback, struct anb_error *err);

#endif
