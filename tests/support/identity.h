/* A project's identities in memory, for tests: a root, a roster, and the keys of whoever is added.
 *
 *     struct identities *project = identities_new("p");
 *     identities_add(project, "server", 1 << ROSTER_SERVER);
 *     identities_sign(project);                                   a first version
 *     struct node_trust *trust = identities_trust(project, "server");
 *
 * Making a member takes about a tenth of a millisecond. A failure ends the test. One thread. */
#ifndef ANB_TEST_SUPPORT_IDENTITY_H
#define ANB_TEST_SUPPORT_IDENTITY_H

#include "node/trust.h"

struct identities;

/* Certificates of members are valid from 1970 to 2099. */
struct identities *identities_new(const char *project);
void identities_free(struct identities *identities);

/* A node (roles of nodes) or a user (a role of users) with new keys; a name that is there gets new ones. */
void identities_add(struct identities *identities, const char *name, unsigned roles);
/* The same, with a certificate for these times only. */
void identities_add_for(struct identities *identities, const char *name, unsigned roles,
                        const struct certificate_times *times);
/* The same, with a certificate that the root made out to somebody else. */
void identities_add_as(struct identities *identities, const char *name, unsigned roles,
                       const struct certificate_subject *subject);
void identities_revoke(struct identities *identities, const char *name);
/* The next version of the roster. The text lives until the next call. */
struct slice identities_sign(struct identities *identities);
struct slice identities_roster(const struct identities *identities); /* the last text */

/* What the node's kit gives, with the last roster. Free with node_trust_free. */
struct node_trust *identities_trust(const struct identities *identities, const char *name);
/* The private keys of a node or user (no encryption key), and the root's. */
const struct key *identities_key(const struct identities *identities, const char *name);
const struct key *identities_root_key(const struct identities *identities);
const struct certificate *identities_root(const struct identities *identities);

#endif
