/* A whole federation in this process: real nodes, folds and transfers over the in-memory bus.
 *
 * Each node has its own bus on one shared log and its own threads, as a process would. Trainers are a function. A node
 * can be killed at any moment, which leaves no word behind, and started again under its name. One thread owns a river.
 */
#ifndef ANB_SIM_RIVER_H
#define ANB_SIM_RIVER_H

#include "bus/memory.h"
#include "crypto/digest.h"
#include "node/node.h"

struct river;

struct river_config {
    int n_sites, n_aggregators;
    int rounds;
    int quorum;          /* 0: all sites */
    int64_t deadline_ms; /* of a round */
    int64_t n_elements;  /* of the model's largest tensor */
    int32_t chunk_bytes;
    bool diff; /* sites send DIFF updates */
    struct memory_faults faults;
};

struct river *river_open(const struct river_config *config);
void river_close(struct river *river);

/* Names: "server", "aggregator-1" ..., "site-1" ... */
void river_kill(struct river *river, const char *name);
void river_start(struct river *river, const char *name);
/* Ends in good order: it says so. */
void river_stop(struct river *river, const char *name);
/* A new version of the roster has the node no more; its process goes on as if it did not care. */
void river_revoke(struct river *river, const char *name);
/* A new version of the roster has one aggregator more, which starts. Its number follows the last one's. */
void river_add_aggregator(struct river *river);
/* A site that reads on but never answers; false: it answers again. */
void river_mute(struct river *river, const char *site, bool mute);

struct memory_log *river_log(struct river *river);
/* The server's node, for questions about the state; any other by its name. */
struct node *river_server(struct river *river);
struct node *river_node(struct river *river, const char *name);

/* Wait until `round` of the job is open and all its updates are opened (or the job has ended). False: not within 30 s.
 */
bool river_await_uploads(struct river *river, int round);
/* Wait until the job has ended. Gives how, and the digest of the last closed round. False: not within 60 s. */
bool river_await_end(struct river *river, enum outcome *outcome, char reason[256], struct digest *model);

#endif
