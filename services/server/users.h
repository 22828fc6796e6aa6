/* Who may speak to this server: the users of the project's roster by their certificates, and who has a token that such
 * a user made.
 *
 * A certificate counts when it is, byte by byte, the one that the roster has for a user, and is good now: a renewed, a
 * revoked and a foreign one are all nobody's. A token counts until it expires or is revoked, and no longer than its
 * maker is in the roster with a role that may give the token's. A request that shows a token is judged by the token
 * alone. One thread at a time. */
#ifndef ANB_SERVER_USERS_H
#define ANB_SERVER_USERS_H

#include "node/trust.h"
#include "server/tokens.h"
#include "server/user.h"

struct users;

/* `trust` has the roster in force, always the newest, and must outlive the users; `tokens` is a file. */
enum anb_status users_open(struct node_trust *trust, const char *tokens, struct users **users, struct anb_error *err);
void users_close(struct users *users); /* NULL is fine */

/* DENIED, with what is wrong and who can cure it; UNAVAILABLE while no roster is in force. */
enum anb_status users_identify(struct users *users, const struct credentials *credentials, int64_t now_ms,
                               struct user *user, struct anb_error *err);

/* What a user wishes for; `name` "" and `has_role` false mean the user's own. */
struct token_wish {
    char name[NAME_MAX_BYTES + 1];
    bool has_role;
    enum user_role role;
    int64_t days;
};

/* A token, by a user who came with a certificate: for himself, or by an admin for a name that the roster has not.
 * DENIED else, with the reason. Wipe `text` after use. */
enum anb_status users_create_token(struct users *users, const struct user *user, const struct token_wish *wish,
                                   int64_t now_ms, char text[TOKEN_TEXT_BYTES], struct token *made,
                                   struct anb_error *err);
struct tokens *users_tokens(struct users *users);

#endif
