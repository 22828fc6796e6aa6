/* The privacy scope of a job at this site: what is done to its updates, and the ledger of what has been spent.
 *
 * Which scope it is, the job says (privacy.scope) or else the site's policy file, which is read once for a run: what is
 * changed there later holds for the next one. A scope is constant once open and belongs to its run. */
#ifndef ANB_CLIENT_SCOPE_H
#define ANB_CLIENT_SCOPE_H

#include "audit/audit.h"
#include "policy/policy.h"
#include "privacy/ledger.h"

#include <limits.h>

struct scope {
    struct policy *policy;
    const struct filter_chain *chain; /* NULL: updates leave as they are */
    char name[NAME_MAX_BYTES + 1];    /* empty: no scope */
    char ledger[PATH_MAX];            /* DATA-FOLDER/privacy/NAME.ledger */
    struct audit *audit;              /* set by the run; NULL: none is kept */
};

/* `policy_file` NULL: the site has none, and no filters. NOT_FOUND, INVALID and others: the job cannot run here. */
enum anb_status scope_open(const char *policy_file, const struct job_spec *spec, const char *data_folder,
                           struct scope *scope, struct anb_error *err);
void scope_close(struct scope *scope);

/* DENIED, with what is spent: not one more update can leave. Any other failure: the ledger cannot be used. */
enum anb_status scope_can_afford(const struct scope *scope, struct anb_error *err);

#endif
