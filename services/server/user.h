/* Who a request comes from, once that is known, and what a role may reach. No HTTP library here. */
#ifndef ANB_SERVER_USER_H
#define ANB_SERVER_USER_H

#include "base/id.h"

/* role, word. Rising: a token's role is at most that of who made it. A monitor is no role of the roster: only tokens
 * have it. */
#define USER_ROLE_LIST(X)                                                                                              \
    X(MONITOR, "monitor")                                                                                              \
    X(MEMBER, "member")                                                                                                \
    X(LEAD, "lead")                                                                                                    \
    X(ADMIN, "admin")

enum user_role {
#define X(role, word) USER_##role,
    USER_ROLE_LIST(X)
#undef X
        USER_N_ROLES
};

/* What a role may do at a route: nothing, with its own objects, with those of all. */
enum reach { REACH_NONE, REACH_OWN, REACH_ALL };

struct user {
    char name[NAME_MAX_BYTES + 1];
    enum user_role role;
    bool is_certified;  /* by a certificate, not a token */
    int64_t expires_ms; /* of what was shown; wall clock */
};

/* What a request shows of its sender. Borrowed from it. */
struct credentials {
    const char *authorization; /* the header field's value; NULL: none */
    struct slice certificate;  /* DER, whose key the other end has; empty: none */
};

const char *user_role_word(enum user_role role);
bool user_role_parse(const char *word, enum user_role *role);

#endif
