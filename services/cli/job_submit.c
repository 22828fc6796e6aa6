/* Sends a job folder and its first model. Whether the job file is right is said by the server, by the code that will
 * run it; here only the model's place is read from it, because the model travels as a part of its own. */
#include "base/file.h"
#include "base/id.h"
#include "bundle/bundle.h"
#include "cli/format.h"
#include "cli/job.h"
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, JOB_FILE_BYTES = 1 << 20 };

struct settings {
    struct cli_common common;
    char *model;
    char *request_id;
    bool wait;
    int64_t timeout_s;
};

static const struct option_entry entries[] = {
    CLI_COMMON_ENTRIES(struct settings),
    OPTION_OPTIONAL_ENTRY(struct settings, model, "model",
                          "safetensors file to begin with; else what model: in the job file names"),
    OPTION_OPTIONAL_ENTRY(struct settings, request_id, "request-id",
                          "name of this submission: sent again, it makes no second job; else a random one"),
    OPTION_BOOL_ENTRY(struct settings, wait, "wait", "wait until the job has ended"),
    OPTION_INT_ENTRY(struct settings, timeout_s, "timeout", "0", 0, 31536000, "s",
                     "with --wait: give up after so long; 0: never"),
};

/* What is sent; texts point into `job_file` or the settings. */
struct submission {
    const char *folder;
    struct doc *job_file;
    char model_path[PATH_BYTES];
    char skip[PATH_BYTES]; /* of the folder; "": nothing */
    int model_fd, bundle_fd;
    FILE *bundle;
    int64_t model_bytes, bundle_bytes;
};

static enum anb_status read_job_file(struct submission *submission, struct anb_error *err)
{
    static const char *const names[] = {"job.yaml", "job.json"};
    char path[PATH_BYTES];
    struct buf text;
    enum anb_status status = ANB_NOT_FOUND;
    buf_init(&text, JOB_FILE_BYTES);
    for (size_t i = 0; status == ANB_NOT_FOUND && i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", submission->folder, names[i]);
        status = file_read(path, &text, err);
        if (status == ANB_OK) status = doc_parse_yaml(buf_slice(&text), names[i], &submission->job_file, err);
    }
    buf_fini(&text);
    if (status != ANB_NOT_FOUND) return status;
    struct stat info;
    if (stat(submission->folder, &info) != 0)
        return anb_fail_errno(err, errno, "cannot read the job folder %s", submission->folder);
    return anb_fail(err, ANB_NOT_FOUND,
                    "%s has no job.yaml or job.json: a job folder needs one (see the folders in examples/)",
                    submission->folder);
}

/* The path of `model` below the job folder, links followed; "" when it is elsewhere or not there. */
static void find_below(const char *folder, const char *model, char path[PATH_BYTES])
{
    char *whole_folder = realpath(folder, NULL), *whole_model = realpath(model, NULL);
    size_t length = whole_folder ? strlen(whole_folder) : 0;
    bool below =
        whole_folder && whole_model && strncmp(whole_model, whole_folder, length) == 0 && whole_model[length] == '/';
    snprintf(path, PATH_BYTES, "%s", below ? whole_model + length + 1 : "");
    free(whole_folder);
    free(whole_model);
}

/* Where the model is, and what of the folder need not be sent because it is the model. A job file comes from anywhere:
 * it may not make us send a file from outside its folder. */
static enum anb_status choose_model(struct submission *submission, const char *given, struct anb_error *err)
{
    const char *named = doc_text(doc_get(submission->job_file, "model"), NULL), *folder = submission->folder;
    if (!given && !named)
        return anb_fail(err, ANB_INVALID,
                        "%s: no model to begin with: add model: FILE to the job file, or give --model FILE", folder);
    if (given || *named == '/')
        snprintf(submission->model_path, PATH_BYTES, "%s", given ? given : named);
    else
        snprintf(submission->model_path, PATH_BYTES, "%s/%s", folder, named);
    find_below(folder, submission->model_path, submission->skip);
    if (given || *submission->skip || access(submission->model_path, F_OK) != 0) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "model: \"%.200s\" is outside the job folder: name it with --model FILE", named);
}

static enum anb_status open_model(struct submission *submission, struct anb_error *err)
{
    struct stat info;
    submission->model_fd = open(submission->model_path, O_RDONLY | O_CLOEXEC);
    if (submission->model_fd < 0) return anb_fail_errno(err, errno, "cannot open the model %s", submission->model_path);
    if (fstat(submission->model_fd, &info) != 0 || !S_ISREG(info.st_mode))
        return anb_fail(err, ANB_INVALID, "the model %s is not a file", submission->model_path);
    submission->model_bytes = info.st_size;
    return ANB_OK;
}

static enum anb_status pack_folder(struct submission *submission, struct anb_error *err)
{
    struct stat info;
    submission->bundle = tmpfile();
    if (!submission->bundle) return anb_fail_errno(err, errno, "cannot create a temporary file");
    submission->bundle_fd = fileno(submission->bundle);
    enum anb_status status =
        bundle_pack(submission->folder, *submission->skip ? submission->skip : NULL, submission->bundle_fd, err);
    if (status != ANB_OK) return status;
    if (fstat(submission->bundle_fd, &info) != 0) return anb_fail_errno(err, errno, "cannot read a temporary file");
    submission->bundle_bytes = info.st_size;
    return ANB_OK;
}

static void draw(void *context, int64_t done, int64_t total)
{
    if (done > 0) bar_bytes(context, done, total);
}

static enum anb_status send_job(const struct submission *submission, struct rest *rest, const char *request,
                                struct doc **body, struct anb_error *err)
{
    struct bar bar;
    struct rest_watch watch = {draw, &bar};
    /* The small parts first: the server can refuse a bad job before the model has come. */
    const struct rest_part parts[] = {
        {.name = "request", .text = request},
        {.name = "bundle", .fd = submission->bundle_fd, .size_bytes = submission->bundle_bytes},
        {.name = "model", .fd = submission->model_fd, .size_bytes = submission->model_bytes},
    };
    bar_init(&bar, "uploading");
    enum anb_status status = rest_upload(rest, "/v1/jobs", parts, sizeof parts / sizeof *parts, &watch, body, err);
    bar_clear(&bar);
    return status;
}

static enum anb_status prepare(struct submission *submission, const struct settings *settings, struct anb_error *err)
{
    enum anb_status status = read_job_file(submission, err);
    if (status == ANB_OK) status = choose_model(submission, settings->model, err);
    if (status == ANB_OK) status = open_model(submission, err);
    if (status == ANB_OK) status = pack_folder(submission, err);
    return status;
}

static void submission_fini(struct submission *submission)
{
    doc_free(submission->job_file);
    if (submission->model_fd >= 0) close(submission->model_fd);
    if (submission->bundle) fclose(submission->bundle);
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

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct submission submission = {.folder = operands[0], .model_fd = -1, .bundle_fd = -1};
    struct rest *rest = NULL;
    struct doc *body = NULL;
    struct id random;
    char request[ID_TEXT_BYTES];
    const char *request_id = settings->request_id ? settings->request_id : request;
    enum anb_status status = id_random(&random, err);
    id_text(&random, request);
    if (status == ANB_OK) status = prepare(&submission, settings, err);
    if (status == ANB_OK) status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) {
        status = send_job(&submission, rest, request_id, &body, err);
        if (anb_status_class(status) == ANB_CLASS_RETRY)
            fprintf(stderr, "to go on with this submission, not to make another: --request-id %s\n", request_id);
    }
    if (status == ANB_OK) status = finish(settings, rest, &body, err);
    doc_free(body);
    rest_close(rest);
    submission_fini(&submission);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("job submit", "DIR", "send a job folder and its first model; prints the job's id", entries);
const struct cli_verb verb_job_submit = {&options, sizeof(struct settings), 1, run};
