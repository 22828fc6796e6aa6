/* What a handler sees of a request, and the answer it gives. No HTTP library here.
 *
 * A handler runs on the HTTP thread and never waits. When the answer is not there yet it says WAIT: it is called again
 * with the same request each time something has happened in the federation, and a last time with `late` set. */
#ifndef ANB_SERVER_REQUEST_H
#define ANB_SERVER_REQUEST_H

#include "base/doc.h"
#include "server/target.h"
#include "server/upload.h"
#include "server/user.h"

enum { REQUEST_ID_BYTES = 65, REQUEST_JSON_BYTES = 4096, REQUEST_ROSTER_BYTES = 1500000, ANSWER_MAX_BYTES = 16 << 20 };

struct request;
struct answer;

enum verdict { ANSWERED, WAIT };

typedef enum verdict handler(void *context, struct request *request, struct answer *answer);

enum object { OBJECT_NONE, OBJECT_JOB, OBJECT_TOKEN }; /* what {id} names, and so has an owner */
/* none, multipart/form-data, application/json, the same with room for a roster */
enum body_kind { TAKES_NOTHING, TAKES_UPLOAD, TAKES_JSON, TAKES_ROSTER };

struct route {
    const char *method;
    const char *pattern; /* "/v1/jobs/{id}" */
    const char *queries; /* the names it takes, blank-separated */
    bool changes;        /* only the leader takes it */
    enum body_kind takes;
    handler *handle;
    enum object object;
    enum reach reach[USER_N_ROLES];
    bool open; /* nobody is asked who they are */
};

struct request {
    const struct route *route;
    struct user user; /* unless the route is open */
    struct target target;
    char id[REQUEST_ID_BYTES]; /* at {id} of the pattern */
    struct upload upload;      /* for routes that take one; whoever takes a descriptor sets it to -1 */
    struct buf body;           /* for routes that take JSON */
    int64_t wait_until_ms;     /* monotonic; set by the handler before it says WAIT */
    bool late;                 /* that time is over: answer now, or set another one and clear this */
    bool is_last;              /* the server stops: answer now */
    void *work;                /* the handler's own, kept between its calls */
    void (*work_free)(void *work);
};

struct answer {
    int code;
    struct buf body;
    const char *content_type; /* of the body; constant text */
    int fd;                   /* a file instead of `body`; -1: none. The answer owns it */
    int64_t file_bytes;
    char etag[72];  /* "" for none */
    char allow[64]; /* of a 405 */
    bool is_last;   /* close the connection behind it */
};

void answer_init(struct answer *answer);
void answer_fini(struct answer *answer);

/* Each sets code and body. answer_doc frees `doc`; NULL says that memory is out. */
enum verdict answer_doc(struct answer *answer, int code, struct doc *doc);
/* {"error":{"code","message"}}; the status gives the HTTP code. */
enum verdict answer_error(struct answer *answer, const struct anb_error *err);
enum verdict answer_error_as(struct answer *answer, int code, const struct anb_error *err);
int http_code_of(enum anb_status status);

#endif
