#include "intake.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "policy/authorize.h"
#include "tensor/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct bundle_limits bundle_limits = {BUNDLE_MAX_FILES, BUNDLE_MAX_BYTES};

/* -- what the log says */

/* A specification of our own: the state's may change under its lock. */
static enum anb_status copy_spec(const struct job_spec *spec, struct job_spec **copy, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, (size_t)4 * JOB_FILE_MAX_BYTES);
    enum anb_status status = job_spec_write_json(spec, &text, err);
    if (status == ANB_OK) status = job_spec_parse(buf_slice(&text), "job", copy, err);
    buf_fini(&text);
    return status;
}

enum anb_status intake_job_copy(const struct job_state *state, struct intake_job *job, struct anb_error *err)
{
    *job = (struct intake_job){.bundle = state->bundle,
                               .model = state->model,
                               .manifest_digest = state->manifest_digest,
                               .signature = state->signature};
    snprintf(job->id, sizeof job->id, "%s", state->id);
    snprintf(job->request, sizeof job->request, "%s", state->request);
    snprintf(job->submitter, sizeof job->submitter, "%s", state->submitter);
    return copy_spec(state->spec, &job->spec, err);
}

void intake_job_fini(struct intake_job *job)
{
    job_spec_free(job->spec);
    job->spec = NULL;
}

/* -- the policy */

enum anb_status intake_audit(const struct intake_site *site, const struct intake_job *job, enum audit_what what,
                             const char *outcome, const char *detail, struct anb_error *err)
{
    char who[NAME_MAX_BYTES + 8], on[40];
    snprintf(who, sizeof who, "user %s", job->submitter);
    snprintf(on, sizeof on, "job %s", job->id);
    const struct audit_event event = {what, who, on, outcome, detail};
    return audit_write(site->audit, &event, err);
}

/* Which text it was that decides. */
static enum anb_status tell_policy(const struct intake_site *site, const struct intake_job *job, struct slice text,
                                   struct anb_error *err)
{
    struct digest digest;
    char digits[DIGEST_TEXT_BYTES], detail[AUDIT_DETAIL_BYTES];
    enum anb_status status = digest_of(text, &digest, err);
    if (status != ANB_OK) return status;
    snprintf(detail, sizeof detail, "%.800s sha256 %s", site->policy_file, digest_text(&digest, digits));
    log_event(LOG_INFO, "policy-read", "job=%s file=%s sha256=%s", job->id, site->policy_file, digits);
    return intake_audit(site, job, AUDIT_POLICY_LOADED, NULL, detail, err);
}

static enum anb_status load_policy(const struct intake_site *site, const struct intake_job *job, struct policy **policy,
                                   struct anb_error *err)
{
    struct buf text;
    buf_init(&text, POLICY_FILE_MAX_BYTES);
    enum anb_status status = file_read(site->policy_file, &text, err);
    if (status == ANB_OK) status = policy_parse(buf_slice(&text), site->policy_file, policy, err);
    if (status == ANB_OK) status = tell_policy(site, job, buf_slice(&text), err);
    if (status != ANB_OK) {
        policy_free(*policy);
        *policy = NULL;
    }
    buf_fini(&text);
    return status;
}

static struct policy *read_policy(const struct intake_site *site, const struct intake_job *job,
                                  struct policy_decision *decision)
{
    struct policy *policy = NULL;
    struct anb_error err;
    if (!site->policy_file) {
        policy_find(decision, POLICY_RULE_FILE, false, "this site has no policy file: its owner must write one");
    } else if (load_policy(site, job, &policy, &err) != ANB_OK) {
        log_event(LOG_ERROR, "policy-unusable", "file=%s reason=%s", site->policy_file, err.text);
        policy_find(decision, POLICY_RULE_FILE, false, "this site's policy file cannot be used");
    }
    return policy;
}

/* -- the signature */

/* The record is signed by a user who is one now. */
static enum anb_status check_signer(const struct intake_site *site, const struct intake_job *job,
                                    enum roster_role *role, struct anb_error *err)
{
    struct slice signed_bytes = slice_of(job->manifest_digest.bytes, DIGEST_BYTES);
    enum anb_status status = node_trust_verify(site->trust, job->submitter, MANIFEST_PURPOSE, signed_bytes,
                                               &job->signature, clock_wall_ms() / 1000, NULL, err);
    if (status != ANB_OK) return status;
    unsigned roles = node_trust_roles(site->trust, job->submitter);
    for (int i = 0; i < ROSTER_N_ROLES; i++) {
        if (!(roles >> i & 1) || roster_role_kind((enum roster_role)i) != CERTIFICATE_USER) continue;
        *role = (enum roster_role)i;
        return ANB_OK;
    }
    return anb_fail(err, ANB_DENIED, "%.48s is a node, no user", job->submitter);
}

/* Where the two parts lie; only bytes in this form are a job folder. */
static enum anb_status find_parts(const struct layout *layout, int64_t *archive_bytes, int64_t *text_bytes,
                                  struct anb_error *err)
{
    if (!layout || layout_n_tensors(layout) != 2 || strcmp(layout_tensor(layout, 0)->name, "bundle") != 0 ||
        strcmp(layout_tensor(layout, 1)->name, "manifest") != 0)
        return anb_fail(err, ANB_CORRUPT, "what came is not a job folder with its manifest");
    *archive_bytes = layout_tensor(layout, 0)->end;
    *text_bytes = layout_tensor(layout, 1)->end - *archive_bytes;
    if (*text_bytes <= MANIFEST_MAX_BYTES) return ANB_OK;
    return anb_fail(err, ANB_CORRUPT, "its manifest has more than %d bytes", MANIFEST_MAX_BYTES);
}

static enum anb_status read_text(int fd, int64_t offset, int64_t bytes, struct buf *text, struct anb_error *err)
{
    enum anb_status status = buf_reserve(text, (size_t)bytes, err);
    if (status != ANB_OK) return status;
    if (pread(fd, text->data, (size_t)bytes, (off_t)offset) != bytes)
        return anb_fail(err, ANB_CORRUPT, "its manifest cannot be read");
    text->size = (size_t)bytes;
    return ANB_OK;
}

static enum anb_status check_text(const struct intake_job *job, struct slice text, struct anb_error *err)
{
    struct digest digest;
    enum anb_status status = digest_of(text, &digest, err);
    if (status == ANB_OK && !digest_equal(&digest, &job->manifest_digest))
        status = anb_fail(err, ANB_CORRUPT, "the manifest that came is not the one that was signed");
    return status;
}

/* The control log says what the job is; the signed job file must say the same. */
static enum anb_status check_spec(const struct intake_job *job, int fd, const struct manifest *manifest,
                                  struct anb_error *err)
{
    const char *name = manifest_find(manifest, "job.yaml") ? "job.yaml" : "job.json";
    struct job_spec *spec = NULL;
    struct buf text, ours, theirs;
    buf_init(&text, JOB_FILE_MAX_BYTES);
    buf_init(&ours, (size_t)4 * JOB_FILE_MAX_BYTES);
    buf_init(&theirs, (size_t)4 * JOB_FILE_MAX_BYTES);
    enum anb_status status = lseek(fd, 0, SEEK_SET) == 0 ? bundle_read(fd, &bundle_limits, name, &text, err)
                                                         : anb_fail_errno(err, errno, "cannot read the archive");
    if (status == ANB_OK) status = job_spec_parse(buf_slice(&text), name, &spec, err);
    if (status == ANB_OK) status = job_spec_write_json(spec, &ours, err);
    if (status == ANB_OK) status = job_spec_write_json(job->spec, &theirs, err);
    if (status == ANB_OK && !slice_equal(buf_slice(&ours), buf_slice(&theirs)))
        status = anb_fail(err, ANB_CORRUPT, "the server announces another job than the signed %s says", name);
    job_spec_free(spec);
    buf_fini(&text);
    buf_fini(&ours);
    buf_fini(&theirs);
    return status;
}

static enum anb_status check_folder(const struct intake_site *site, const struct intake_job *job, int fd,
                                    const struct layout *layout, struct manifest **manifest, struct anb_error *err)
{
    int64_t archive_bytes = 0, text_bytes = 0;
    struct buf text;
    buf_init(&text, MANIFEST_MAX_BYTES);
    enum anb_status status = find_parts(layout, &archive_bytes, &text_bytes, err);
    if (status == ANB_OK) status = read_text(fd, archive_bytes, text_bytes, &text, err);
    if (status == ANB_OK) status = check_text(job, buf_slice(&text), err);
    if (status == ANB_OK) status = manifest_read(buf_slice(&text), manifest, err);
    if (status == ANB_OK)
        status = manifest_check(*manifest, node_trust_project(site->trust), job->request, job->submitter,
                                clock_wall_ms() / 1000, err);
    if (status == ANB_OK && ftruncate(fd, (off_t)archive_bytes) != 0)
        status = anb_fail_errno(err, errno, "cannot cut off the manifest");
    if (status == ANB_OK) status = manifest_check_archive(*manifest, fd, archive_bytes, &bundle_limits, err);
    if (status == ANB_OK) status = check_spec(job, fd, *manifest, err);
    buf_fini(&text);
    return status;
}

/* -- judgement */

void intake_foresee(const struct intake_site *site, const struct intake_job *job, int64_t bundle_bytes,
                    struct policy_decision *decision)
{
    enum roster_role role;
    struct anb_error err;
    struct policy *policy = read_policy(site, job, decision);
    if (!policy) return;
    if (check_signer(site, job, &role, &err) != ANB_OK)
        policy_find(decision, POLICY_RULE_MANIFEST, false, "%s", err.text);
    /* headers and padding of the archive, and the manifest, take more than the files */
    int64_t most = 2 * (policy->folder_mib << 20) + MANIFEST_MAX_BYTES;
    policy_find(decision, POLICY_RULE_FOLDER, bundle_bytes <= most,
                "the job folder's archive has %lld bytes, at most %lld are fetched", (long long)bundle_bytes,
                (long long)most);
    policy_free(policy);
}

static void ask_policy(const struct intake_site *site, const struct intake_job *job, const struct policy *policy,
                       const struct policy_request *request, struct policy_decision *decision)
{
    policy_decide(policy, request, decision);
    if (!policy_denial(decision)) policy_authorize(policy, request, node_trust_name(site->trust), job->id, decision);
    decision->scope = NULL;
}

void intake_judge(const struct intake_site *site, const struct intake_job *job, int fd, const struct layout *layout,
                  struct intake_verdict *verdict)
{
    struct policy_decision *decision = &verdict->decision;
    struct manifest *manifest = NULL;
    char digits[DIGEST_TEXT_BYTES];
    struct anb_error err;
    *verdict = (struct intake_verdict){.decision = {.n_findings = 0}};
    struct policy *policy = read_policy(site, job, decision);
    if (!policy) return;
    struct policy_request request = {.user = job->submitter, .spec = job->spec};
    enum anb_status status = check_signer(site, job, &request.role, &err);
    if (status == ANB_OK) status = check_folder(site, job, fd, layout, &manifest, &err);
    digest_text(&job->manifest_digest, digits);
    if (status == ANB_OK) status = intake_audit(site, job, AUDIT_BUNDLE_VERIFIED, NULL, digits, &err);
    if (status == ANB_OK) {
        request.manifest = manifest;
        verdict->model = manifest->model;
        policy_find(decision, POLICY_RULE_MANIFEST, true, "signed by %s", job->submitter);
        ask_policy(site, job, policy, &request, decision);
    } else {
        policy_find(decision, POLICY_RULE_MANIFEST, false, "%s", err.text);
        intake_audit(site, job, AUDIT_BUNDLE_REFUSED, "denied", err.text, NULL);
    }
    manifest_free(manifest);
    policy_free(policy);
}

enum anb_status intake_check_model(const struct manifest_model *model, int fd, struct anb_error *err)
{
    struct safetensors file = {0};
    struct digest data;
    enum anb_status status = safetensors_open(fd, "the initial model", &file, err);
    if (status != ANB_OK) return status;
    int64_t bytes = layout_data_bytes(file.layout);
    status = digest_of_file(fd, file.data_offset, bytes, &data, err);
    if (status == ANB_OK && (bytes != model->bytes || !digest_equal(&data, &model->data) ||
                             !digest_equal(layout_digest(file.layout), &model->layout)))
        status = anb_fail(err, ANB_CORRUPT, "the initial model is not the one that was signed");
    safetensors_fini(&file);
    return status;
}

bool intake_denies(const struct policy_decision *decision, char reason[INTAKE_REASON_BYTES])
{
    const struct policy_finding *denial = policy_denial(decision);
    if (denial) snprintf(reason, INTAKE_REASON_BYTES, "rule %s: %s", policy_rule_word(denial->rule), denial->text);
    return denial != NULL;
}
