/* A job's folder on its way into the site: before anybody unpacks it, it is held against what its submitter has signed
 * and against the site's policy.
 *
 * A `struct intake_job` is a copy of what the log says of a job, made under the node's lock. The policy file is read
 * anew for each judgement, so a change holds from the next one on; a run that has begun keeps what it was given. These
 * functions block (digests, the site's own program): a worker's thread. */
#ifndef ANB_CLIENT_INTAKE_H
#define ANB_CLIENT_INTAKE_H

#include "audit/audit.h"
#include "job/federation.h"
#include "node/trust.h"
#include "policy/policy.h"
#include "tensor/layout.h"

enum { INTAKE_REASON_BYTES = 400 };

struct intake_site { /* borrowed; outlives all jobs */
    struct node_trust *trust;
    const char *policy_file; /* NULL: none; all jobs are refused */
    struct audit *audit;     /* NULL: none is kept */
};

struct intake_job {
    char id[32], request[MANIFEST_REQUEST_BYTES], submitter[NAME_MAX_BYTES + 1];
    struct id bundle, model;
    struct digest manifest_digest;
    struct signature signature;
    struct job_spec *spec;
};

/* What the site has found. */
struct intake_verdict {
    struct policy_decision decision; /* without the scope, which belongs to a policy that is gone */
    struct manifest_model model;     /* the initial one, as it was signed */
};

/* A line for the site's audit log, about a job of this user. */
enum anb_status intake_audit(const struct intake_site *site, const struct intake_job *job, enum audit_what what,
                             const char *outcome, const char *detail, struct anb_error *err);

enum anb_status intake_job_copy(const struct job_state *state, struct intake_job *job, struct anb_error *err);
void intake_job_fini(struct intake_job *job);

/* Whether it is worth while to fetch the folder at all: there is a policy, a user has signed, and the folder is not too
 * large. Quick enough for any thread. */
void intake_foresee(const struct intake_site *site, const struct intake_job *job, int64_t bundle_bytes,
                    struct policy_decision *decision);
/* Judge the folder that came in the file open at `fd`, as `layout` says: the archive, and behind it the manifest. The
 * manifest is cut off the file when it is good. */
void intake_judge(const struct intake_site *site, const struct intake_job *job, int fd, const struct layout *layout,
                  struct intake_verdict *verdict);
/* CORRUPT unless the file at `fd` has just the model that was signed. */
enum anb_status intake_check_model(const struct manifest_model *model, int fd, struct anb_error *err);

/* False: all rules allow. Else the reason for the job's owner: "rule submitters: ...". */
bool intake_denies(const struct policy_decision *decision, char reason[INTAKE_REASON_BYTES]);

#endif
