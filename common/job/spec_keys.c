/* Every key of a job file, once: the parser, the JSON writer and the page in docs/ all read this table. */
#include "job/spec_private.h"

static const char *const rules[] = {"fedavg", NULL};
static const char *const keepers[] = {"server", NULL};
static const char *const launches[] = {"job", "task", NULL};

#define AT(field) .offset = offsetof(struct job_spec, field)
#define COUNTED(field) AT(field), .count_offset = offsetof(struct job_spec, n_##field)

const struct spec_key spec_keys[] = {
    {"", "name", KEY_NAME, AT(name), .most = 128, .sentence = "what people call the job"},
    {"", "rounds", KEY_INT32, AT(rounds), .least = 1, .most = JOB_MAX_ROUNDS,
     .sentence = "how many times the sites train and their updates become the next model"},
    {"", "model", KEY_PATH, AT(model), .absent = "comes with the submission",
     .sentence = "the initial global model, a safetensors file in the job folder"},
    {"", "final_evaluation", KEY_BOOL, AT(final_evaluation), .fallback = true, .absent = "true",
     .sentence = "ask the sites to evaluate the last model"},
    {"", "results", KEY_CHOICES, COUNTED(results), .words = keepers, .most = 1, .absent = "[server]",
     .sentence = "who keeps the last model: without `server`, no server can read any model of the job"},
    {"sites", "minimum", KEY_INT32, AT(sites_minimum), .least = 1, .most = JOB_MAX_SITES,
     .absent = "the number of names, else 1", .sentence = "fewest sites to start with"},
    {"sites", "names", KEY_SITES, COUNTED(site_names), .most = JOB_MAX_SITES, .absent = "every site that accepts",
     .sentence = "only these sites take part"},
    {"sites", "wait_s", KEY_INT64, AT(wait_s), .least = 1, .most = 604800, .fallback = 60, .absent = "60",
     .sentence = "seconds to wait for the sites' answers, and for an aggregator"},
    {"round", "quorum", KEY_INT32, AT(quorum), .least = 1, .most = JOB_MAX_SITES, .absent = "sites.minimum",
     .sentence = "fewest updates that make a model, at most sites.minimum"},
    {"round", "deadline_s", KEY_INT64, AT(deadline_s), .least = 1, .most = 604800, .fallback = 600, .absent = "600",
     .sentence = "seconds after which a round goes on without the sites that are missing"},
    {"aggregation", "rule", KEY_CHOICE, AT(rule), .words = rules, .absent = "fedavg",
     .sentence = "how the updates become the next model"},
    {"trainer", "command", KEY_COMMAND, COUNTED(command), .most = 256,
     .sentence = "the training program and its arguments, started in the job folder"},
    {"trainer", "launch", KEY_LAUNCH, AT(launch), .words = launches, .absent = "job",
     .sentence = "start it once for the whole job, or once for every task"},
    {"trainer", "environment", KEY_VARIABLES, COUNTED(environment), .most = 64, .absent = "none",
     .sentence = "variables added to its environment"},
    {"privacy", "scope", KEY_SCOPE, AT(privacy_scope), .absent = "each site's default",
     .sentence = "name of the scope in the sites' policies whose filters their updates pass"},
};
const size_t n_spec_keys = sizeof spec_keys / sizeof *spec_keys;
