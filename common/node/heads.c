#include "node/heads.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>

static void note_roster(struct node *node, struct audit *audit)
{
    char on[48];
    int64_t version = node_new_roster(node);
    if (version == 0) return;
    snprintf(on, sizeof on, "roster version %" PRId64, version);
    audit_write(audit, &(struct audit_event){.what = AUDIT_ROSTER_CHANGED, .on = on}, NULL);
}

void heads_tell(struct node *node, struct audit *audit, bool now)
{
    struct chain_head head;
    struct anb_error err;
    if (audit) note_roster(node, audit);
    if (!audit || (!now && !audit_head_is_due(audit))) return;
    enum anb_status status = audit_take_head(audit, &head, &err);
    struct record record = {.kind = RECORD_AUDIT_HEAD, .is.audit_head = {.line = head.sequence, .digest = head.digest}};
    if (status == ANB_OK) status = node_append(node, &record, false, &err);
    if (status != ANB_OK) log_event(LOG_WARN, "audit-head-not-told", "reason=%s", err.text);
}
