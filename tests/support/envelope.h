/* An envelope for tests that send streams without nodes: a random key and a core of its own. One thread. */
#ifndef ANB_TEST_SUPPORT_ENVELOPE_H
#define ANB_TEST_SUPPORT_ENVELOPE_H

#include "stream/cipher.h"

struct test_envelope {
    struct stream_envelope public;
    struct stream_key key;
};

/* The StreamOpened that the envelope is made from; texts are constants. */
struct stream_opened test_opened(const struct id *stream, enum purpose purpose, int64_t chunk_count);
struct test_envelope test_envelope_of(const struct stream_opened *opened);
struct test_envelope test_envelope_new(const struct id *stream, enum purpose purpose, int64_t chunk_count);
struct stream_cipher *test_cipher(const struct test_envelope *envelope, enum aead_direction direction);

#endif
