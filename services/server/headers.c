#include "server/headers.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void headers_note(struct headers *headers, const char *name, const char *value)
{
    const struct {
        const char *name;
        int *count;
        const char **value;
    } known[] = {
        {"Host", &headers->n_host, &headers->host},
        {"Content-Length", &headers->n_content_length, &headers->content_length},
        {"Transfer-Encoding", &headers->n_transfer_encoding, &headers->transfer_encoding},
        {"Authorization", &headers->n_authorization, &headers->authorization},
        {"Origin", NULL, &headers->origin},
        {"Content-Type", NULL, &headers->content_type},
    };
    headers->n_fields++;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcasecmp(name, known[i].name) != 0) continue;
        if (known[i].count) ++*known[i].count;
        *known[i].value = value ? value : "";
    }
}

enum anb_status method_check(const char *method, struct anb_error *err)
{
    size_t length = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (length >= 1 && length <= 16 && !method[length]) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "the method must be a word of capital letters");
}

static enum anb_status check_length(const char *text, int64_t *body_bytes, struct anb_error *err)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits])
        return anb_fail(err, ANB_INVALID, "Content-Length must be a number of at most 18 digits");
    *body_bytes = strtoll(text, NULL, 10);
    return ANB_OK;
}

enum anb_status headers_check(const struct headers *headers, int64_t *body_bytes, struct anb_error *err)
{
    *body_bytes = 0;
    if (headers->n_fields > HEADERS_MAX) return anb_fail(err, ANB_INVALID, "more than %d header fields", HEADERS_MAX);
    if (headers->n_host != 1) return anb_fail(err, ANB_INVALID, "Host must stand once, not %d times", headers->n_host);
    if (headers->n_authorization > 1) return anb_fail(err, ANB_INVALID, "Authorization must not stand twice");
    if (headers->n_content_length + headers->n_transfer_encoding > 1)
        return anb_fail(err, ANB_INVALID, "the length of the body is given more than once");
    if (headers->n_content_length) return check_length(headers->content_length, body_bytes, err);
    if (headers->n_transfer_encoding) {
        if (strcasecmp(headers->transfer_encoding, "chunked") != 0)
            return anb_fail(err, ANB_INVALID, "Transfer-Encoding must be chunked");
        *body_bytes = -1;
    }
    return ANB_OK;
}

static bool is_own_origin(const char *origin, const char *host)
{
    const char *authority = strstr(origin, "://");
    return authority && strcasecmp(authority + 3, host) == 0;
}

static bool is_local_name(const char *host)
{
    if (*host == '[') return true;
    size_t size = strcspn(host, ":");
    if (size == strlen("localhost") && strncasecmp(host, "localhost", size) == 0) return true;
    return size > 0 && strspn(host, "0123456789.") == size;
}

enum anb_status headers_check_origin(const struct headers *headers, bool on_loopback, struct anb_error *err)
{
    if (headers->origin && !is_own_origin(headers->origin, headers->host))
        return anb_fail(err, ANB_DENIED, "a page of another origin may not call this service");
    if (on_loopback && !is_local_name(headers->host))
        return anb_fail(err, ANB_DENIED, "this service listens on the loopback address only: use localhost as host");
    return ANB_OK;
}
