#include "job/receivers.h"

#include <string.h>

struct stream_audience stream_audience_of(enum purpose purpose, const char *sender, const struct job_state *job)
{
    struct stream_audience audience = {.purpose = purpose, .sender = sender};
    if (!job) return audience;
    audience.spec = job->spec;
    audience.sites = job->n_sites > 0 ? job->sites : NULL;
    audience.n_sites = job->n_sites;
    return audience;
}

static bool lists(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool takes_part(const struct stream_audience *audience, const char *site)
{
    const struct job_spec *spec = audience->spec;
    if (audience->sites) return lists(audience->sites, audience->n_sites, site);
    return spec->n_site_names == 0 || lists((const char *const *)spec->site_names, spec->n_site_names, site);
}

bool stream_is_for(const struct stream_audience *audience, enum role role, const char *node)
{
    bool for_aggregators = audience->purpose != PURPOSE_BUNDLE && audience->purpose != PURPOSE_PEER;
    bool for_sites = audience->purpose == PURPOSE_MODEL || audience->purpose == PURPOSE_BUNDLE;
    bool for_servers = audience->purpose == PURPOSE_MODEL;
    if (strcmp(node, audience->sender) == 0) return true;
    if (!audience->spec) return false;
    switch (role) {
    case ROLE_AGGREGATOR: return for_aggregators;
    case ROLE_CLIENT: return for_sites && takes_part(audience, node);
    case ROLE_SERVER: return for_servers && job_spec_stores_result(audience->spec);
    }
    return false;
}
