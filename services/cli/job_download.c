/* The global model: to a file beside, verified, then renamed, so that OUTPUT is never a part of a model. */
#include "cli/format.h"
#include "cli/job.h"
#include "cli/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

struct settings {
    struct cli_common common;
    char *output;
};

static const struct option_entry entries[] = {
    CLI_COMMON_ENTRIES(struct settings),
    OPTION_TEXT_ENTRY(struct settings, output, "output", "global.safetensors", "file to write; an old one is replaced"),
};

static void draw(void *context, int64_t done, int64_t total)
{
    if (done > 0) bar_bytes(context, done, total);
}

static enum anb_status print_result(const struct settings *settings, int64_t size_bytes, const char *digest,
                                    struct anb_error *err)
{
    char size[FORMAT_BYTES];
    if (!settings->common.json) {
        printf("%s  %s  sha256 %s\n", settings->output, format_bytes(size_bytes, size), digest);
        return ANB_OK;
    }
    struct doc *result = doc_new_map();
    doc_set_text(result, "file", settings->output);
    doc_set_int(result, "bytes", size_bytes);
    doc_set_text(result, "sha256", digest);
    enum anb_status status = cli_print_json(result, err);
    doc_free(result);
    return status;
}

static enum anb_status finish(int fd, const char *beside, const char *output, struct anb_error *err)
{
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) != 0 || fsync(fd) != 0) return anb_fail_errno(err, errno, "cannot write %s", beside);
    if (rename(beside, output) != 0) return anb_fail_errno(err, errno, "cannot write %s", output);
    return ANB_OK;
}

static enum anb_status download(const struct settings *settings, const struct job_target *target, int fd,
                                const char *beside, struct anb_error *err)
{
    char path[JOB_PATH_BYTES], digest[DIGEST_TEXT_BYTES];
    int64_t size_bytes = 0;
    struct bar bar;
    bar_init(&bar, "downloading");
    snprintf(path, sizeof path, "/v1/jobs/%s/model", target->id);
    struct rest_watch watch = {draw, &bar};
    enum anb_status status = rest_download(target->rest, path, fd, &watch, &size_bytes, digest, err);
    bar_clear(&bar);
    if (status == ANB_OK) status = finish(fd, beside, settings->output, err);
    return status == ANB_OK ? print_result(settings, size_bytes, digest, err) : status;
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    struct settings *settings = context;
    struct job_target target;
    char beside[PATH_BYTES];
    enum anb_status status = job_open(&settings->common, operands[0], &target, err);
    if (status != ANB_OK) return status;
    int fd = -1;
    if (snprintf(beside, sizeof beside, "%s.XXXXXX", settings->output) >= (int)sizeof beside)
        status = anb_fail(err, ANB_INVALID, "path too long: %.200s", settings->output);
    else if ((fd = mkstemp(beside)) < 0)
        status = anb_fail_errno(err, errno, "cannot write beside %s", settings->output);
    if (status == ANB_OK) {
        status = download(settings, &target, fd, beside, err);
        if (status != ANB_OK) unlink(beside);
        close(fd);
    }
    rest_close(target.rest);
    return status;
}

static const struct option_table options =
    CLI_OPTIONS("job download", "ID", "fetch the global model as safetensors, verified", entries);
const struct cli_verb verb_job_download = {&options, sizeof(struct settings), 1, run};
