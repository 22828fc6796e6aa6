#include "server/request.h"

#include "base/utf8.h"

#include <unistd.h>

void answer_init(struct answer *answer)
{
    *answer = (struct answer){.code = 500, .content_type = "application/json", .fd = -1};
    buf_init(&answer->body, ANSWER_MAX_BYTES);
}

void answer_fini(struct answer *answer)
{
    buf_fini(&answer->body);
    if (answer->fd >= 0) close(answer->fd);
    answer->fd = -1;
}

int http_code_of(enum anb_status status)
{
    switch (status) {
    case ANB_INVALID:
    case ANB_CORRUPT: return 400;
    case ANB_DENIED: return 403;
    case ANB_NOT_FOUND: return 404;
    case ANB_EXISTS: return 409;
    case ANB_TOO_LARGE: return 413;
    case ANB_AGAIN:
    case ANB_TIMEOUT:
    case ANB_UNAVAILABLE:
    case ANB_CLOSED: return 503;
    case ANB_NO_SPACE: return 507;
    default: return 500;
    }
}

static void answer_no_memory(struct answer *answer)
{
    answer->code = 500;
    buf_clear(&answer->body);
    buf_append_text(&answer->body, "{\"error\":{\"code\":\"no-memory\",\"message\":\"no memory\"}}", NULL);
}

enum verdict answer_doc(struct answer *answer, int code, struct doc *doc)
{
    struct anb_error err;
    enum anb_status status = doc ? doc_write_json(doc, false, &answer->body, &err)
                                 : anb_fail(&err, ANB_NO_MEMORY, "no memory for the answer");
    doc_free(doc);
    answer->code = code;
    if (status == ANB_OK) return ANSWERED;
    buf_clear(&answer->body);
    if (code >= 400 || status == ANB_NO_MEMORY)
        answer_no_memory(answer);
    else
        answer_error_as(answer, 500, &err);
    return ANSWERED;
}

enum verdict answer_error_as(struct answer *answer, int code, const struct anb_error *err)
{
    struct anb_error said = *err;
    struct doc *root = doc_new_map();
    struct doc *error = doc_set_map(root, "error");
    utf8_repair(said.text); /* it may quote what came */
    doc_set_text(error, "code", anb_status_word(err->status));
    if (!doc_set_text(error, "message", said.text)) {
        doc_free(root);
        root = NULL;
    }
    return answer_doc(answer, code, root);
}

enum verdict answer_error(struct answer *answer, const struct anb_error *err)
{
    return answer_error_as(answer, http_code_of(err->status), err);
}
