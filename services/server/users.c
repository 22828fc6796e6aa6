#include "server/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DAY_MS = 86400000 };

struct users {
    struct node_trust *trust;
    struct tokens *tokens;
};

/* What is asked while the roster in force is looked at. */
struct question {
    const struct users *users;
    const struct credentials *credentials;
    int64_t now_ms;
    struct user *user;
};

static const char *const role_words[] = {
#define X(role, word) [USER_##role] = word,
    USER_ROLE_LIST(X)
#undef X
};

const char *user_role_word(enum user_role role)
{
    return role_words[role];
}

bool user_role_parse(const char *word, enum user_role *role)
{
    for (int i = 0; i < USER_N_ROLES; i++) {
        if (strcmp(word, role_words[i]) != 0) continue;
        *role = (enum user_role)i;
        return true;
    }
    return false;
}

/* -- opening */

enum anb_status users_open(struct node_trust *trust, const char *tokens, struct users **users, struct anb_error *err)
{
    struct users *opened = calloc(1, sizeof *opened);
    if (!opened) return anb_fail(err, ANB_NO_MEMORY, "no memory for users");
    opened->trust = trust;
    enum anb_status status = tokens_open(tokens, &opened->tokens, err);
    if (status == ANB_OK)
        *users = opened;
    else
        users_close(opened);
    return status;
}

void users_close(struct users *users)
{
    if (!users) return;
    tokens_close(users->tokens);
    free(users);
}

/* -- certificates */

static enum user_role role_of(const struct roster_member *member)
{
    if (roster_has_role(member, ROSTER_ADMIN)) return USER_ADMIN;
    return roster_has_role(member, ROSTER_LEAD) ? USER_LEAD : USER_MEMBER;
}

static const struct roster_member *find_by_certificate(const struct roster *roster, struct slice der)
{
    for (size_t i = 0; i < roster->n_members; i++) {
        const struct roster_member *member = roster->members[i];
        if (member->kind == CERTIFICATE_USER &&
            slice_equal(slice_of(member->certificate, member->certificate_bytes), der))
            return member;
    }
    return NULL;
}

static enum anb_status identify_certificate(const struct roster *roster, const struct certificate *root,
                                            const struct question *question, struct anb_error *err)
{
    struct certificate *certificate = NULL;
    struct certificate_times times = {0, 0};
    const struct roster_member *member = find_by_certificate(roster, question->credentials->certificate);
    if (!member)
        return anb_fail(err, ANB_DENIED,
                        "this certificate is not the one of a user in the roster of project %s (version %lld): it may "
                        "be revoked, renewed or another project's; who keeps the project gives you a kit",
                        roster->project, (long long)roster->version);
    enum anb_status status = roster_certificate(roster, member, root, question->now_ms / 1000, &certificate, err);
    if (status == ANB_OK) status = certificate_times(certificate, &times, err);
    certificate_free(certificate);
    if (status != ANB_OK) return status;
    struct user *user = question->user;
    *user = (struct user){.role = role_of(member), .is_certified = true, .expires_ms = times.until_s * 1000};
    snprintf(user->name, sizeof user->name, "%s", member->name);
    return ANB_OK;
}

/* -- tokens */

static bool may_give(enum user_role giver, enum user_role role)
{
    return role == USER_MONITOR ? giver >= USER_LEAD : role <= giver;
}

/* Is it good now, and would its maker get it again? */
static enum anb_status check_token(const struct roster *roster, const struct token *token, int64_t now_ms,
                                   struct anb_error *err)
{
    const struct roster_member *creator = roster_find(roster, CERTIFICATE_USER, token->creator);
    if (now_ms >= token->expires_ms)
        return anb_fail(err, ANB_DENIED, "token %s has expired: %s can make another one (anabranch token create)",
                        token->id, token->creator);
    if (!creator || roster_revocation(roster, token->name))
        return anb_fail(err, ANB_DENIED, "token %s is void: %s is not in the roster any more", token->id,
                        creator ? token->name : token->creator);
    if (!may_give(role_of(creator), token->role))
        return anb_fail(err, ANB_DENIED, "token %s is void: its maker %s may not give the role %s any more", token->id,
                        token->creator, user_role_word(token->role));
    return ANB_OK;
}

static enum anb_status identify_token(const struct roster *roster, const struct question *question,
                                      struct anb_error *err)
{
    static const char scheme[] = "Bearer ";
    size_t length = sizeof scheme - 1;
    const char *shown = question->credentials->authorization;
    if (strncasecmp(shown, scheme, length) != 0)
        return anb_fail(err, ANB_DENIED, "Authorization must be \"Bearer TOKEN\"");
    const struct token *token = tokens_find(question->users->tokens, shown + length);
    if (!token)
        return anb_fail(err, ANB_DENIED,
                        "this server does not know that token: it was revoked, another server made it, or it is not "
                        "whole; an admin can make one (anabranch token create)");
    enum anb_status status = check_token(roster, token, question->now_ms, err);
    if (status != ANB_OK) return status;
    *question->user = (struct user){.role = token->role, .expires_ms = token->expires_ms};
    memcpy(question->user->name, token->name, sizeof token->name);
    return ANB_OK;
}

struct naming { /* may this user have a token for that name? */
    const struct user *user;
    const char *name;
};

static enum anb_status check_name(const struct roster *roster, const struct certificate *root, void *context,
                                  struct anb_error *err)
{
    const struct naming *naming = context;
    const struct user *user = naming->user;
    const char *name = naming->name;
    (void)root;
    if (strcmp(name, user->name) == 0) return ANB_OK;
    if (user->role != USER_ADMIN)
        return anb_fail(err, ANB_DENIED, "a %s makes tokens for himself: an admin can make one for %s",
                        user_role_word(user->role), name);
    if (roster_find_any(roster, name) || roster_revocation(roster, name))
        return anb_fail(err, ANB_DENIED, "%s has, or had, a place in the roster: only %s makes tokens for that name",
                        name, name);
    return ANB_OK;
}

enum anb_status users_create_token(struct users *users, const struct user *user, const struct token_wish *wish,
                                   int64_t now_ms, char text[TOKEN_TEXT_BYTES], struct token *made,
                                   struct anb_error *err)
{
    const char *name = *wish->name ? wish->name : user->name;
    struct token token = {.role = wish->has_role ? wish->role : user->role,
                          .created_ms = now_ms,
                          .expires_ms = now_ms + wish->days * DAY_MS};
    if (!user->is_certified)
        return anb_fail(err, ANB_DENIED,
                        "tokens are made with a certificate, not with a token: anabranch login URL --kit FOLDER");
    if (!may_give(user->role, token.role))
        return anb_fail(err, ANB_DENIED, "a %s cannot give the role %s: an admin can", user_role_word(user->role),
                        user_role_word(token.role));
    struct naming naming = {user, name};
    enum anb_status status = node_trust_read(users->trust, check_name, &naming, err);
    if (status != ANB_OK) return status;
    snprintf(token.name, sizeof token.name, "%s", name);
    snprintf(token.creator, sizeof token.creator, "%s", user->name);
    return tokens_create(users->tokens, &token, text, made, err);
}

struct tokens *users_tokens(struct users *users)
{
    return users->tokens;
}

static enum anb_status identify(const struct roster *roster, const struct certificate *root, void *context,
                                struct anb_error *err)
{
    const struct question *question = context;
    if (question->credentials->authorization) return identify_token(roster, question, err);
    if (question->credentials->certificate.size > 0) return identify_certificate(roster, root, question, err);
    return anb_fail(err, ANB_DENIED,
                    "who are you? Show the certificate of a user (anabranch login URL --kit FOLDER) or a token "
                    "(--token-file FILE): an admin of project %s can give you one",
                    roster->project);
}

enum anb_status users_identify(struct users *users, const struct credentials *credentials, int64_t now_ms,
                               struct user *user, struct anb_error *err)
{
    struct question question = {users, credentials, now_ms, user};
    return node_trust_read(users->trust, identify, &question, err);
}
