/* A job folder on its way to a server: its job file, its archive, and the file of its first model.
 *
 * Whether the job file is right is said by the server, by the code that will run it; here only the model's place is
 * read from it, because the model travels as a part of its own. One thread. */
#ifndef ANB_CLI_JOB_FOLDER_H
#define ANB_CLI_JOB_FOLDER_H

#include "base/doc.h"

#include <stdio.h>

enum { JOB_FOLDER_PATH_BYTES = 4096 };

struct job_folder {
    const char *path; /* as given; borrowed */
    struct doc *job_file;
    struct buf job_text;
    const char *job_file_name; /* "job.yaml" or "job.json" */
    char model_path[JOB_FOLDER_PATH_BYTES];
    char skip[JOB_FOLDER_PATH_BYTES]; /* of the folder: the model, which is not in the archive; "": nothing */
    FILE *archive;                    /* without a name, gone when closed */
    int archive_fd, model_fd;         /* model_fd -1: not opened */
    int64_t archive_bytes, model_bytes;
};

/* Read the job file, find the model (`model`, or what the job file names), and pack the folder. With `needs_model` the
 * model is opened, and missing it is an error. Call job_folder_close, whatever comes out. */
enum anb_status job_folder_open(const char *path, const char *model, bool needs_model, struct job_folder *folder,
                                struct anb_error *err);
void job_folder_close(struct job_folder *folder);

#endif
