/* Sends a job folder and its first model, with the manifest that its submitter has signed. */
#include "base/id.h"
#include "bundle/manifest.h"
#include "cli/contexts.h"
#include "cli/format.h"
#include "cli/job.h"
#include "cli/job_sign.h"
#include "cli/terminal.h"

#include <string.h>

struct settings {
    struct cli_common common;
    char *model;
    char *request_id;
    char *kit, *kit_passphrase_file;
    bool wait;
    int64_t timeout_s;
};

static const struct option_entry entries[] = {
    CLI_COMMON_ENTRIES(struct settings),
    OPTION_OPTIONAL_ENTRY(struct settings, model, "model",
                          "safetensors file to begin with; else what model: in the job file names"),
    OPTION_OPTIONAL_ENTRY(struct settings, request_id, "request-id",
                          "name of this submission: sent again, it makes no second job; else a random one"),
    OPTION_OPTIONAL_ENTRY(
        struct settings, kit, "kit",
        "folder that anabranch provision made for you: its key signs the job; else that of the login"),
    OPTION_OPTIONAL_ENTRY(struct settings, kit_passphrase_file, "kit-passphrase-file",
                          "with --kit: the first line of this file decrypts the key in it"),
    OPTION_BOOL_ENTRY(struct settings, wait, "wait", "wait until the job has ended"),
    OPTION_INT_ENTRY(struct settings, timeout_s, "timeout", "0", 0, 31536000, "s",
                     "with --wait: give up after so long; 0: never"),
};

static void draw(void *context, int64_t done, int64_t total)
{
    if (done > 0) bar_bytes(context, done, total);
}

static enum anb_status send_job(const struct job_folder *folder, struct rest *rest, const char *request,
                                const char *manifest, struct doc **body, struct anb_error *err)
{
    struct bar bar;
    struct rest_watch watch = {draw, &bar};
    /* The small parts first: the server can refuse a bad job before the model has come. */
    const struct rest_part parts[] = {
        {.name = "request", .text = request},
        {.name = "manifest", .text = manifest},
        {.name = "bundle", .fd = folder->archive_fd, .size_bytes = folder->archive_bytes},
        {.name = "model", .fd = folder->model_fd, .size_bytes = folder->model_bytes},
    };
    bar_init(&bar, "uploading");
    enum anb_status status = rest_upload(rest, "/v1/jobs", parts, sizeof parts / sizeof *parts, &watch, body, err);
    bar_clear(&bar);
    if (anb_status_class(status) == ANB_CLASS_RETRY)
        fprintf(stderr, "to go on with this submission, not to make another: --request-id %s\n", request);
    return status;
}

/* The id alone goes to standard output, for scripts; the advice goes beside. */
static void print_id(const char *id, bool waits)
{
    printf("%s\n", id);
    fflush(stdout);
    if (!waits) fprintf(stderr, "next: anabranch job wait %s; anabranch job logs %s --follow\n", id, id);
}

static enum anb_status finish(const struct settings *settings, struct rest *rest, struct doc **body,
                              struct anb_error *err)
{
    char id[JOB_ID_DIGITS + 1] = "";
    snprintf(id, sizeof id, "%s", doc_text(doc_get(doc_get(*body, "job"), "id"), ""));
    if (!job_id_is_prefix(id)) return anb_fail(err, ANB_IO, "the server's answer names no job");
    if (!settings->common.json) print_id(id, settings->wait);
    if (settings->wait) {
        doc_free(*body);
        *body = NULL;
        enum anb_status status = job_watch(rest, id, settings->timeout_s, settings->common.json, body, err);
        if (status != ANB_OK && status != ANB_ABANDONED) return status;
        if (status == ANB_OK && !settings->common.json) job_print_completed(doc_get(*body, "job"));
        if (settings->common.json) cli_print_json(*body, NULL);
        return status;
    }
    return settings->common.json ? cli_print_json(*body, err) : ANB_OK;
}

static enum anb_status sign(const struct job_folder *folder, const struct settings *settings, const struct rest *rest,
                            const char *request, struct buf *manifest, struct anb_error *err)
{
    const struct context *login = rest_context(rest);
    const char *file = settings->kit             ? settings->kit_passphrase_file
                       : *login->passphrase_file ? login->passphrase_file
                                                 : NULL;
    const struct job_signer signer = {settings->kit ? settings->kit : login->kit, file};
    if (*signer.kit) return job_sign(folder, &signer, request, manifest, err);
    return anb_fail(
        err, ANB_INVALID,
        "a job is signed with your key, and the login has none: give --kit FOLDER (of anabranch provision)");
}

static enum anb_status sign_and_send(const struct settings *settings, const struct job_folder *folder,
                                     struct rest *rest, const char *request, struct doc **body, struct anb_error *err)
{
    struct buf manifest;
    buf_init(&manifest, MANIFEST_MAX_BYTES + SIGNATURE_LINE_BYTES);
    enum anb_status status = sign(folder, settings, rest, request, &manifest, err);
    if (status == ANB_OK) status = send_job(folder, rest, request, buf_text(&manifest), body, err);
    buf_fini(&manifest);
    return status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct job_folder folder = {.archive_fd = -1, .model_fd = -1};
    struct rest *rest = NULL;
    struct doc *body = NULL;
    struct id random;
    char text[ID_TEXT_BYTES];
    enum anb_status status = id_random(&random, err);
    const char *request = settings->request_id ? settings->request_id : id_text(&random, text);
    if (status == ANB_OK) status = job_folder_open(operands[0], settings->model, true, &folder, err);
    if (status == ANB_OK) status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = sign_and_send(settings, &folder, rest, request, &body, err);
    if (status == ANB_OK) status = finish(settings, rest, &body, err);
    doc_free(body);
    rest_close(rest);
    job_folder_close(&folder);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("job submit", "DIR", "send a job folder and its first model; prints the job's id", entries);
const struct cli_verb verb_job_submit = {&options, sizeof(struct settings), 1, run};
