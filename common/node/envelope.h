/* Keys of streams: a new one for each stream that is sent, sealed for all who may open it; and the way to the key of
 * one that is received.
 *
 * Whose public key is whose, only the roster says (node/trust.h). A key lives no longer than its cipher: also the
 * sender of a stream finds it again in its own wrap. Any thread but where it says otherwise. */
#ifndef ANB_NODE_ENVELOPE_H
#define ANB_NODE_ENVELOPE_H

#include "node/node.h"
#include "stream/cipher.h"

struct sealed_key { /* what envelope_seal makes; end it with sealed_key_fini */
    struct stream_cipher *cipher;
    struct receiver *receivers; /* opened->receivers points here */
    char (*names)[NAME_MAX_BYTES + 1];
};

/* Make a key for the stream that `opened` describes, all but its key set, and fill in roster version, commitment and
 * receivers: everybody in the roster whom receivers.h names, and this node. `spec` of its job when the control log does
 * not have the job yet; else NULL. A receiver whose certificate is not good now is left out, and said in the log. */
enum anb_status envelope_seal(struct node *node, struct stream_opened *opened, const struct job_spec *spec,
                              struct sealed_key *sealed, struct anb_error *err);
void sealed_key_fini(struct sealed_key *sealed); /* twice is fine */

/* The cipher to open a stream with. AGAIN: no wrap for this node is there; its sender is asked for one, call again.
 * CORRUPT: what was sealed for this node is not the stream's key. Free with stream_cipher_free. */
enum anb_status envelope_open(struct node *node, const struct stream_state *stream, struct stream_cipher **cipher,
                              struct anb_error *err);

/* Give keys to those who asked for them in the control log, where that is up to this node. The owner's thread. */
void envelope_answer(struct node *node);

#endif
