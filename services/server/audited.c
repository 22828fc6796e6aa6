#include "server/audited.h"

#include <stdio.h>

enum anb_status audited(struct server *server, const struct request *request, enum audit_what what, const char *object,
                        const char *id, const char *detail, struct anb_error *err)
{
    char who[AUDIT_WHO_BYTES], on[AUDIT_ON_BYTES];
    snprintf(who, sizeof who, "user %s", request->user.name);
    snprintf(on, sizeof on, "%s %s", object, id);
    const struct audit_event event = {.what = what, .who = who, .on = on, .detail = detail};
    return audit_write(server->audit, &event, err);
}

void audited_refusal(struct server *server, const struct request *request, int code, const char *reason)
{
    char who[AUDIT_WHO_BYTES], on[AUDIT_ON_BYTES];
    bool is_known = code != 401;
    snprintf(who, sizeof who, is_known ? "user %s" : "somebody%s", is_known ? request->user.name : "");
    snprintf(on, sizeof on, "%s %s", request->route ? request->route->method : "a path",
             request->route ? request->route->pattern : "that is not there");
    const struct audit_event event = {.what = is_known ? AUDIT_REQUEST_REFUSED : AUDIT_SIGN_IN_FAILED,
                                      .who = who,
                                      .on = on,
                                      .outcome = "denied",
                                      .detail = reason};
    audit_write(server->audit, &event, NULL);
}
