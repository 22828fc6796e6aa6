/* The model store: the last model of each job as FOLDER/ID/global.safetensors. One thread of its own.
 *
 * When a job is STORING and this server leads, the model is received into a file beside, made durable, renamed, and
 * ModelStored is appended; a model that cannot be stored (disk full, altered bytes) ends in ModelStored with the
 * reason. A server that died in between stores again after its start. Folders of jobs that are deleted while it runs
 * are removed. store_open_model may be called from any thread. */
#ifndef ANB_SERVER_STORE_H
#define ANB_SERVER_STORE_H

#include "server/conductor.h"
#include "server/job_log.h"

struct store;

struct store_counters {
    uint64_t models, bytes, failures;
};

/* All must outlive the store. */
enum anb_status store_start(struct node *node, const struct conductor *conductor, struct job_logs *logs,
                            const char *folder, struct store **store, struct anb_error *err);
void store_stop(struct store *store); /* cancels what is on its way */

/* NOT_FOUND when this server has no model of the job. The caller closes *fd. */
enum anb_status store_open_model(struct store *store, const char *job, int *fd, int64_t *bytes, struct anb_error *err);
void store_count(struct store *store, struct store_counters *counters);

#endif
