#include "server/access.h"

#include "base/clock.h"
#include "server/audited.h"
#include "server/routes.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

enum { ROLES_TEXT_BYTES = 64 };

/* -- objects */

/* False when there is no such object. */
static bool find_owner(struct server *server, enum object object, const char *id, char owner[NAME_MAX_BYTES + 1])
{
    if (object == OBJECT_TOKEN) {
        const struct token *token = tokens_by_id(users_tokens(server->users), id);
        if (token) snprintf(owner, NAME_MAX_BYTES + 1, "%s", token->name);
        return token != NULL;
    }
    const struct job_state *job = federation_job(node_lock(server->node), id);
    if (job) snprintf(owner, NAME_MAX_BYTES + 1, "%s", job->submitter);
    node_unlock(server->node);
    return job != NULL;
}

static bool may_look_at_all(enum user_role role, enum object object)
{
    for (size_t i = 0; i < n_server_routes; i++) {
        const struct route *route = &server_routes[i];
        if (route->object == object && strcmp(route->method, "GET") == 0 && route->reach[role] == REACH_ALL)
            return true;
    }
    return false;
}

static const char *const object_words[] = {[OBJECT_NONE] = "object", [OBJECT_JOB] = "job", [OBJECT_TOKEN] = "token"};

static enum anb_status check_object(struct server *server, const struct request *request, int *code,
                                    struct anb_error *err)
{
    char owner[NAME_MAX_BYTES + 1];
    const struct route *route = request->route;
    const struct user *user = &request->user;
    if (route->object == OBJECT_NONE || route->reach[user->role] == REACH_ALL) return ANB_OK;
    bool exists = find_owner(server, route->object, request->id, owner);
    if (exists && strcmp(owner, user->name) == 0) return ANB_OK;
    const char *word = object_words[route->object];
    if (exists && may_look_at_all(user->role, route->object)) {
        *code = 403;
        return anb_fail(err, ANB_DENIED, "%s %s is %s's: a %s does this with own ones only; ask %s, or an admin", word,
                        request->id, owner, user_role_word(user->role), owner);
    }
    *code = 404;
    return anb_fail(err, ANB_NOT_FOUND, "there is no %s %s", word, request->id);
}

/* -- routes */

static void list_roles(const struct route *route, char text[ROLES_TEXT_BYTES])
{
    size_t used = 0;
    *text = 0;
    for (int role = 0; role < USER_N_ROLES; role++)
        if (route->reach[role] != REACH_NONE)
            used += (size_t)snprintf(text + used, ROLES_TEXT_BYTES - used, "%s%s", used ? ", " : "",
                                     user_role_word((enum user_role)role));
}

static enum anb_status check_route(const struct request *request, int *code, struct anb_error *err)
{
    char roles[ROLES_TEXT_BYTES];
    const struct route *route = request->route;
    const struct user *user = &request->user;
    if (route->reach[user->role] != REACH_NONE) return ANB_OK;
    *code = 403;
    list_roles(route, roles);
    return anb_fail(err, ANB_DENIED, "%s is a %s here, and %s %s needs one of: %s; an admin of the project can give it",
                    user->name, user_role_word(user->role), route->method, route->pattern, roles);
}

enum anb_status access_admit(void *context, const struct credentials *credentials, struct request *request, int *code,
                             struct anb_error *err)
{
    struct server *server = context;
    if (request->route && request->route->open) return ANB_OK;
    enum anb_status status = users_identify(server->users, credentials, clock_wall_ms(), &request->user, err);
    *code = status == ANB_DENIED ? 401 : 0;
    if (status == ANB_OK && request->route) status = check_route(request, code, err);
    if (status == ANB_OK && request->route) status = check_object(server, request, code, err);
    if (status == ANB_DENIED || status == ANB_NOT_FOUND) audited_refusal(server, request, *code, err->text);
    return status;
}

bool access_may_see(const struct request *request, const char *owner)
{
    return request->route->reach[request->user.role] == REACH_ALL || strcmp(owner, request->user.name) == 0;
}
