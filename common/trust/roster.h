/* The roster: who belongs to a project, in which role and with which keys, and who does no longer. It is signed by the
 * project's offline root, and the one place where a name's keys are looked up: never in a message from that name.
 *
 * Its text is JSON in one fixed form, so that two rosters with the same content are the same bytes, and one line with
 * the root's signature over all before it. Versions only grow; a revoked name never comes back. A `struct roster` is
 * freed with roster_free; nothing in it changes while others read it, so several threads may. */
#ifndef ANB_TRUST_ROSTER_H
#define ANB_TRUST_ROSTER_H

#include "base/id.h"
#include "crypto/certificate.h"

enum { ROSTER_MAX_BYTES = 983040, ROSTER_MAX_MEMBERS = 2048, ROSTER_CERTIFICATE_BYTES = 1024 };

/* role, word, kind of member that can have it */
#define ROSTER_ROLE_LIST(X)                                                                                            \
    X(SERVER, "server", NODE)                                                                                          \
    X(AGGREGATOR, "aggregator", NODE)                                                                                  \
    X(SITE, "site", NODE)                                                                                              \
    X(ADMIN, "admin", USER)                                                                                            \
    X(LEAD, "lead", USER)                                                                                              \
    X(MEMBER, "member", USER)

enum roster_role {
#define X(role, word, kind) ROSTER_##role,
    ROSTER_ROLE_LIST(X)
#undef X
        ROSTER_N_ROLES
};

struct roster_member {
    enum certificate_kind kind; /* node or user */
    char name[NAME_MAX_BYTES + 1];
    unsigned roles; /* bits 1 << enum roster_role; nodes have one or more, users just one */
    unsigned char certificate[ROSTER_CERTIFICATE_BYTES]; /* DER */
    size_t certificate_bytes;
    struct key_point encryption_key; /* nodes */
};

struct roster_revocation {
    char name[NAME_MAX_BYTES + 1];
    int64_t version; /* of the roster that revoked it */
};

struct roster {
    char project[NAME_MAX_BYTES + 1];
    int64_t version;                /* from 1 */
    int64_t issued_s;               /* for people: order comes from the version */
    struct roster_member **members; /* sorted by name, nodes and users together: no name twice */
    size_t n_members;
    struct roster_revocation *revoked; /* sorted by name */
    size_t n_revoked;
};

const char *roster_role_word(enum roster_role role);
bool roster_role_parse(const char *word, enum roster_role *role);
enum certificate_kind roster_role_kind(enum roster_role role);

/* -- reading */

/* The roster of `project` in a signed text. DENIED when the root is not the project's or did not sign just this;
 * CORRUPT when the text is not in its one form. */
enum anb_status roster_parse(struct slice text, const struct certificate *root, const char *project, int64_t now_s,
                             struct roster **out, struct anb_error *err);
void roster_free(struct roster *roster); /* NULL is fine */

/* NULL when nobody, or somebody of the other kind, has the name. */
const struct roster_member *roster_find(const struct roster *roster, enum certificate_kind kind, const char *name);
const struct roster_member *roster_find_any(const struct roster *roster, const char *name); /* of either kind */
bool roster_has_role(const struct roster_member *member, enum roster_role role);
const struct roster_revocation *roster_revocation(const struct roster *roster, const char *name);
/* The certificate of a member, verified at `now_s`. */
enum anb_status roster_certificate(const struct roster *roster, const struct roster_member *member,
                                   const struct certificate *root, int64_t now_s, struct certificate **out,
                                   struct anb_error *err);
/* DENIED unless `next` may follow `roster`: the same project, a higher version, nobody revoked comes back. */
enum anb_status roster_check_successor(const struct roster *roster, const struct roster *next, struct anb_error *err);

/* -- making */

/* A roster of version 0 without members. */
enum anb_status roster_new(const char *project, struct roster **out, struct anb_error *err);
/* Add a copy of the member, or put it in the place of the one with its name. DENIED for a revoked name; INVALID for
 * roles that do not go with its kind. */
enum anb_status roster_put(struct roster *roster, const struct roster_member *member, struct anb_error *err);
/* Take a member out, for ever, with the version that comes next. NOT_FOUND. */
enum anb_status roster_revoke(struct roster *roster, const char *name, struct anb_error *err);
/* The next version begins: count it up and append its signed text to `out`. */
enum anb_status roster_sign(struct roster *roster, const struct key *root_key, int64_t now_s, struct buf *out,
                            struct anb_error *err);

#endif
