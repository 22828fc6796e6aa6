/* The agent of a site: it answers jobs and runs those that have started, on a thread of its own with a libuv loop.
 *
 * The owner polls the node and calls agent_wake after each poll; everything else happens on the agent's thread, which
 * lives as long as the agent (its trainers die with it). */
#ifndef ANB_CLIENT_AGENT_H
#define ANB_CLIENT_AGENT_H

#include "audit/audit.h"
#include "confine.h"
#include "node/node.h"

enum { AGENT_MAX_RUNS = 8 };

struct agent;

struct agent_config {
    const char *socket_folder; /* absolute, exists, short enough for a socket's path; NULL: the data folder */
    const char *data_folder;   /* absolute, exists, belongs to this agent alone; what earlier agents left is removed */
    const char *policy_file;   /* of the site; NULL: it has none, and all jobs are refused */
    int64_t grace_ms;
    const struct confine_site *confine; /* NULL: as nothing was said about trainers */
    struct audit *audit;                /* NULL: none is kept */
};

enum anb_status agent_start(struct node *node, const struct agent_config *config, struct agent **agent,
                            struct anb_error *err);
void agent_wake(struct agent *agent); /* any thread */
/* Why the agent can no longer work; false: it works. Any thread. */
bool agent_has_failed(struct agent *agent, struct anb_error *err);
/* Trainers get SIGTERM, then SIGKILL; returns when all have ended. NULL is fine. */
void agent_stop(struct agent *agent);

#endif
