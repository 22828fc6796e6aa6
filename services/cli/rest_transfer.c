/* Files on their way: parts of a submission are read as they go, a model is written as it comes. No file is held in
 * memory. */
#include "base/file.h"
#include "cli/rest.h"
#include "cli/rest_private.h"
#include "crypto/digest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_CEILING_BYTES = 64 << 20, MAX_PARTS = 8 };

/* -- up */

struct file_part {
    int fd;
    int64_t offset, size_bytes;
};

struct upload {
    struct exchange exchange;
    const struct rest_part *parts;
    size_t n_parts;
    struct file_part files[MAX_PARTS];
};

static size_t read_part(char *out, size_t size, size_t count, void *context)
{
    struct file_part *part = context;
    ssize_t got;
    do got = pread(part->fd, out, size * count, (off_t)part->offset);
    while (got < 0 && errno == EINTR);
    if (got < 0) return CURL_READFUNC_ABORT;
    part->offset += got;
    return (size_t)got;
}

static int seek_part(void *context, curl_off_t offset, int origin)
{
    struct file_part *part = context;
    if (origin != SEEK_SET || offset < 0 || offset > part->size_bytes) return CURL_SEEKFUNC_CANTSEEK;
    part->offset = offset;
    return CURL_SEEKFUNC_OK;
}

static bool add_part(struct upload *upload, size_t index)
{
    const struct rest_part *part = &upload->parts[index];
    curl_mimepart *added = curl_mime_addpart(upload->exchange.mime);
    if (!added || curl_mime_name(added, part->name) != CURLE_OK) return false;
    if (part->text) return curl_mime_data(added, part->text, CURL_ZERO_TERMINATED) == CURLE_OK;
    struct file_part *file = &upload->files[index];
    *file = (struct file_part){part->fd, 0, part->size_bytes};
    return curl_mime_filename(added, part->name) == CURLE_OK &&
           curl_mime_type(added, "application/octet-stream") == CURLE_OK &&
           curl_mime_data_cb(added, part->size_bytes, read_part, seek_part, NULL, file) == CURLE_OK;
}

static enum anb_status try_upload(void *context, struct anb_error *err)
{
    struct upload *upload = context;
    struct exchange *exchange = &upload->exchange;
    bool whole = (exchange->mime = curl_mime_init(exchange->rest->curl)) != NULL;
    for (size_t i = 0; whole && i < upload->n_parts; i++) whole = add_part(upload, i);
    enum anb_status status = whole ? exchange_run(exchange, err) : anb_fail(err, ANB_NO_MEMORY, "no memory");
    curl_mime_free(exchange->mime);
    exchange->mime = NULL;
    return status;
}

enum anb_status rest_upload(struct rest *rest, const char *path, const struct rest_part *parts, size_t n_parts,
                            const struct rest_watch *watch, struct doc **body, struct anb_error *err)
{
    struct upload upload = {
        .exchange = {.rest = rest, .method = "POST", .path = path, .watch = watch}, .parts = parts, .n_parts = n_parts};
    if (n_parts > MAX_PARTS) return anb_fail(err, ANB_INVALID, "more than %d parts", MAX_PARTS);
    buf_init(&upload.exchange.body, ANSWER_CEILING_BYTES);
    enum anb_status status = rest_repeat(rest, try_upload, &upload, err);
    if (status == ANB_OK) status = rest_parse_body(&upload.exchange, body, err);
    buf_fini(&upload.exchange.body);
    return status;
}

/* -- down */

struct download {
    struct exchange exchange;
    int fd;
    int64_t size_bytes;
    struct digest_context *digest;
    char digest_text[DIGEST_TEXT_BYTES];
};

static bool write_bytes(void *context, struct slice bytes, struct anb_error *err)
{
    struct download *download = context;
    if (file_write_all(download->fd, bytes.data, bytes.size, download->size_bytes, err) != ANB_OK) return false;
    download->size_bytes += (int64_t)bytes.size;
    digest_update(download->digest, bytes);
    return true;
}

/* ETag: "<64 hexadecimal digits>" */
static enum anb_status check_digest(struct download *download, struct anb_error *err)
{
    struct curl_header *etag = NULL;
    struct digest computed;
    char quoted[DIGEST_TEXT_BYTES + 2];
    enum anb_status status = digest_finish(download->digest, &computed, err);
    if (status != ANB_OK) return status;
    digest_text(&computed, download->digest_text);
    snprintf(quoted, sizeof quoted, "\"%s\"", download->digest_text);
    if (curl_easy_header(download->exchange.rest->curl, "ETag", 0, CURLH_HEADER, -1, &etag) != CURLHE_OK)
        return anb_fail(err, ANB_IO, "%s: the answer names no SHA-256 (ETag): the file cannot be verified",
                        download->exchange.path);
    if (strcmp(etag->value, quoted) == 0) return ANB_OK;
    return anb_fail(err, ANB_IO, "%s arrived damaged: its SHA-256 is %s, the server promised %.80s",
                    download->exchange.path, download->digest_text, etag->value);
}

static enum anb_status check_size(const struct download *download, struct anb_error *err)
{
    curl_off_t promised = -1;
    curl_easy_getinfo(download->exchange.rest->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &promised);
    if (promised == download->size_bytes) return ANB_OK;
    return anb_fail(err, ANB_UNAVAILABLE, "%s arrived truncated: %lld of %lld bytes", download->exchange.path,
                    (long long)download->size_bytes, (long long)promised);
}

static enum anb_status try_download(void *context, struct anb_error *err)
{
    struct download *download = context;
    download->size_bytes = 0;
    if (ftruncate(download->fd, 0) != 0) return anb_fail_errno(err, errno, "cannot write the file");
    download->digest = digest_new();
    if (!download->digest) return anb_fail(err, ANB_NO_MEMORY, "no memory");
    enum anb_status status = exchange_run(&download->exchange, err);
    if (status == ANB_OK) status = check_size(download, err);
    if (status == ANB_OK) status = check_digest(download, err);
    digest_free(download->digest);
    return status;
}

enum anb_status rest_download(struct rest *rest, const char *path, int fd, const struct rest_watch *watch,
                              int64_t *size_bytes, char digest[DIGEST_TEXT_BYTES], struct anb_error *err)
{
    struct download download = {.exchange = {.rest = rest, .method = "GET", .path = path, .watch = watch}, .fd = fd};
    download.exchange.sink = write_bytes;
    download.exchange.sink_context = &download;
    buf_init(&download.exchange.body, ANSWER_CEILING_BYTES);
    enum anb_status status = rest_repeat(rest, try_download, &download, err);
    buf_fini(&download.exchange.body);
    if (status != ANB_OK) return status;
    *size_bytes = download.size_bytes;
    memcpy(digest, download.digest_text, DIGEST_TEXT_BYTES);
    return ANB_OK;
}
