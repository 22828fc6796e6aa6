/* Number formats of tensors, with the names of the safetensors format. Any thread. */
#ifndef ANB_TENSOR_DTYPE_H
#define ANB_TENSOR_DTYPE_H

#include "base/buf.h"

/* code, safetensors word, bytes of an element */
#define ANB_DTYPE_LIST(X)                                                                                              \
    X(F64, "F64", 8)                                                                                                   \
    X(F32, "F32", 4)                                                                                                   \
    X(F16, "F16", 2)                                                                                                   \
    X(BF16, "BF16", 2)                                                                                                 \
    X(I64, "I64", 8)                                                                                                   \
    X(I32, "I32", 4)                                                                                                   \
    X(I16, "I16", 2)                                                                                                   \
    X(I8, "I8", 1)                                                                                                     \
    X(U8, "U8", 1)                                                                                                     \
    X(BOOL, "BOOL", 1)

enum dtype {
#define X(code, word, bytes) DTYPE_##code,
    ANB_DTYPE_LIST(X)
#undef X
        N_DTYPES
};

size_t dtype_bytes(enum dtype dtype);
const char *dtype_word(enum dtype dtype);
bool dtype_parse(const char *word, enum dtype *dtype);

#endif
