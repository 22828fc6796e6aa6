#include "server/tokens.h"

#include "base/doc.h"
#include "base/file.h"
#include "crypto/key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { FILE_CEILING_BYTES = 4 << 20, ID_DIGITS = TOKEN_ID_BYTES - 1, PREFIX_BYTES = 4, PATH_BYTES = 4096 };

static const char prefix[] = "anb-";

struct tokens {
    char path[PATH_BYTES];
    struct token *items; /* in the order they were made; room for TOKENS_MAX */
    size_t count;
};

/* -- the file */

static enum anb_status broken(const char *name, size_t index, const char *what, struct anb_error *err)
{
    return anb_fail(err, ANB_CORRUPT, "%s: token %zu: %s: restore the file, or remove it with all tokens in it", name,
                    index + 1, what);
}

static bool read_name(const struct doc *map, const char *key, char name[NAME_MAX_BYTES + 1])
{
    const char *text = doc_text(doc_get(map, key), "");
    if (!name_is_valid(slice_of_text(text))) return false;
    snprintf(name, NAME_MAX_BYTES + 1, "%s", text);
    return true;
}

static enum anb_status read_one(const struct doc *map, const char *name, size_t index, struct token *token,
                                struct anb_error *err)
{
    unsigned char id[ID_DIGITS / 2];
    const char *id_text = doc_text(doc_get(map, "id"), "");
    if (!hex_decode(id_text, id, sizeof id)) return broken(name, index, "its id is none", err);
    hex_encode(id, sizeof id, token->id);
    if (!hex_decode(doc_text(doc_get(map, "digest"), ""), token->digest.bytes, DIGEST_BYTES))
        return broken(name, index, "its digest is none", err);
    if (!read_name(map, "name", token->name) || !read_name(map, "creator", token->creator))
        return broken(name, index, "its name or creator is none", err);
    if (!user_role_parse(doc_text(doc_get(map, "role"), ""), &token->role))
        return broken(name, index, "its role is unknown", err);
    token->created_ms = doc_int(doc_get(map, "created_ms"), 0);
    token->expires_ms = doc_int(doc_get(map, "expires_ms"), 0);
    return ANB_OK;
}

enum anb_status tokens_read(struct slice text, const char *name, struct token *items, size_t *count,
                            struct anb_error *err)
{
    struct doc *root = NULL;
    enum anb_status status = doc_parse_json(text, name, &root, err);
    const struct doc *list = doc_get(root, "tokens");
    if (status == ANB_OK && (doc_kind(list) != DOC_LIST || doc_size(list) > TOKENS_MAX))
        status = anb_fail(err, ANB_CORRUPT, "%s: no list of at most %d tokens", name, TOKENS_MAX);
    for (size_t i = 0; status == ANB_OK && i < doc_size(list); i++)
        status = read_one(doc_at(list, i), name, i, &items[i], err);
    if (status == ANB_OK) *count = doc_size(list);
    doc_free(root);
    return status;
}

static void write_one(struct doc *map, const struct token *token)
{
    char digest[DIGEST_TEXT_BYTES];
    doc_set_text(map, "id", token->id);
    doc_set_text(map, "digest", digest_text(&token->digest, digest));
    doc_set_text(map, "name", token->name);
    doc_set_text(map, "role", user_role_word(token->role));
    doc_set_text(map, "creator", token->creator);
    doc_set_int(map, "created_ms", token->created_ms);
    doc_set_int(map, "expires_ms", token->expires_ms);
}

static enum anb_status save(const struct tokens *tokens, struct anb_error *err)
{
    struct buf text;
    struct doc *root = doc_new_map();
    struct doc *list = doc_set_list(root, "tokens");
    for (size_t i = 0; i < tokens->count; i++) write_one(doc_add_map(list), &tokens->items[i]);
    buf_init(&text, FILE_CEILING_BYTES);
    enum anb_status status = doc_write_json(root, true, &text, err);
    if (status == ANB_OK) status = file_write(tokens->path, buf_slice(&text), err);
    buf_fini(&text);
    doc_free(root);
    return status;
}

static enum anb_status load(struct tokens *tokens, struct anb_error *err)
{
    struct buf text;
    if (access(tokens->path, F_OK) != 0) return ANB_OK;
    buf_init(&text, FILE_CEILING_BYTES);
    enum anb_status status = file_read(tokens->path, &text, err);
    if (status == ANB_OK) status = tokens_read(buf_slice(&text), tokens->path, tokens->items, &tokens->count, err);
    buf_fini(&text);
    return status;
}

enum anb_status tokens_open(const char *path, struct tokens **tokens, struct anb_error *err)
{
    struct tokens *opened = calloc(1, sizeof *opened);
    if (opened) opened->items = calloc(TOKENS_MAX, sizeof *opened->items);
    enum anb_status status = opened && opened->items ? ANB_OK : anb_fail(err, ANB_NO_MEMORY, "no memory for tokens");
    if (status == ANB_OK && snprintf(opened->path, sizeof opened->path, "%s", path) >= (int)sizeof opened->path)
        status = anb_fail(err, ANB_INVALID, "path of the tokens too long");
    if (status == ANB_OK) status = load(opened, err);
    if (status == ANB_OK)
        *tokens = opened;
    else
        tokens_close(opened);
    return status;
}

void tokens_close(struct tokens *tokens)
{
    if (!tokens) return;
    free(tokens->items);
    free(tokens);
}

/* -- the text of a token */

static enum anb_status random_bytes(void *bytes, size_t size, struct anb_error *err)
{
    ssize_t got;
    do got = getrandom(bytes, size, 0);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)size ? ANB_OK : anb_fail_errno(err, errno, "no random bytes");
}

static enum anb_status make_text(char text[TOKEN_TEXT_BYTES], struct token *token, struct anb_error *err)
{
    unsigned char id[ID_DIGITS / 2], secret[DIGEST_BYTES];
    char digits[2 * DIGEST_BYTES + 1];
    enum anb_status status = random_bytes(id, sizeof id, err);
    if (status == ANB_OK) status = random_bytes(secret, sizeof secret, err);
    if (status == ANB_OK) status = digest_of(slice_of(secret, sizeof secret), &token->digest, err);
    if (status == ANB_OK) {
        hex_encode(id, sizeof id, token->id);
        snprintf(text, TOKEN_TEXT_BYTES, "%s%s-%s", prefix, token->id, hex_encode(secret, sizeof secret, digits));
    }
    key_wipe(secret, sizeof secret);
    key_wipe(digits, sizeof digits);
    return status;
}

bool token_parse(const char *text, char id[TOKEN_ID_BYTES], unsigned char secret[DIGEST_BYTES])
{
    unsigned char bytes[ID_DIGITS / 2];
    if (strnlen(text, TOKEN_TEXT_BYTES) != TOKEN_TEXT_BYTES - 1 || strncmp(text, prefix, PREFIX_BYTES) != 0 ||
        text[PREFIX_BYTES + ID_DIGITS] != '-')
        return false;
    memcpy(id, text + PREFIX_BYTES, ID_DIGITS);
    id[ID_DIGITS] = 0;
    return hex_decode(id, bytes, sizeof bytes) && hex_decode(text + PREFIX_BYTES + ID_DIGITS + 1, secret, DIGEST_BYTES);
}

/* -- changing */

static void forget_expired(struct tokens *tokens, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < tokens->count; i++)
        if (tokens->items[i].expires_ms > now_ms) tokens->items[kept++] = tokens->items[i];
    tokens->count = kept;
}

enum anb_status tokens_create(struct tokens *tokens, const struct token *wish, char text[TOKEN_TEXT_BYTES],
                              struct token *made, struct anb_error *err)
{
    struct token token = *wish;
    forget_expired(tokens, wish->created_ms);
    if (tokens->count == TOKENS_MAX)
        return anb_fail(err, ANB_NO_SPACE, "there are %d tokens: revoke some (anabranch token revoke)", TOKENS_MAX);
    enum anb_status status = make_text(text, &token, err);
    if (status != ANB_OK) return status;
    tokens->items[tokens->count++] = token;
    status = save(tokens, err);
    if (status == ANB_OK)
        *made = token;
    else
        tokens->count--;
    return status;
}

enum anb_status tokens_revoke(struct tokens *tokens, const char *id, struct anb_error *err)
{
    const struct token *found = tokens_by_id(tokens, id);
    if (!found) return anb_fail(err, ANB_NOT_FOUND, "there is no token %.16s", id);
    struct token gone = *found;
    size_t at = (size_t)(found - tokens->items), behind = tokens->count - at - 1;
    memmove(&tokens->items[at], &tokens->items[at + 1], behind * sizeof *tokens->items);
    tokens->count--;
    enum anb_status status = save(tokens, err);
    if (status == ANB_OK) return ANB_OK;
    memmove(&tokens->items[at + 1], &tokens->items[at], behind * sizeof *tokens->items);
    tokens->items[at] = gone;
    tokens->count++;
    return status;
}

/* -- looking */

const struct token *tokens_by_id(const struct tokens *tokens, const char *id)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (strcmp(tokens->items[i].id, id) == 0) return &tokens->items[i];
    return NULL;
}

const struct token *tokens_find(const struct tokens *tokens, const char *text)
{
    char id[TOKEN_ID_BYTES];
    unsigned char secret[DIGEST_BYTES];
    struct digest digest;
    if (!token_parse(text, id, secret)) return NULL;
    const struct token *found = tokens_by_id(tokens, id); /* the id is no secret */
    bool same = digest_of(slice_of(secret, sizeof secret), &digest, NULL) == ANB_OK && found &&
                digest_equal(&digest, &found->digest);
    key_wipe(secret, sizeof secret);
    return same ? found : NULL;
}

size_t tokens_count(const struct tokens *tokens)
{
    return tokens->count;
}

const struct token *tokens_at(const struct tokens *tokens, size_t index)
{
    return &tokens->items[index];
}
