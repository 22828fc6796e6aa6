/* An HTTP client that sends exactly what a test says, however wrong. */
#ifndef ANB_TEST_SUPPORT_RAW_HTTP_H
#define ANB_TEST_SUPPORT_RAW_HTTP_H

#include "base/buf.h"

enum { RAW_REPLY_BYTES = 1 << 20 };

struct raw_reply {
    int code; /* of the first answer; 0: the connection ended without one */
    int n_answers;
    char text[RAW_REPLY_BYTES]; /* all that came, head and body */
    size_t size;
};

/* A connected socket to "127.0.0.1:PORT"; -1 on failure. */
int raw_connect(const char *address);
bool raw_send(int fd, const void *data, size_t size);
/* Read the answer (at most `timeout_ms` without a byte) and what may come behind it, close. */
void raw_finish(int fd, int timeout_ms, struct raw_reply *reply);
/* All of it with one text. */
void raw_ask(const char *address, const char *request, struct raw_reply *reply);
/* The value of a header field in the reply; "" when it is not there. */
const char *raw_header(const struct raw_reply *reply, const char *name, char value[256]);
const char *raw_body(const struct raw_reply *reply); /* of the first answer */

#endif
