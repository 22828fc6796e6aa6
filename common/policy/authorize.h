/* The site's own program, asked last: it gets a job on its standard input and says allow or deny.
 *
 *     in    {"site":"...","job":"..."|null,"submitter":{"name":"...","role":"..."},"spec":{...},"manifest":{...}}
 *     out   {"decision":"allow"}  or  {"decision":"deny","reason":"..."}
 *
 * Anything but a good "allow" denies: another exit status than 0, a signal, no answer in time, an answer that is not
 * just this JSON or is too long. The program gets nothing of this process: no variables but PATH and LANG, no open
 * files, no standard error; what it leaves running is killed. These functions block up to the policy's timeout_s; any
 * thread. */
#ifndef ANB_POLICY_AUTHORIZE_H
#define ANB_POLICY_AUTHORIZE_H

#include "policy/policy.h"

/* Ask, and add the finding of POLICY_RULE_AUTHORIZATION; nothing when the policy names no program. `job`: its id, NULL
 * when it has none yet. */
void policy_authorize(const struct policy *policy, const struct policy_request *request, const char *site,
                      const char *job, struct policy_decision *decision);

#endif
