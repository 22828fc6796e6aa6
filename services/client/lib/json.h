/* Just enough JSON for the agent's messages and the headers of models: a cursor that reads a text once, and a writer.
 *
 * The reader allocates only the texts it hands out. A cursor that met something else than it was asked for is `bad`
 * from then on, every later read gives nothing; so one check at the end is enough. Any thread, one at a time. */
#ifndef ANB_LIB_JSON_H
#define ANB_LIB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_cursor {
    const char *at, *end;
    bool bad;
};

struct json_cursor json_over(const char *text, size_t size);
/* {"key": value, ...}: call json_enter('{') once, then json_key until it gives NULL; read or skip each value. The key
 * is the caller's to free. Lists: json_enter('['), then json_item until false. */
bool json_enter(struct json_cursor *cursor, char open);
char *json_key(struct json_cursor *cursor);
bool json_item(struct json_cursor *cursor);
char *json_text(struct json_cursor *cursor); /* to be freed; NULL when it is not a text */
int64_t json_integer(struct json_cursor *cursor);
void json_skip(struct json_cursor *cursor);
bool json_done(struct json_cursor *cursor); /* nothing but blanks is left and nothing was bad */

/* A text that grows; `failed` when memory ran out or it passed `ceiling`. */
struct json_text {
    char *data;
    size_t size, capacity, ceiling;
    bool failed;
};

void json_put(struct json_text *out, const char *raw);
void json_put_text(struct json_text *out, const char *text); /* quoted */
void json_put_integer(struct json_text *out, int64_t value);
void json_put_real(struct json_text *out, double value); /* null for NaN and infinity */
void json_fini(struct json_text *out);

#endif
