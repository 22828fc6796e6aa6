/* Whom a node believes: the project's root, the roster in force, and the node's own keys. The only place that hands out
 * anybody's keys.
 *
 * Opening reads a kit: its root, its roster, its private keys. The roster in force is the kit's until
 * node_trust_rewind; from then on it is the last one that node_trust_replace took, as the control log has them.
 * Versions only grow, and a node never starts work under a lower one than it has seen (node_trust_expect). Certificates
 * of members are verified when they are first needed, and their keys are kept until the roster changes.
 *
 * Any thread, at any time. Private keys are wiped when it is freed; no sentence of an error shows a key. */
#ifndef ANB_NODE_TRUST_H
#define ANB_NODE_TRUST_H

#include "crypto/sign.h"
#include "trust/roster.h"

/* Why something that somebody says is not believed: code, word in logs and metrics. */
#define TRUST_REFUSAL_LIST(X)                                                                                          \
    X(UNKNOWN_SENDER, "unknown-sender")                                                                                \
    X(REVOKED, "revoked")                                                                                              \
    X(EXPIRED, "expired")                                                                                              \
    X(BAD_CERTIFICATE, "bad-certificate")                                                                              \
    X(BAD_SIGNATURE, "bad-signature")                                                                                  \
    X(WRONG_ROLE, "wrong-role")

enum trust_refusal {
#define X(code, word) TRUST_##code,
    TRUST_REFUSAL_LIST(X)
#undef X
        TRUST_N_REFUSALS
};

const char *trust_refusal_word(enum trust_refusal refusal);

struct node_trust;

struct trust_config {
    const char *project, *name;
    struct slice root, roster;                 /* PEM; signed text */
    struct slice identity_key, encryption_key; /* PEM */
    const char *passphrase;                    /* of both keys; NULL: they are not encrypted */
    int64_t now_s;
};

/* All of the kit is checked: DENIED, CORRUPT or INVALID with the part that is wrong and the cure. Nothing of `config`
 * is kept. */
enum anb_status node_trust_open(const struct trust_config *config, struct node_trust **trust, struct anb_error *err);
void node_trust_free(struct node_trust *trust); /* NULL is fine */

const char *node_trust_project(const struct node_trust *trust);
const char *node_trust_name(const struct node_trust *trust);

/* -- the roster in force */

int64_t node_trust_version(struct node_trust *trust); /* 0: none is in force yet */
/* Forget the roster in force, not what was seen: the control log is about to be read from its beginning. */
void node_trust_rewind(struct node_trust *trust);
/* Take a signed text. EXISTS: this very version is in force; DENIED: a lower one, or one that may not follow, or not
 * the root's; CORRUPT: no roster. */
enum anb_status node_trust_replace(struct node_trust *trust, struct slice text, int64_t now_s, struct anb_error *err);
/* The version of a text that node_trust_replace would take now; else its status. */
enum anb_status node_trust_preview(struct node_trust *trust, struct slice text, int64_t now_s, int64_t *version,
                                   struct anb_error *err);
/* The lowest version under which this node works: its kit's, or a higher one that was expected. */
void node_trust_expect(struct node_trust *trust, int64_t version);
int64_t node_trust_expected(struct node_trust *trust);
/* The kit's roster, as it was signed. Lives as long as `trust`. */
struct slice node_trust_kit_roster(const struct node_trust *trust);
int64_t node_trust_kit_version(const struct node_trust *trust);
/* DENIED with the cure unless the roster in force has this node with just its own two keys, in one of the roles
 * `roles` (bits 1 << enum roster_role), and its certificate is good. */
enum anb_status node_trust_check_own(struct node_trust *trust, unsigned roles, int64_t now_s, struct anb_error *err);

unsigned node_trust_roles(struct node_trust *trust, const char *name); /* bits; 0: not in the roster */
bool node_trust_has_role(struct node_trust *trust, const char *name, enum roster_role role);
/* All members with a role, by name. `visit` must not call this module. */
typedef void node_trust_visit(const struct roster_member *member, void *context);
void node_trust_each(struct node_trust *trust, enum roster_role role, node_trust_visit *visit, void *context);

/* Let `look` see the roster in force and the root that signed it; it keeps neither and does not call this module.
 * UNAVAILABLE while there is no roster, else what `look` gives. */
typedef enum anb_status node_trust_look(const struct roster *roster, const struct certificate *root, void *context,
                                        struct anb_error *err);
enum anb_status node_trust_read(struct node_trust *trust, node_trust_look *look, void *context, struct anb_error *err);

/* -- signatures and keys */

/* With this node's identity key. */
enum anb_status node_trust_sign(struct node_trust *trust, const char *purpose, struct slice bytes,
                                struct signature *out, struct anb_error *err);
/* DENIED, and *refusal (may be NULL) why, unless the node or user `name` of the roster in force signed just this, with
 * a certificate that is good at `now_s`. */
enum anb_status node_trust_verify(struct node_trust *trust, const char *name, const char *purpose, struct slice bytes,
                                  const struct signature *signature, int64_t now_s, enum trust_refusal *refusal,
                                  struct anb_error *err);
/* What others seal to for the node `name`. DENIED as above. */
enum anb_status node_trust_seal_key(struct node_trust *trust, const char *name, int64_t now_s, struct key_point *out,
                                    struct anb_error *err);
const struct key *node_trust_own_encryption(const struct node_trust *trust); /* the private half */

#endif
