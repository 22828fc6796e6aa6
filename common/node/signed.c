#include "node/signed.h"

#include <string.h>

static const char purpose[] = "anabranch record";

/* -- who may say what */

enum { SERVER = 1 << ROSTER_SERVER, AGGREGATOR = 1 << ROSTER_AGGREGATOR, SITE = 1 << ROSTER_SITE };
enum { ANY = SERVER | AGGREGATOR | SITE };

/* Kinds that do not stand here are said by nobody. What else must hold, the federation's state knows. */
static const unsigned speakers[N_RECORD_KINDS] = {
    [RECORD_NODE_UP] = ANY,          [RECORD_NODE_DOWN] = ANY,
    [RECORD_AUDIT_HEAD] = ANY,       [RECORD_PULSE] = ANY,
    [RECORD_TELEMETRY] = ANY,        [RECORD_ROSTER_PUBLISHED] = ANY,
    [RECORD_STREAM_OPENED] = ANY,    [RECORD_STREAM_CLOSED] = ANY,
    [RECORD_STREAM_ABANDONED] = ANY, [RECORD_STREAM_KEY_ASKED] = ANY,
    [RECORD_VOICE_SHARED] = ANY,     [RECORD_STREAM_KEY_GIVEN] = ANY,
    [RECORD_JOB_ANSWERED] = SITE,    [RECORD_LEADER_CLAIMED] = SERVER,
    [RECORD_JOB_SUBMITTED] = SERVER, [RECORD_JOB_STARTED] = SERVER,
    [RECORD_ROUND_OPENED] = SERVER,  [RECORD_ROUND_CUT] = SERVER,
    [RECORD_ROUND_CLOSED] = SERVER,  [RECORD_MODEL_STORED] = SERVER,
    [RECORD_JOB_ENDED] = SERVER,     [RECORD_JOB_DELETED] = SERVER,
};

unsigned roster_bit(enum role role)
{
    return role == ROLE_SERVER ? SERVER : role == ROLE_AGGREGATOR ? AGGREGATOR : SITE;
}

/* A node that says in which role it runs must have just that one. */
static unsigned speakers_of(const struct record *record)
{
    if (record->kind == RECORD_NODE_UP) return roster_bit(record->is.node_up.role);
    if (record->kind == RECORD_PULSE) return roster_bit(record->is.pulse.role);
    return speakers[record->kind];
}

/* -- signatures */

enum anb_status signed_seal(struct node_trust *trust, struct buf *bytes, struct anb_error *err)
{
    struct signature signature;
    enum anb_status status = node_trust_sign(trust, purpose, buf_slice(bytes), &signature, err);
    return status == ANB_OK ? buf_append(bytes, slice_of(signature.bytes, sizeof signature.bytes), err) : status;
}

struct slice signed_bytes(struct slice message)
{
    return slice_of(message.data, message.size - SIGNATURE_BYTES);
}

enum anb_status signed_read(struct slice message, struct arena *arena, struct record *record,
                            struct signature *signature, struct anb_error *err)
{
    if (message.size < SIGNATURE_BYTES)
        return anb_fail(err, ANB_CORRUPT, "not a record: its %zu bytes have no room for a signature", message.size);
    struct slice bytes = signed_bytes(message);
    enum anb_status status = wire_decode(bytes, arena, record, err);
    if (status == ANB_OK) memcpy(signature->bytes, (const unsigned char *)message.data + bytes.size, SIGNATURE_BYTES);
    return status;
}

enum anb_status signed_check(struct node_trust *trust, const struct record *record, struct slice message,
                             const struct signature *signature, int64_t now_s, enum trust_refusal *refusal,
                             struct anb_error *err)
{
    const struct head *head = record_head_const(record);
    if (!head) {
        *refusal = TRUST_UNKNOWN_SENDER;
        return anb_fail(err, ANB_DENIED, "a %s says not who sent it", record_name(record->kind));
    }
    enum anb_status status =
        node_trust_verify(trust, head->node, purpose, signed_bytes(message), signature, now_s, refusal, err);
    if (status != ANB_OK || node_trust_roles(trust, head->node) & speakers_of(record)) return status;
    *refusal = TRUST_WRONG_ROLE;
    return anb_fail(err, ANB_DENIED, "%.64s has no role in which it may say %s", head->node, record_name(record->kind));
}
