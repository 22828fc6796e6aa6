#include "stream/refusals.h"

static const char *const words[] = {
#define X(code, word) word,
    STREAM_REFUSAL_LIST(X)
#undef X
};

const char *stream_refusal_word(enum stream_refusal refusal)
{
    return words[refusal];
}

void stream_refusals_count(struct stream_refusals *refusals, enum stream_refusal refusal)
{
    atomic_fetch_add(&refusals->counts[refusal], 1);
}
