#include "base/clock.h"
#include "cli/dev.h"
#include "cli/rest.h"

#include <stdio.h>

enum { POLL_MS = 20 };

static enum anb_status count_alive(struct rest *rest, const char *word, int64_t *n, struct anb_error *err)
{
    char path[32];
    struct doc *body = NULL;
    snprintf(path, sizeof path, "/v1/%s", word);
    enum anb_status status = rest_call(rest, "GET", path, 0, &body, err);
    const struct doc *nodes = status == ANB_OK ? doc_get(body, word) : NULL;
    *n = 0;
    for (size_t i = 0; nodes && i < doc_size(nodes); i++) *n += doc_bool(doc_get(doc_at(nodes, i), "alive"), false);
    doc_free(body);
    return status;
}

enum anb_status dev_await_seen(int64_t sites, int64_t aggregators, int64_t timeout_s, struct anb_error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_s * 1000, n_sites = 0, n_aggregators = 0;
    struct rest *rest = NULL;
    enum anb_status status = rest_open(NULL, &rest, err);
    while (status == ANB_OK) {
        status = count_alive(rest, "sites", &n_sites, err);
        if (status == ANB_OK) status = count_alive(rest, "aggregators", &n_aggregators, err);
        if (status != ANB_OK || (n_sites >= sites && n_aggregators >= aggregators)) break;
        if (clock_monotonic_ms() > deadline_ms)
            status = anb_fail(err, ANB_TIMEOUT, "the server has seen %lld of %lld sites and %lld of %lld aggregators",
                              (long long)n_sites, (long long)sites, (long long)n_aggregators, (long long)aggregators);
        clock_sleep_ms(POLL_MS);
    }
    rest_close(rest);
    return status;
}
