/* Bearer tokens: what stands in for a user where no certificate can.
 *
 * A token is "anb-ID-SECRET": 8 and 32 random bytes in hexadecimal. It is shown once, when it is made; the file in the
 * data folder, which this module owns, holds the SHA-256 of the secret only. Secrets are compared in constant time.
 * Whether a token is good by now, and its maker still may, is for others to say. One thread at a time. */
#ifndef ANB_SERVER_TOKENS_H
#define ANB_SERVER_TOKENS_H

#include "crypto/digest.h"
#include "server/user.h"

enum {
    TOKEN_ID_BYTES = 17,   /* 16 digits and a NUL */
    TOKEN_TEXT_BYTES = 86, /* "anb-", 16 digits, "-", 64 digits, NUL */
    TOKENS_MAX = 4096,
    TOKEN_MAX_DAYS = 365
};

struct token {
    char id[TOKEN_ID_BYTES];
    struct digest digest; /* of the secret */
    char name[NAME_MAX_BYTES + 1];
    enum user_role role;
    char creator[NAME_MAX_BYTES + 1];
    int64_t created_ms, expires_ms; /* wall clock */
};

struct tokens;

/* `path` is read when it is there. CORRUPT when it is not what this module writes. */
enum anb_status tokens_open(const char *path, struct tokens **tokens, struct anb_error *err);
void tokens_close(struct tokens *tokens); /* NULL is fine */

/* Name, role, creator and times come from `wish`. The token stands in the file before it is given out. Expired ones are
 * forgotten. NO_SPACE when there are too many. Wipe `text` after use. */
enum anb_status tokens_create(struct tokens *tokens, const struct token *wish, char text[TOKEN_TEXT_BYTES],
                              struct token *made, struct anb_error *err);
/* The token whose text this is; NULL when there is none. Lives until the next change. */
const struct token *tokens_find(const struct tokens *tokens, const char *text);
const struct token *tokens_by_id(const struct tokens *tokens, const char *id);
enum anb_status tokens_revoke(struct tokens *tokens, const char *id, struct anb_error *err); /* NOT_FOUND */

size_t tokens_count(const struct tokens *tokens);
const struct token *tokens_at(const struct tokens *tokens, size_t index);

/* The secret's bytes and the id in the text of a token; false unless it has just that form. */
bool token_parse(const char *text, char id[TOKEN_ID_BYTES], unsigned char secret[DIGEST_BYTES]);
/* The tokens of a file's text, at most TOKENS_MAX, into `items`. */
enum anb_status tokens_read(struct slice text, const char *name, struct token *items, size_t *count,
                            struct anb_error *err);

#endif
