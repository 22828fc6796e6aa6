/* The federation's state as the JSON that the REST endpoint gives: schemas/openapi.yaml says what each part means.
 *
 * Pure: nothing is kept, nothing is locked; the caller holds the state still. */
#ifndef ANB_SERVER_VIEWS_H
#define ANB_SERVER_VIEWS_H

#include "base/doc.h"
#include "job/federation.h"

/* Sites of rounds in one answer at most: older rounds are left out, "rounds_left_out" says how many. */
enum { VIEW_MAX_PARTS = 20000 };

enum view_rounds { VIEW_NO_ROUNDS, VIEW_LAST_ROUND, VIEW_ALL_ROUNDS };

void view_summary(struct doc *map, const struct job_state *job);
void view_job(struct doc *map, const struct job_state *job, enum view_rounds rounds);
void view_nodes(struct doc *list, const struct node_state *first, enum role role, int64_t now_ms);

/* The last round that made a model; NULL: none did. */
const struct round_state *last_model_round(const struct job_state *job);

#endif
