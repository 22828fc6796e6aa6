/* Speaking with the server's REST endpoint (libcurl).
 *
 * A call that cannot reach the server, or to which it says "unavailable", is repeated with growing pauses until
 * the patience is spent; every call made so may be repeated without harm (a submission carries a request id). A
 * refusal gives the server's own sentence and the status that belongs to it. An answer has a ceiling, a silent server a
 * time limit, and nothing is followed to another address. One thread. */
#ifndef ANB_CLI_REST_H
#define ANB_CLI_REST_H

#include "base/doc.h"
#include "base/id.h"

enum { REST_PATIENCE_MS = 3000 };

struct rest;

/* Told how many bytes went, of how many (0: not known yet). */
struct rest_watch {
    void (*report)(void *context, int64_t done, int64_t total);
    void *context;
};

struct rest_part { /* of a multipart body: a text, or the file open at `fd` */
    const char *name;
    const char *text; /* NULL: the file */
    int fd;
    int64_t size_bytes;
};

struct context;

/* `server`: what the user gave, NULL for where the user logged in last. DENIED without a login there. Nothing is sent
 * yet. */
enum anb_status rest_open(const char *server, struct rest **rest, struct anb_error *err);
enum anb_status rest_open_as(const struct context *context, struct rest **rest, struct anb_error *err);
void rest_close(struct rest *rest); /* NULL is fine */
/* Whose calls they are; lives as long as `rest`. */
const struct context *rest_context(const struct rest *rest);
/* How long calls try to reach the server, from now on. */
void rest_set_patience(struct rest *rest, int64_t patience_ms);

/* `wait_s`: how long the server may hold its answer back. *body is NULL after an answer without one; free it with
 * doc_free. A DELETE that finds nothing at its second try has done its work at the first. */
enum anb_status rest_call(struct rest *rest, const char *method, const char *path, int64_t wait_s, struct doc **body,
                          struct anb_error *err);
/* POST a JSON text. Not repeated: what is made twice is there twice. */
enum anb_status rest_post(struct rest *rest, const char *path, const char *json, struct doc **body,
                          struct anb_error *err);
enum anb_status rest_upload(struct rest *rest, const char *path, const struct rest_part *parts, size_t n_parts,
                            const struct rest_watch *watch, struct doc **body, struct anb_error *err);
/* Write the answer to `fd`, from its beginning, and check size and SHA-256 against Content-Length and ETag. */
enum anb_status rest_download(struct rest *rest, const char *path, int fd, const struct rest_watch *watch,
                              int64_t *size_bytes, char digest[DIGEST_TEXT_BYTES], struct anb_error *err);

#endif
