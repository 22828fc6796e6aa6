/* Real agents against a server that is not honest, users who may not, and policies of all kinds. Nothing of a job that
 * is refused is ever unpacked. */
#include "agents.h"
#include "base/file.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT "#!/bin/sh\nexec ./hello\n"
#define SPEC "\"rounds\":1,\"sites\":{\"minimum\":1,\"wait_s\":60}"

static bool is_unpacked(const struct agents *agents, const char *job)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/jobs/%s", agents_folder(agents, 1), job);
    return access(path, F_OK) == 0;
}

static void refused_by(struct agents *agents, void (*change)(struct agents_submission *), const char *words)
{
    char reason[512] = "";
    const char *job = agents_submit_changed(agents, SCRIPT, SPEC, change);
    CHECK(agents_await_answer(agents, job, reason));
    CHECK(strstr(reason, words) != NULL);
    if (!strstr(reason, words)) printf("no \"%s\" in: %s\n", words, reason);
    CHECK(!is_unpacked(agents, job));
    agents_abort(agents, job);
}

/* -- a server that is not honest */

static void flip(int fd, int64_t offset)
{
    unsigned char byte;
    REQUIRE(pread(fd, &byte, 1, offset) == 1);
    byte ^= 1;
    REQUIRE(pwrite(fd, &byte, 1, offset) == 1);
}

/* Behind the first header: the content of a file. */
static void alter_file(struct agents_submission *submission)
{
    flip(submission->archive_fd, 600);
}

static void alter_name(struct agents_submission *submission)
{
    flip(submission->archive_fd, 0);
}

static void alter_manifest(struct agents_submission *submission)
{
    flip(submission->archive_fd, submission->archive_bytes + 40);
}

/* Another manifest, with a digest that fits it: the signature does not. */
static void swap_manifest(struct agents_submission *submission)
{
    flip(submission->archive_fd, submission->archive_bytes + 40);
    submission->submitted->manifest_digest.bytes[0] ^= 1;
}

static void alter_signature(struct agents_submission *submission)
{
    submission->submitted->signature.bytes[20] ^= 1;
}

static void announce_another_job(struct agents_submission *submission)
{
    submission->submitted->spec = "{\"name\":\"sim\",\"trainer\":{\"command\":[\"./trainer.sh\",\"--all\"]}," SPEC "}";
}

static void claim_another_submitter(struct agents_submission *submission)
{
    submission->submitted->submitter = "jan";
}

static void claim_a_node_as_submitter(struct agents_submission *submission)
{
    submission->submitted->submitter = "server";
}

static void claim_somebody_unknown(struct agents_submission *submission)
{
    submission->submitted->submitter = "nobody";
}

static void bring_it_again_under_another_request(struct agents_submission *submission)
{
    submission->submitted->request = "another";
}

static void what_was_altered_on_its_way_is_refused(void)
{
    struct agents *agents = agents_open(1);
    refused_by(agents, alter_file, "rule manifest: the job folder's archive was altered after it was signed");
    refused_by(agents, alter_name, "rule manifest: the job folder's archive was altered after it was signed");
    refused_by(agents, alter_manifest, "rule manifest: the manifest that came is not the one that was signed");
    refused_by(agents, swap_manifest, "rule manifest:");
    refused_by(agents, alter_signature, "rule manifest:");
    refused_by(agents, announce_another_job,
               "rule manifest: the server announces another job than the signed job.json");
    agents_close(agents);
}

static void a_claim_that_is_not_true_is_refused(void)
{
    struct agents *agents = agents_open(1);
    refused_by(agents, claim_another_submitter, "rule manifest:");
    refused_by(agents, claim_a_node_as_submitter, "rule manifest:");
    refused_by(agents, claim_somebody_unknown, "rule manifest:");
    refused_by(agents, bring_it_again_under_another_request, "rule manifest: the manifest is of request");
    agents_close(agents);
}

static void alter_model(struct agents_submission *submission)
{
    flip(submission->model_fd, lseek(submission->model_fd, 0, SEEK_END) - 1);
}

static void another_initial_model_is_not_trained_on(void)
{
    struct agents *agents = agents_open(1);
    struct ending ending = {.outcome = OUTCOME_COMPLETED};
    const char *job = agents_submit_changed(agents, SCRIPT, SPEC, alter_model);
    CHECK(agents_await(agents, job, &ending));
    CHECK_EQUAL(ending.outcome, OUTCOME_FAILED);
    CHECK(strstr(ending.excluded, "the initial model is not the one that was signed") != NULL);
    agents_close(agents);
}

/* -- users and policies */

static void a_job_of_a_revoked_user_is_refused(void)
{
    struct agents *agents = agents_open(1);
    agents_revoke(agents, "rosa");
    refused_by(agents, NULL, "rule manifest:");
    agents_close(agents);
}

static void a_policy_holds_from_the_next_job_on(void)
{
    struct agents *agents = agents_open(1);
    struct ending ending;
    agents_write_policy(agents, "submitters: {users: [jan]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n");
    refused_by(agents, NULL, "rule submitters: rosa (role lead) is not one of its users and has none of its roles");
    agents_write_policy(agents, "submitters: {users: [rosa]}\ncode: {alow: any}\n");
    refused_by(agents, NULL, "rule policy: this site's policy file cannot be used");
    agents_write_policy(agents, "submitters: {users: [rosa]}\ncode: {allow: any}\n");
    refused_by(agents, NULL, "rule smallest_cohort: the job makes a model of 1 updates");
    agents_write_policy(agents, "submitters: {users: [rosa]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n");
    CHECK(agents_await(agents, agents_submit(agents, SCRIPT, SPEC), &ending));
    CHECK_EQUAL(ending.outcome, OUTCOME_COMPLETED);
    agents_close(agents);
}

static void the_sites_program_that_denies_is_heard(void)
{
    char path[512], policy[1024];
    struct agents *agents = agents_open(1);
    snprintf(path, sizeof path, "%s/ask.sh", test_folder());
    const char *script = "#!/bin/sh\necho '{\"decision\":\"deny\",\"reason\":\"no jobs on Sundays\"}'\n";
    CHECK_STATUS(file_write(path, slice_of_text(script), &test_error), ANB_OK);
    CHECK(chmod(path, 0755) == 0);
    snprintf(policy, sizeof policy,
             "submitters: {users: [rosa]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n"
             "authorization: {program: %s, timeout_s: 60}\n",
             path);
    agents_write_policy(agents, policy);
    refused_by(agents, NULL, "rule authorization: no jobs on Sundays");
    agents_close(agents);
}

/* Accepted, then the agent is killed; when it comes back the owner of the site has changed his mind. */
static void a_job_that_is_no_longer_allowed_gets_no_trainer_after_a_restart(void)
{
    struct agents *agents = agents_open(1);
    struct ending ending = {.outcome = OUTCOME_COMPLETED};
    const char *job = agents_submit(agents, "#!/bin/sh\nsleep 600\n", SPEC);
    CHECK(agents_await_round(agents, job, 0));
    agents_kill(agents, 1);
    agents_write_policy(agents, "submitters: {users: [jan]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n");
    agents_start(agents, 1);
    CHECK(agents_await(agents, job, &ending));
    CHECK_EQUAL(ending.outcome, OUTCOME_FAILED);
    CHECK(strstr(ending.excluded, "rule submitters: rosa") != NULL);
    agents_close(agents);
}

TEST_MAIN("signed jobs", TEST(what_was_altered_on_its_way_is_refused), TEST(a_claim_that_is_not_true_is_refused),
          TEST(another_initial_model_is_not_trained_on), TEST(a_job_of_a_revoked_user_is_refused),
          TEST(a_policy_holds_from_the_next_job_on), TEST(the_sites_program_that_denies_is_heard),
          TEST(a_job_that_is_no_longer_allowed_gets_no_trainer_after_a_restart))
