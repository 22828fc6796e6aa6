/* A site's policy: what its owner lets others do there. A YAML file of the site's own, read anew for each decision.
 *
 *     submitters:
 *       users: [rosa]                     these users of the project may submit
 *       roles: [lead, admin]              and all with one of these roles
 *     jobs:
 *       smallest_cohort: 3                fewest updates that may be put together: the job's quorum is at least this
 *       folder_mib: 64                    size of the job folder, unpacked
 *       folder_files: 1000                files and folders in it
 *     code:
 *       allow: listed                     none | listed | any
 *       commands: [[python3, train.py]]   with listed: the job's command is one of these (words are shell patterns),
 *       digests: [9f86d0...]              every file of the job folder but its job file has one of these SHA-256,
 *       environment: [EPOCHS]             and the trainer gets no other variables from the job
 *     resources: {cpu_s, memory_mib, open_files, processes, disk_mib, wall_s}
 *     privacy:
 *       default: strict                   scope of jobs that name none
 *       scopes: {strict: {filters: [...]}}
 *     authorization:
 *       program: /etc/anabranch/authorize asked last; see authorize.h
 *       timeout_s: 10
 *
 * What is not given is closed: nobody may submit, no code may run. All but policy_read is pure: texts in, decisions
 * out. A policy is constant once made and is freed with policy_free; any thread. */
#ifndef ANB_POLICY_POLICY_H
#define ANB_POLICY_POLICY_H

#include "base/doc.h"
#include "bundle/manifest.h"
#include "job/spec.h"
#include "privacy/chain.h"
#include "trust/roster.h"

enum { POLICY_FILE_MAX_BYTES = 1 << 20 };

enum policy_code { POLICY_CODE_NONE, POLICY_CODE_LISTED, POLICY_CODE_ANY };

/* What one trainer may take; 0: no limit. Enforced by whoever starts it. */
struct policy_limits {
    int64_t cpu_s;      /* processor time of each of its processes */
    int64_t memory_mib; /* address space of each of its processes */
    int64_t open_files; /* in each of its processes */
    int64_t processes;  /* of the user it runs as */
    int64_t disk_mib;   /* of each file that it writes */
    int64_t wall_s;     /* for one task */
};

struct policy_command { /* words are patterns as of fnmatch(3) */
    const char **words;
    size_t n_words;
};

struct policy_scope {
    const char *name;
    struct filter_chain *chain; /* NULL: updates leave as they are */
};

struct policy {
    const char **users;
    size_t n_users;
    unsigned roles; /* bits 1 << enum roster_role */
    int64_t smallest_cohort, folder_mib, folder_files;
    enum policy_code code;
    struct policy_command *commands;
    size_t n_commands;
    struct digest *digests;
    size_t n_digests;
    const char **environment;
    size_t n_environment;
    struct policy_limits limits;
    const char *default_scope; /* NULL: none */
    struct policy_scope *scopes;
    size_t n_scopes;
    const char *program; /* NULL: no one else is asked */
    int64_t timeout_s;
};

/* INVALID with file and line for whatever does not fit: "site.yaml:3: unknown key ..., did you mean ...?". `name`
 * stands in these sentences. */
enum anb_status policy_parse(struct slice text, const char *name, struct policy **policy, struct anb_error *err);
/* The same from a file. */
enum anb_status policy_read(const char *path, struct policy **policy, struct anb_error *err);
void policy_free(struct policy *policy); /* NULL is fine */
/* The page in docs/: one row for each key, from the table that parses it. */
enum anb_status policy_markdown(struct buf *out, struct anb_error *err);

/* -- decisions */

/* In the order in which they are asked. The first two and the last are no part of the pure decision: whoever reads the
 * policy file, checks the signature, or asks the site's program makes their findings. */
#define POLICY_RULE_LIST(X)                                                                                            \
    X(FILE, "policy")                 /* there is a policy file */                                                     \
    X(MANIFEST, "manifest")           /* the job is signed by somebody who may, and its files are the signed ones */   \
    X(SUBMITTERS, "submitters")       /* users, roles */                                                               \
    X(COHORT, "smallest_cohort")      /* the job's quorum */                                                           \
    X(FOLDER, "folder")               /* the job folder's size */                                                      \
    X(CODE, "code")                   /* command, digests, environment */                                              \
    X(PRIVACY, "privacy")             /* the scope is known here */                                                    \
    X(AUTHORIZATION, "authorization") /* the site's own program */

enum policy_rule {
#define X(rule, word) POLICY_RULE_##rule,
    POLICY_RULE_LIST(X)
#undef X
        POLICY_N_RULES
};

struct policy_request {
    const char *user;
    enum roster_role role; /* of the user */
    const struct job_spec *spec;
    const struct manifest *manifest;
};

struct policy_finding {
    enum policy_rule rule;
    bool allowed;
    char text[320];
};

struct policy_decision {
    struct policy_finding findings[POLICY_N_RULES];
    size_t n_findings;
    const struct policy_scope *scope; /* of the job here; NULL: no filters of the site's */
};

const char *policy_rule_word(enum policy_rule rule);
/* The findings of all rules that are pure, in their order, whether or not an earlier one denies. */
void policy_decide(const struct policy *policy, const struct policy_request *request, struct policy_decision *decision);
/* Add what somebody else found. */
void policy_find(struct policy_decision *decision, enum policy_rule rule, bool allowed, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The first finding that denies; NULL: all allow. Without any finding nothing is allowed. */
const struct policy_finding *policy_denial(const struct policy_decision *decision);

#endif
