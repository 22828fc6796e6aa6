#include "tensor/dtype.h"

#include <string.h>

static const struct {
    const char *word;
    size_t bytes;
} dtype_table[N_DTYPES] = {
#define X(code, word, bytes) [DTYPE_##code] = {word, bytes},
    ANB_DTYPE_LIST(X)
#undef X
};

size_t dtype_bytes(enum dtype dtype)
{
    return dtype_table[dtype].bytes;
}

const char *dtype_word(enum dtype dtype)
{
    return dtype_table[dtype].word;
}

bool dtype_parse(const char *word, enum dtype *dtype)
{
    for (int i = 0; i < N_DTYPES; i++) {
        if (strcmp(word, dtype_table[i].word) != 0) continue;
        *dtype = (enum dtype)i;
        return true;
    }
    return false;
}
