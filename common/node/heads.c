#include "node/heads.h"

#include "base/log.h"

void heads_tell(struct node *node, struct audit *audit, bool now)
{
    struct chain_head head;
    struct anb_error err;
    if (!audit || (!now && !audit_head_is_due(audit))) return;
    enum anb_status status = audit_take_head(audit, &head, &err);
    struct record record = {.kind = RECORD_AUDIT_HEAD, .is.audit_head = {.line = head.sequence, .digest = head.digest}};
    if (status == ANB_OK) status = node_append(node, &record, false, &err);
    if (status != ANB_OK) log_event(LOG_WARN, "audit-head-not-told", "reason=%s", err.text);
}
