/* Any bytes as a policy file. What is read decides on a job without a crash, and never by no rule at all. */
#include "policy/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char job[] =
    "name: digits\nrounds: 2\ntrainer: {command: [python3, train.py]}\nprivacy: {scope: strict}\n";

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct manifest_file files[] = {{"job.yaml", 100, {{1}}}, {"train.py", INT64_MAX, {{2}}}};
    const struct manifest manifest = {.submitter = "rosa", .files = files, .n_files = 2};
    struct policy *policy = NULL;
    struct job_spec *spec = NULL;
    if (policy_parse(slice_of(data, size), "site.yaml", &policy, NULL) != ANB_OK) return 0;
    if (job_spec_parse(slice_of_text(job), "job.yaml", &spec, NULL) != ANB_OK) abort();
    const struct policy_request request = {"rosa", ROSTER_LEAD, spec, &manifest};
    struct policy_decision decision = {.n_findings = 0};
    policy_decide(policy, &request, &decision);
    if (decision.n_findings != 5) abort();
    job_spec_free(spec);
    policy_free(policy);
    return 0;
}
