/* The users of a project "p", for tests of the server: ann is an admin, leo a lead, mia and max are members, rex was a
 * member and is revoked; server-1 is a node. Files root.pem and roster are written into a folder; a failure ends the
 * test. One thread. */
#ifndef ANB_TEST_SUPPORT_PEOPLE_H
#define ANB_TEST_SUPPORT_PEOPLE_H

#include "trust/roster.h"

enum { PEOPLE_DER_BYTES = ROSTER_CERTIFICATE_BYTES };

struct people {
    struct key *root_key;
    struct certificate *root;
    struct roster *roster;
    char folder[256];
};

void people_begin(struct people *people, const char *folder);
void people_end(struct people *people);

/* With a new key, and a certificate for these times; replaces the one of that name. Call people_write after it. */
void people_add(struct people *people, enum certificate_kind kind, const char *name, enum roster_role role,
                int64_t from_s, int64_t until_s);
/* The next version of the roster into its file. */
void people_write(struct people *people);
/* A certificate of the project's root that no roster has. */
size_t people_stranger(struct people *people, const struct certificate_subject *subject,
                       unsigned char der[PEOPLE_DER_BYTES]);

#endif
