#include "cli/job_folder.h"

#include "base/file.h"
#include "bundle/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOB_FILE_BYTES = 1 << 20 };

static enum anb_status read_job_file(struct job_folder *folder, struct anb_error *err)
{
    static const char *const names[] = {"job.yaml", "job.json"};
    char path[JOB_FOLDER_PATH_BYTES];
    enum anb_status status = ANB_NOT_FOUND;
    for (size_t i = 0; status == ANB_NOT_FOUND && i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder->path, names[i]);
        folder->job_file_name = names[i];
        status = file_read(path, &folder->job_text, err);
        if (status == ANB_OK) status = doc_parse_yaml(buf_slice(&folder->job_text), names[i], &folder->job_file, err);
    }
    if (status != ANB_NOT_FOUND) return status;
    struct stat info;
    if (stat(folder->path, &info) != 0)
        return anb_fail_errno(err, errno, "cannot read the job folder %s", folder->path);
    return anb_fail(err, ANB_NOT_FOUND,
                    "%s has no job.yaml or job.json: a job folder needs one (see the folders in examples/)",
                    folder->path);
}

/* The path of `model` below the job folder, links followed; "" when it is elsewhere or not there. */
static void find_below(const char *folder, const char *model, char path[JOB_FOLDER_PATH_BYTES])
{
    char *whole_folder = realpath(folder, NULL), *whole_model = realpath(model, NULL);
    size_t length = whole_folder ? strlen(whole_folder) : 0;
    bool below =
        whole_folder && whole_model && strncmp(whole_model, whole_folder, length) == 0 && whole_model[length] == '/';
    snprintf(path, JOB_FOLDER_PATH_BYTES, "%s", below ? whole_model + length + 1 : "");
    free(whole_folder);
    free(whole_model);
}

/* Where the model is, and what of the folder need not be sent because it is the model. A job file comes from anywhere:
 * it may not make us send a file from outside its folder. */
static enum anb_status choose_model(struct job_folder *folder, const char *given, bool is_needed, struct anb_error *err)
{
    const char *named = doc_text(doc_get(folder->job_file, "model"), NULL), *path = folder->path;
    if (!given && !named && !is_needed) return ANB_OK;
    if (!given && !named)
        return anb_fail(err, ANB_INVALID,
                        "%s: no model to begin with: add model: FILE to the job file, or give --model FILE", path);
    if (given || *named == '/')
        snprintf(folder->model_path, JOB_FOLDER_PATH_BYTES, "%s", given ? given : named);
    else
        snprintf(folder->model_path, JOB_FOLDER_PATH_BYTES, "%s/%s", path, named);
    find_below(path, folder->model_path, folder->skip);
    if (given || *folder->skip || access(folder->model_path, F_OK) != 0) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "model: \"%.200s\" is outside the job folder: name it with --model FILE", named);
}

static enum anb_status open_model(struct job_folder *folder, struct anb_error *err)
{
    struct stat info;
    folder->model_fd = open(folder->model_path, O_RDONLY | O_CLOEXEC);
    if (folder->model_fd < 0) return anb_fail_errno(err, errno, "cannot open the model %s", folder->model_path);
    if (fstat(folder->model_fd, &info) != 0 || !S_ISREG(info.st_mode))
        return anb_fail(err, ANB_INVALID, "the model %s is not a file", folder->model_path);
    folder->model_bytes = info.st_size;
    return ANB_OK;
}

static enum anb_status pack_folder(struct job_folder *folder, struct anb_error *err)
{
    struct stat info;
    folder->archive = tmpfile();
    if (!folder->archive) return anb_fail_errno(err, errno, "cannot create a temporary file");
    folder->archive_fd = fileno(folder->archive);
    enum anb_status status = bundle_pack(folder->path, *folder->skip ? folder->skip : NULL, folder->archive_fd, err);
    if (status != ANB_OK) return status;
    if (fstat(folder->archive_fd, &info) != 0) return anb_fail_errno(err, errno, "cannot read a temporary file");
    folder->archive_bytes = info.st_size;
    return ANB_OK;
}

enum anb_status job_folder_open(const char *path, const char *model, bool needs_model, struct job_folder *folder,
                                struct anb_error *err)
{
    *folder = (struct job_folder){.path = path, .archive_fd = -1, .model_fd = -1};
    buf_init(&folder->job_text, JOB_FILE_BYTES);
    enum anb_status status = read_job_file(folder, err);
    if (status == ANB_OK) status = choose_model(folder, model, needs_model, err);
    if (status == ANB_OK && needs_model) status = open_model(folder, err);
    if (status == ANB_OK) status = pack_folder(folder, err);
    return status;
}

void job_folder_close(struct job_folder *folder)
{
    doc_free(folder->job_file);
    buf_fini(&folder->job_text);
    if (folder->model_fd >= 0) close(folder->model_fd);
    if (folder->archive) fclose(folder->archive);
}
