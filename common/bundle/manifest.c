/* A manifest's text is JSON as manifest_write prints it. As with a roster, it is read leniently, written again, and
 * must be the same bytes: so keys in another order, unknown keys, files out of order or named twice are refused by one
 * comparison, and every reader sees what the submitter saw. */
#include "bundle/manifest.h"

#include "base/doc.h"
#include "bundle/member.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char form[] = "anabranch-1";

static enum anb_status no_memory(struct anb_error *err)
{
    return anb_fail(err, ANB_NO_MEMORY, "no memory for a manifest");
}

/* As the REST endpoint takes them: they stand in the text as they are. */
static bool request_is_valid(const char *request)
{
    size_t size = strlen(request);
    if (size < 1 || size >= MANIFEST_REQUEST_BYTES) return false;
    for (; *request; request++)
        if (!isalnum((unsigned char)*request) && !strchr("._-", *request)) return false;
    return true;
}

enum anb_status manifest_new(const char *project, const char *submitter, const char *request, struct manifest **out,
                             struct anb_error *err)
{
    enum anb_status status = name_check("project", project, err);
    if (status == ANB_OK) status = name_check("submitter", submitter, err);
    if (status != ANB_OK) return status;
    if (!request_is_valid(request))
        return anb_fail(err, ANB_INVALID, "a request id has 1..%d letters, digits, dots, underscores and hyphens",
                        MANIFEST_REQUEST_BYTES - 1);
    struct manifest *manifest = calloc(1, sizeof *manifest);
    if (!manifest) return no_memory(err);
    snprintf(manifest->project, sizeof manifest->project, "%s", project);
    snprintf(manifest->submitter, sizeof manifest->submitter, "%s", submitter);
    snprintf(manifest->request, sizeof manifest->request, "%s", request);
    *out = manifest;
    return ANB_OK;
}

void manifest_free(struct manifest *manifest)
{
    if (!manifest) return;
    for (size_t i = 0; i < manifest->n_files; i++) free((char *)manifest->files[i].path);
    free(manifest->files);
    free(manifest);
}

/* -- files */

static enum anb_status add_file(struct manifest *manifest, const char *path, int64_t bytes, const struct digest *digest,
                                struct anb_error *err)
{
    size_t n = manifest->n_files;
    if ((n & (n - 1)) == 0) { /* full at each power of two */
        struct manifest_file *files = realloc(manifest->files, (n ? 2 * n : 1) * sizeof *files);
        if (!files) return no_memory(err);
        manifest->files = files;
    }
    char *copy = strdup(path);
    if (!copy) return no_memory(err);
    manifest->files[n] = (struct manifest_file){copy, bytes, *digest};
    manifest->n_files++;
    return ANB_OK;
}

static enum anb_status see_file(void *context, const char *path, int64_t bytes, const struct digest *digest,
                                struct anb_error *err)
{
    return add_file(context, path, bytes, digest, err);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct manifest_file *)a)->path, ((const struct manifest_file *)b)->path);
}

static enum anb_status list_archive(struct manifest *manifest, int fd, const struct bundle_limits *limits,
                                    struct anb_error *err)
{
    const struct bundle_visitor visitor = {see_file, manifest};
    if (lseek(fd, 0, SEEK_SET) != 0) return anb_fail_errno(err, errno, "cannot read the archive");
    enum anb_status status = bundle_each(fd, limits, &visitor, err);
    if (status == ANB_OK && manifest->n_files > 1)
        qsort(manifest->files, manifest->n_files, sizeof *manifest->files, by_path);
    return status;
}

enum anb_status manifest_take_archive(struct manifest *manifest, int fd, int64_t bytes, struct anb_error *err)
{
    static const struct bundle_limits limits = {BUNDLE_MAX_FILES, BUNDLE_MAX_BYTES};
    manifest->archive_bytes = bytes;
    enum anb_status status = digest_of_file(fd, 0, bytes, &manifest->archive, err);
    return status == ANB_OK ? list_archive(manifest, fd, &limits, err) : status;
}

const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path)
{
    const struct manifest_file wanted = {.path = path};
    if (manifest->n_files == 0) return NULL;
    return bsearch(&wanted, manifest->files, manifest->n_files, sizeof wanted, by_path);
}

/* -- text */

static void set_digest(struct doc *map, const char *key, const struct digest *digest)
{
    char text[DIGEST_TEXT_BYTES];
    doc_set_text(map, key, digest_text(digest, text));
}

static enum anb_status write_map(const struct doc *map, const char *before, struct buf *out, struct anb_error *err)
{
    enum anb_status status = buf_append_text(out, before, err);
    return status == ANB_OK ? doc_write_json(map, false, out, err) : status;
}

static enum anb_status write_file(const struct manifest_file *file, bool first, struct buf *out, struct anb_error *err)
{
    struct doc *map = doc_new_map();
    doc_set_text(map, "path", file->path);
    doc_set_int(map, "bytes", file->bytes);
    set_digest(map, "sha256", &file->digest);
    enum anb_status status = write_map(map, first ? "\n" : ",\n", out, err);
    doc_free(map);
    return status;
}

static enum anb_status write_archive(const struct manifest *manifest, struct buf *out, struct anb_error *err)
{
    struct doc *map = doc_new_map();
    doc_set_int(map, "bytes", manifest->archive_bytes);
    set_digest(map, "sha256", &manifest->archive);
    enum anb_status status = write_map(map, ",\n\"archive\":", out, err);
    doc_free(map);
    return status;
}

static enum anb_status write_model(const struct manifest_model *model, struct buf *out, struct anb_error *err)
{
    struct doc *map = doc_new_map();
    set_digest(map, "layout_sha256", &model->layout);
    doc_set_int(map, "bytes", model->bytes);
    set_digest(map, "sha256", &model->data);
    enum anb_status status = write_map(map, ",\n\"model\":", out, err);
    doc_free(map);
    return status;
}

/* A line for each file, so that two can be compared by eye. */
enum anb_status manifest_write(const struct manifest *manifest, struct buf *out, struct anb_error *err)
{
    enum anb_status status =
        buf_printf(out, err,
                   "{\"manifest\":\"%s\",\"project\":\"%s\",\"submitter\":\"%s\",\"request\":\"%s\",\"signed_s\":%lld,"
                   "\"expires_s\":%lld",
                   form, manifest->project, manifest->submitter, manifest->request, (long long)manifest->signed_s,
                   (long long)manifest->expires_s);
    if (status == ANB_OK) status = write_archive(manifest, out, err);
    if (status == ANB_OK) status = write_model(&manifest->model, out, err);
    if (status == ANB_OK) status = buf_append_text(out, ",\n\"files\":[", err);
    for (size_t i = 0; status == ANB_OK && i < manifest->n_files; i++)
        status = write_file(&manifest->files[i], i == 0, out, err);
    return status == ANB_OK ? buf_append_text(out, "\n]}\n", err) : status;
}

enum anb_status manifest_sign(const struct manifest *manifest, const struct key *key, struct buf *out,
                              struct anb_error *err)
{
    struct buf text;
    struct digest digest;
    struct signature signature;
    buf_init(&text, MANIFEST_MAX_BYTES);
    enum anb_status status = manifest_write(manifest, &text, err);
    if (status == ANB_OK) status = digest_of(buf_slice(&text), &digest, err);
    if (status == ANB_OK)
        status = sign_bytes(key, MANIFEST_PURPOSE, slice_of(digest.bytes, DIGEST_BYTES), &signature, err);
    if (status == ANB_OK) status = buf_append(out, buf_slice(&text), err);
    if (status == ANB_OK) status = signature_append_line(&signature, out, err);
    buf_fini(&text);
    return status;
}

static enum anb_status corrupt(struct anb_error *err, const char *what)
{
    return anb_fail(err, ANB_CORRUPT, "%s", what);
}

static bool get_digest(const struct doc *map, const char *key, struct digest *digest)
{
    return hex_decode(doc_text(doc_get(map, key), ""), digest->bytes, sizeof digest->bytes);
}

static bool get_size(const struct doc *map, int64_t *bytes)
{
    *bytes = doc_int(doc_get(map, "bytes"), -1);
    return *bytes >= 0;
}

/* The path must be one that an archive's member can have, and must come after the last one. */
static bool path_is_next(const struct manifest *manifest, const char *path)
{
    char clean[MEMBER_PATH_BYTES];
    if (member_path(path, clean, NULL) != ANB_OK || strcmp(clean, path) != 0) return false;
    return manifest->n_files == 0 || strcmp(manifest->files[manifest->n_files - 1].path, path) < 0;
}

static enum anb_status read_files(const struct doc *list, struct manifest *manifest, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    if (doc_size(list) > BUNDLE_MAX_FILES) return corrupt(err, "it names too many files");
    for (size_t i = 0; status == ANB_OK && i < doc_size(list); i++) {
        const struct doc *map = doc_at(list, i);
        const char *path = doc_text(doc_get(map, "path"), "");
        struct digest digest;
        int64_t bytes;
        if (!path_is_next(manifest, path)) return corrupt(err, "a file's path is none, or out of order");
        if (!get_size(map, &bytes) || !get_digest(map, "sha256", &digest))
            return corrupt(err, "a file's size or digest is none");
        status = add_file(manifest, path, bytes, &digest, err);
    }
    return status;
}

static enum anb_status read_parts(const struct doc *doc, struct manifest *manifest, struct anb_error *err)
{
    const struct doc *archive = doc_get(doc, "archive"), *model = doc_get(doc, "model");
    manifest->signed_s = doc_int(doc_get(doc, "signed_s"), -1);
    manifest->expires_s = doc_int(doc_get(doc, "expires_s"), -1);
    if (manifest->signed_s < 0 || manifest->expires_s < manifest->signed_s) return corrupt(err, "its times are none");
    if (!get_size(archive, &manifest->archive_bytes) || !get_digest(archive, "sha256", &manifest->archive))
        return corrupt(err, "its archive has no size or digest");
    if (!get_size(model, &manifest->model.bytes) || !get_digest(model, "sha256", &manifest->model.data) ||
        !get_digest(model, "layout_sha256", &manifest->model.layout))
        return corrupt(err, "its model has no size or digest");
    return read_files(doc_get(doc, "files"), manifest, err);
}

static enum anb_status read_document(const struct doc *doc, struct manifest **out, struct anb_error *err)
{
    if (strcmp(doc_text(doc_get(doc, "manifest"), ""), form) != 0) return corrupt(err, "its form is not anabranch-1");
    enum anb_status status =
        manifest_new(doc_text(doc_get(doc, "project"), ""), doc_text(doc_get(doc, "submitter"), ""),
                     doc_text(doc_get(doc, "request"), ""), out, err);
    return status == ANB_OK ? read_parts(doc, *out, err) : status;
}

static enum anb_status check_form(const struct manifest *manifest, struct slice text, struct anb_error *err)
{
    struct buf again;
    buf_init(&again, MANIFEST_MAX_BYTES);
    enum anb_status status = manifest_write(manifest, &again, err);
    if (status == ANB_OK && !slice_equal(buf_slice(&again), text)) status = corrupt(err, "it is not in its one form");
    buf_fini(&again);
    return status;
}

enum anb_status manifest_read(struct slice text, struct manifest **out, struct anb_error *err)
{
    struct doc *doc = NULL;
    struct manifest *manifest = NULL;
    if (text.size > MANIFEST_MAX_BYTES)
        return anb_fail(err, ANB_TOO_LARGE, "a manifest has at most %d bytes", MANIFEST_MAX_BYTES);
    enum anb_status status = doc_parse_json(text, "manifest", &doc, err);
    if (status == ANB_OK) status = read_document(doc, &manifest, err);
    if (status == ANB_OK) status = check_form(manifest, text, err);
    doc_free(doc);
    if (status == ANB_OK)
        *out = manifest;
    else
        manifest_free(manifest);
    if (status == ANB_OK || status == ANB_NO_MEMORY) return status;
    anb_error_prefix(err, "not a manifest: ");
    if (err) err->status = ANB_CORRUPT; /* whatever rule of a manifest or of JSON it breaks */
    return ANB_CORRUPT;
}

/* -- checks */

enum anb_status manifest_check(const struct manifest *manifest, const char *project, const char *request,
                               const char *submitter, int64_t now_s, struct anb_error *err)
{
    if (strcmp(manifest->project, project) != 0)
        return anb_fail(err, ANB_DENIED, "the manifest is of project %s, not %s", manifest->project, project);
    if (strcmp(manifest->request, request) != 0)
        return anb_fail(err, ANB_DENIED, "the manifest is of request \"%s\", not \"%.128s\"", manifest->request,
                        request);
    if (strcmp(manifest->submitter, submitter) != 0)
        return anb_fail(err, ANB_DENIED, "the manifest is by %s, not %.48s", manifest->submitter, submitter);
    if (manifest->signed_s > now_s + MANIFEST_CLOCK_S)
        return anb_fail(err, ANB_DENIED, "the manifest was signed %lld s from now: a clock is wrong",
                        (long long)(manifest->signed_s - now_s));
    if (now_s > manifest->expires_s + MANIFEST_CLOCK_S)
        return anb_fail(err, ANB_DENIED, "the manifest expired %lld s ago: submit the job again",
                        (long long)(now_s - manifest->expires_s));
    return ANB_OK;
}

/* The first difference between what is signed and what came; both are sorted. */
static enum anb_status compare_files(const struct manifest *want, const struct manifest *got, struct anb_error *err)
{
    for (size_t i = 0, j = 0; i < want->n_files || j < got->n_files; i++, j++) {
        const struct manifest_file *a = i < want->n_files ? &want->files[i] : NULL;
        const struct manifest_file *b = j < got->n_files ? &got->files[j] : NULL;
        int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
        if (order < 0) return anb_fail(err, ANB_CORRUPT, "%.200s: signed, but missing in the job folder", a->path);
        if (order > 0) return anb_fail(err, ANB_CORRUPT, "%.200s: in the job folder, but not signed", b->path);
        if (a->bytes != b->bytes || !digest_equal(&a->digest, &b->digest))
            return anb_fail(err, ANB_CORRUPT, "%.200s: altered after it was signed", a->path);
    }
    return ANB_OK;
}

static enum anb_status check_files(const struct manifest *manifest, int fd, const struct bundle_limits *limits,
                                   struct anb_error *err)
{
    struct manifest found = {.n_files = 0};
    enum anb_status status = list_archive(&found, fd, limits, err);
    if (status == ANB_OK) status = compare_files(manifest, &found, err);
    for (size_t i = 0; i < found.n_files; i++) free((char *)found.files[i].path);
    free(found.files);
    return status;
}

enum anb_status manifest_check_archive(const struct manifest *manifest, int fd, int64_t bytes,
                                       const struct bundle_limits *limits, struct anb_error *err)
{
    struct digest digest;
    if (bytes != manifest->archive_bytes)
        return anb_fail(err, ANB_CORRUPT, "the job folder's archive has %lld bytes, the signed one has %lld",
                        (long long)bytes, (long long)manifest->archive_bytes);
    enum anb_status status = digest_of_file(fd, 0, bytes, &digest, err);
    if (status == ANB_OK && !digest_equal(&digest, &manifest->archive))
        status = anb_fail(err, ANB_CORRUPT, "the job folder's archive was altered after it was signed");
    return status == ANB_OK ? check_files(manifest, fd, limits, err) : status;
}
