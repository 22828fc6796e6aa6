/* The table of a policy file's keys, shared by its parser and its page. Constant data: any thread. */
#ifndef ANB_POLICY_POLICY_PRIVATE_H
#define ANB_POLICY_POLICY_PRIVATE_H

#include "policy/policy.h"

enum policy_kind {
    POLICY_NAMES,     /* const char ** of node or user names, n behind it */
    POLICY_VARIABLES, /* const char ** of names of environment variables, n behind it */
    POLICY_ROLES,     /* unsigned, bits of the users' roles */
    POLICY_COMMANDS,  /* struct policy_command *, n behind it */
    POLICY_DIGESTS,   /* struct digest *, n behind it */
    POLICY_SCOPES,    /* struct policy_scope *, n behind it */
    POLICY_CODE,      /* enum policy_code */
    POLICY_SCOPE,     /* const char *: name of a scope */
    POLICY_PROGRAM,   /* const char *: an absolute path */
    POLICY_INT,       /* int64_t in least..most */
};

struct policy_key {
    const char *section, *name;
    enum policy_kind kind;
    size_t offset, count_offset; /* in struct policy */
    int64_t least, most;         /* of integers; most: of lists, their size */
    int64_t fallback;
    const char *absent; /* what holds when the key is not given */
    const char *value;  /* what it may be, for the page; NULL: least..most */
    const char *sentence;
};

extern const struct policy_key policy_keys[];
extern const size_t n_policy_keys;
extern const char *const policy_code_words[]; /* by enum policy_code, NULL at the end */

#endif
