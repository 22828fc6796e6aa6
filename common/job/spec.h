/* What a job file says, checked, with defaults filled in.
 *
 * job.yaml (or job.json):
 *     name: digits
 *     rounds: 10                          1..100000
 *     model: initial.safetensors          file in the job folder; may be left out when submit gives one
 *     sites:
 *       minimum: 3                        fewest sites to start with (default: as many as names, else 1)
 *       names: [a, b, c]                  only these (default: every site that accepts)
 *       wait_s: 60                        how long to wait for answers, and for an aggregator
 *     round:
 *       quorum: 2                         fewest updates that make a model (at most and by default: sites.minimum)
 *       deadline_s: 600
 *     aggregation:
 *       rule: fedavg
 *     trainer:
 *       command: [python3, train.py]
 *       launch: job                       job: once for the job; task: once for every task
 *       environment: {NAME: text}
 *     privacy:
 *       scope: strict                     of the sites' policies (default: each site's default)
 *     final_evaluation: true              ask the sites to evaluate the last model
 *     results: [server]                   who keeps the last model; []: nobody but the sites
 * name, rounds and trainer.command must be given. A specification is constant once made. */
#ifndef ANB_JOB_SPEC_H
#define ANB_JOB_SPEC_H

#include "base/doc.h"

enum { JOB_MAX_ROUNDS = 100000, JOB_MAX_SITES = 1000, JOB_FILE_MAX_BYTES = 32768 };

enum trainer_launch { LAUNCH_JOB, LAUNCH_TASK };

struct job_variable {
    const char *name;
    const char *text;
};

struct job_spec {
    const char *name;
    int32_t rounds;
    const char *model; /* NULL: comes with the submission */
    int32_t sites_minimum;
    const char **site_names;
    size_t n_site_names; /* 0: any */
    int64_t wait_s;
    int32_t quorum;
    int64_t deadline_s;
    const char *rule; /* "fedavg" */
    const char **command;
    size_t n_command;
    enum trainer_launch launch;
    struct job_variable *environment;
    size_t n_environment;
    const char *privacy_scope; /* NULL: each site's default */
    bool final_evaluation;
    const char **results; /* of "server" */
    size_t n_results;
};

/* Read a job file (YAML, or JSON which is read as YAML). `name` stands in errors: "job.yaml:7: rounds must
 * be 1..100000, got 0"; an unknown key is an error with the nearest known one. Free with job_spec_free. */
enum anb_status job_spec_parse(struct slice text, const char *name, struct job_spec **spec, struct anb_error *err);
void job_spec_free(struct job_spec *spec);
/* Servers keep the last model, so they can read every model of the job. */
bool job_spec_stores_result(const struct job_spec *spec);
/* All keys, defaults filled in, as JSON that job_spec_parse reads again. */
enum anb_status job_spec_write_json(const struct job_spec *spec, struct buf *out, struct anb_error *err);
/* The page in docs/: one row for each key, from the table that parses it. */
enum anb_status job_spec_markdown(struct buf *out, struct anb_error *err);

#endif
