#include "server/store.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "node/transfer.h"
#include "server/store_file.h"
#include "server/views.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_BYTES = 4096,
    WAIT_MS = 200,
    GATHER_MS = 10,
    SWEEP_MS = 1000,
    MAX_TRIES = 5,
    RETRY_MS = 500,
    SETTLE_MS = 10000
};

struct known_job { /* has a folder here and was seen in the state */
    char id[17];
    struct known_job *next;
};

struct store {
    struct node *node;
    const struct conductor *conductor;
    struct job_logs *logs;
    char folder[PATH_BYTES - 64];
    struct transfer_inbox *inbox;
    struct transfer_control control;
    struct known_job *known;
    int64_t swept_ms, swept_offset;
    atomic_ullong models, bytes, failures;
    atomic_bool stop;
    pthread_t thread;
};

struct storing { /* one model to store */
    struct store *store;
    char job[17];
    int32_t round;
    struct id streams[MAX_PARTITIONS];
    size_t n_streams;
};

static void folder_of(const struct store *store, const char *job, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s", store->folder, job);
}

static bool is_known(const struct store *store, const char *job)
{
    for (const struct known_job *known = store->known; known; known = known->next)
        if (strcmp(known->id, job) == 0) return true;
    return false;
}

static void note_known(struct store *store, const char *job)
{
    struct known_job *known = is_known(store, job) ? NULL : calloc(1, sizeof *known);
    if (!known) return;
    memcpy(known->id, job, sizeof known->id); /* a valid id: 16 digits and the NUL */
    known->next = store->known;
    store->known = known;
}

/* -- storing */

static bool fill_in(struct storing *storing, const struct job_state *job)
{
    const struct round_state *round = last_model_round(job);
    if (job->phase != JOB_STORING || job->stored || job->store_failure || !round || round->n_model > MAX_PARTITIONS ||
        !job_spec_stores_result(job->spec))
        return false;
    snprintf(storing->job, sizeof storing->job, "%s", job->id);
    storing->round = round->round;
    storing->n_streams = round->n_model;
    memcpy(storing->streams, round->model, round->n_model * sizeof *round->model);
    return true;
}

static bool find_next(struct store *store, struct storing *storing)
{
    bool found = false;
    if (!conductor_leads(store->conductor)) return false;
    storing->store = store;
    const struct federation *federation = node_lock(store->node);
    for (size_t i = 0; i < federation_n_jobs(federation) && !found; i++)
        found = fill_in(storing, federation_job_at(federation, i));
    node_unlock(store->node);
    return found;
}

static enum anb_status fill(void *context, int fd, struct anb_error *err)
{
    struct storing *storing = context;
    struct transfer_target target = {.fd = fd};
    enum anb_status status = transfer_receive(storing->store->inbox, storing->streams, storing->n_streams, &target,
                                              &storing->store->control, err);
    layout_free(target.layout);
    return status;
}

static enum anb_status store_with_patience(struct storing *storing, struct stored_file *stored, struct anb_error *err)
{
    char folder[PATH_BYTES];
    struct store *store = storing->store;
    folder_of(store, storing->job, folder);
    enum anb_status status = ANB_OK;
    for (int i = 0; i < MAX_TRIES; i++) {
        if (i > 0) clock_sleep_ms(RETRY_MS);
        atomic_store(&store->control.bytes_done, 0);
        status = store_file(folder, fill, storing, stored, err);
        if (anb_status_class(status) != ANB_CLASS_RETRY || atomic_load(&store->stop)) break;
    }
    return status;
}

static enum anb_status append_stored(struct storing *storing, const struct stored_file *stored, const char *reason,
                                     struct anb_error *err)
{
    struct record record = {.kind = RECORD_MODEL_STORED,
                            .is.model_stored = {.job = storing->job,
                                                .round = storing->round,
                                                .file_digest = stored->digest,
                                                .file_bytes = stored->bytes,
                                                .stored = !*reason,
                                                .reason = reason}};
    const struct federation *federation = node_lock(storing->store->node);
    record.is.model_stored.head.epoch = federation_epoch(federation);
    node_unlock(storing->store->node);
    return node_append(storing->store->node, &record, true, err);
}

/* The next look at the state must see what was appended. */
static void settle(struct store *store)
{
    int64_t deadline_ms = clock_monotonic_ms() + SETTLE_MS, seen = 0;
    while (node_is_behind(store->node) && clock_monotonic_ms() < deadline_ms && !atomic_load(&store->stop))
        seen = node_wait(store->node, seen, WAIT_MS);
}

static void work_on(struct storing *storing)
{
    struct store *store = storing->store;
    struct stored_file stored = {.bytes = 0};
    struct anb_error err = {.text = ""};
    note_known(store, storing->job); /* it may be deleted before the next sweep */
    node_set_activity(store->node, "storing", storing->job, storing->round, 0, 0);
    enum anb_status status = store_with_patience(storing, &stored, &err);
    node_set_activity(store->node, "idle", NULL, -1, 0, 0);
    if (status != ANB_OK && atomic_load(&store->stop)) return; /* the next start stores it */
    if (status == ANB_OK) {
        store->models++;
        store->bytes += (unsigned long long)stored.bytes;
        log_event(LOG_INFO, "model-stored", "job=%s round=%d bytes=%lld", storing->job, storing->round,
                  (long long)stored.bytes);
    } else {
        store->failures++;
        stored = (struct stored_file){.bytes = 0};
        anb_error_prefix(&err, "the model could not be stored: ");
        log_event(LOG_ERROR, "model-not-stored", "job=%s round=%d reason=%s", storing->job, storing->round, err.text);
    }
    status = append_stored(storing, &stored, status == ANB_OK ? "" : err.text, &err);
    if (status != ANB_OK) log_event(LOG_WARN, "append-failed", "job=%s reason=%s", storing->job, err.text);
    settle(store);
}

/* -- folders of jobs that are gone */

static bool is_in_state(const struct store *store, const char *job)
{
    bool found = federation_job(node_lock(store->node), job) != NULL;
    node_unlock(store->node);
    return found;
}

static void note_folders(struct store *store)
{
    DIR *folder = opendir(store->folder);
    if (!folder) return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (job_id_is_valid(entry->d_name) && is_in_state(store, entry->d_name)) note_known(store, entry->d_name);
    closedir(folder);
}

/* A folder of a job that was never in the state is left alone: it may belong to another log. */
static void sweep(struct store *store)
{
    char path[PATH_BYTES];
    struct anb_error err;
    int64_t offset = node_control_offset(store->node);
    if (offset == store->swept_offset || clock_monotonic_ms() - store->swept_ms < SWEEP_MS) return;
    store->swept_offset = offset;
    store->swept_ms = clock_monotonic_ms();
    note_folders(store);
    for (struct known_job **at = &store->known, *known; (known = *at) != NULL;) {
        if (is_in_state(store, known->id)) {
            at = &known->next;
            continue;
        }
        job_logs_forget(store->logs, known->id);
        folder_of(store, known->id, path);
        if (file_remove_folder(path, &err) != ANB_OK)
            log_event(LOG_WARN, "folder-stays", "job=%s reason=%s", known->id, err.text);
        log_event(LOG_INFO, "job-removed", "job=%s", known->id);
        *at = known->next;
        free(known);
    }
}

/* -- the thread */

static void *run(void *context)
{
    struct store *store = context;
    int64_t seen = 0;
    while (!atomic_load(&store->stop)) {
        struct storing storing;
        if (find_next(store, &storing))
            work_on(&storing);
        else {
            sweep(store);
            seen = node_wait(store->node, seen, WAIT_MS);
            clock_sleep_ms(GATHER_MS); /* in a burst of records, look once */
        }
    }
    return NULL;
}

static void store_free(struct store *store)
{
    transfer_inbox_free(store->inbox);
    while (store->known) {
        struct known_job *next = store->known->next;
        free(store->known);
        store->known = next;
    }
    free(store);
}

enum anb_status store_start(struct node *node, const struct conductor *conductor, struct job_logs *logs,
                            const char *folder, struct store **store, struct anb_error *err)
{
    struct store *made = calloc(1, sizeof *made);
    if (!made) return anb_fail(err, ANB_NO_MEMORY, "no memory for the model store");
    made->node = node;
    made->conductor = conductor;
    made->logs = logs;
    snprintf(made->folder, sizeof made->folder, "%s", folder);
    enum anb_status status = transfer_inbox_new(node, &made->inbox, err);
    if (status == ANB_OK && pthread_create(&made->thread, NULL, run, made) != 0)
        status = anb_fail(err, ANB_IO, "cannot start the thread of the model store");
    if (status == ANB_OK)
        *store = made;
    else
        store_free(made);
    return status;
}

void store_stop(struct store *store)
{
    if (!store) return;
    atomic_store(&store->stop, true);
    atomic_store(&store->control.cancel, true);
    pthread_join(store->thread, NULL);
    store_free(store);
}

enum anb_status store_open_model(struct store *store, const char *job, int *fd, int64_t *bytes, struct anb_error *err)
{
    char path[PATH_BYTES];
    struct stat file;
    snprintf(path, sizeof path, "%s/%s/" STORE_FILE_NAME, store->folder, job);
    int opened = job_id_is_valid(job) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (opened < 0) return anb_fail(err, ANB_NOT_FOUND, "this server has no model of job %.32s", job);
    if (fstat(opened, &file) != 0) {
        close(opened);
        return anb_fail_errno(err, errno, "cannot read %s", path);
    }
    *fd = opened;
    *bytes = file.st_size;
    return ANB_OK;
}

void store_count(struct store *store, struct store_counters *counters)
{
    *counters =
        (struct store_counters){atomic_load(&store->models), atomic_load(&store->bytes), atomic_load(&store->failures)};
}
