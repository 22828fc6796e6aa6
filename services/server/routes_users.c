/* What users ask about themselves, and their tokens. */
#include "base/clock.h"
#include "base/log.h"
#include "crypto/key.h"
#include "server/access.h"
#include "server/audited.h"
#include "server/routes.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_DAYS = 30 };

enum verdict handle_me(void *context, struct request *request, struct answer *answer)
{
    const struct user *user = &request->user;
    struct doc *doc = doc_new_map();
    struct doc *map = doc_set_map(doc, "user");
    (void)context;
    doc_set_text(map, "name", user->name);
    doc_set_text(map, "role", user_role_word(user->role));
    doc_set_text(map, "by", user->is_certified ? "certificate" : "token");
    doc_set_int(map, "expires_ms", user->expires_ms);
    return answer_doc(answer, 200, doc);
}

/* -- tokens */

static void view_token(struct doc *map, const struct token *token)
{
    doc_set_text(map, "id", token->id);
    doc_set_text(map, "name", token->name);
    doc_set_text(map, "role", user_role_word(token->role));
    doc_set_text(map, "creator", token->creator);
    doc_set_int(map, "created_ms", token->created_ms);
    doc_set_int(map, "expires_ms", token->expires_ms);
}

enum verdict handle_tokens(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    const struct tokens *tokens = users_tokens(server->users);
    struct doc *doc = doc_new_map();
    struct doc *list = doc_set_list(doc, "tokens");
    for (size_t i = 0; i < tokens_count(tokens); i++) {
        const struct token *token = tokens_at(tokens, i);
        if (access_may_see(request, token->name)) view_token(doc_add_map(list), token);
    }
    return answer_doc(answer, 200, doc);
}

static enum anb_status read_role(const struct doc *role, struct token_wish *wish, struct anb_error *err)
{
    wish->has_role = role != NULL;
    if (!role || user_role_parse(doc_text(role, ""), &wish->role)) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "role must be monitor, member, lead or admin");
}

static enum anb_status read_name(const struct doc *name, struct token_wish *wish, struct anb_error *err)
{
    if (!name) return ANB_OK;
    enum anb_status status = name_check("name", doc_text(name, ""), err);
    if (status == ANB_OK) snprintf(wish->name, sizeof wish->name, "%s", doc_text(name, ""));
    return status;
}

static enum anb_status read_days(const struct doc *days, struct token_wish *wish, struct anb_error *err)
{
    wish->days = days ? doc_int(days, 0) : DEFAULT_DAYS;
    if (wish->days >= 1 && wish->days <= TOKEN_MAX_DAYS) return ANB_OK;
    return anb_fail(err, ANB_INVALID, "days must be a number from 1 to %d", TOKEN_MAX_DAYS);
}

static enum anb_status check_keys(const struct doc *body, struct anb_error *err)
{
    if (doc_kind(body) != DOC_MAP) return anb_fail(err, ANB_INVALID, "the body must be a JSON object");
    for (size_t i = 0; i < doc_size(body); i++) {
        const char *key = doc_key_at(body, i);
        if (strcmp(key, "name") != 0 && strcmp(key, "role") != 0 && strcmp(key, "days") != 0)
            return anb_fail(err, ANB_INVALID, "a token has no \"%.32s\": it has name, role and days", key);
    }
    return ANB_OK;
}

enum anb_status read_token_wish(struct slice text, struct token_wish *wish, struct anb_error *err)
{
    struct doc *body = NULL;
    *wish = (struct token_wish){.days = 0};
    enum anb_status status = doc_parse_json(text, "body", &body, err);
    if (status == ANB_OK) status = check_keys(body, err);
    if (status == ANB_OK) status = read_name(doc_get(body, "name"), wish, err);
    if (status == ANB_OK) status = read_role(doc_get(body, "role"), wish, err);
    if (status == ANB_OK) status = read_days(doc_get(body, "days"), wish, err);
    doc_free(body);
    return status;
}

enum verdict handle_token_create(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct token_wish wish;
    struct token made;
    struct anb_error err;
    char text[TOKEN_TEXT_BYTES];
    enum anb_status status = read_token_wish(buf_slice(&request->body), &wish, &err);
    const char *name = *wish.name ? wish.name : request->user.name;
    if (status == ANB_OK) status = audited(server, request, AUDIT_TOKEN_MADE, "token of", name, NULL, &err);
    if (status == ANB_OK)
        status = users_create_token(server->users, &request->user, &wish, clock_wall_ms(), text, &made, &err);
    if (status != ANB_OK) return answer_error(answer, &err);
    struct doc *doc = doc_new_map();
    view_token(doc_set_map(doc, "token"), &made);
    doc_set_text(doc, "secret", text);
    key_wipe(text, sizeof text);
    log_event(LOG_INFO, "token-created", "token=%s user=%s role=%s creator=%s", made.id, made.name,
              user_role_word(made.role), made.creator);
    return answer_doc(answer, 201, doc);
}

enum verdict handle_token_revoke(void *context, struct request *request, struct answer *answer)
{
    struct server *server = context;
    struct anb_error err;
    if (audited(server, request, AUDIT_TOKEN_REVOKED, "token", request->id, NULL, &err) != ANB_OK)
        return answer_error(answer, &err);
    if (tokens_revoke(users_tokens(server->users), request->id, &err) != ANB_OK) return answer_error(answer, &err);
    log_event(LOG_INFO, "token-revoked", "token=%s by=%s", request->id, request->user.name);
    answer->code = 204;
    return ANSWERED;
}
