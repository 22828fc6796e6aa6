#include "tensor/encoding.h"

#include <math.h>
#include <string.h>

static const char *const words[N_ENCODINGS] = {"plain", "f16", "bf16", "int8"};

const char *encoding_word(enum encoding encoding)
{
    return words[encoding];
}

bool encoding_parse(const char *word, enum encoding *encoding)
{
    for (int i = 0; i < N_ENCODINGS; i++) {
        if (strcmp(words[i], word) != 0) continue;
        *encoding = (enum encoding)i;
        return true;
    }
    return false;
}

bool dtype_is_float(enum dtype dtype)
{
    return dtype == DTYPE_F64 || dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

/* Blocks that the run touches. */
static size_t n_blocks(const struct encoding_run *run)
{
    if (run->n == 0) return 0;
    int64_t last = run->first + (int64_t)run->n - 1;
    return (size_t)(last / ENCODING_BLOCK - run->first / ENCODING_BLOCK + 1);
}

enum encoding encoding_of_run(const struct encoding_run *run)
{
    bool applies = dtype_is_float(run->dtype);
    if (run->encoding == ENCODING_INT8)
        applies = applies && run->n_tensor >= ENCODING_BLOCK;
    else
        applies = applies && dtype_bytes(run->dtype) > 2;
    return applies ? run->encoding : ENCODING_PLAIN;
}

size_t encoding_run_bytes(const struct encoding_run *run)
{
    switch (encoding_of_run(run)) {
    case ENCODING_F16:
    case ENCODING_BF16: return 2 * run->n;
    case ENCODING_INT8: return n_blocks(run) * ENCODING_SCALE_BYTES + run->n;
    default: return dtype_bytes(run->dtype) * run->n;
    }
}

void encoding_read_begin(struct encoding_reader *reader, const struct encoding_run *run, const unsigned char *bytes)
{
    *reader = (struct encoding_reader){.encoding = encoding_of_run(run), .left = *run, .scales = bytes, .codes = bytes};
    if (reader->encoding == ENCODING_INT8) reader->codes += n_blocks(run) * ENCODING_SCALE_BYTES;
}

static size_t left_in_block(const struct encoding_run *run)
{
    size_t left = ENCODING_BLOCK - (size_t)(run->first % ENCODING_BLOCK);
    return left < run->n ? left : run->n;
}

static double take_scale(struct encoding_reader *reader)
{
    float scale;
    memcpy(&scale, reader->scales, sizeof scale);
    reader->scales += sizeof scale;
    return (double)scale;
}

bool encoding_read_next(struct encoding_reader *reader, struct encoding_piece *piece)
{
    struct encoding_run *left = &reader->left;
    if (left->n == 0) return false;
    *piece = (struct encoding_piece){.dtype = left->dtype, .codes = reader->codes, .n = left->n, .scale = 1};
    if (reader->encoding == ENCODING_F16) piece->dtype = DTYPE_F16;
    if (reader->encoding == ENCODING_BF16) piece->dtype = DTYPE_BF16;
    if (reader->encoding == ENCODING_INT8) {
        piece->dtype = DTYPE_I8;
        piece->n = left_in_block(left);
        piece->scale = take_scale(reader);
    }
    reader->codes += piece->n * dtype_bytes(piece->dtype);
    left->first += (int64_t)piece->n;
    left->n -= piece->n;
    return true;
}

/* -- writing */

float encoding_scale(const double *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double magnitude = fabs(x[i]);
        most = magnitude > most ? magnitude : most;
    }
    double exact = most / 127;
    if (exact > (double)__FLT_MAX__) return __FLT_MAX__;
    float scale = (float)exact;
    return (double)scale * 127 < most ? nextafterf(scale, INFINITY) : scale;
}

/* Numbers are moved above 0, where to cut is to round down. What a scale cannot hold (doubles beyond f32) is held. */
void encoding_codes(const double *x, size_t n, float scale, const uint16_t *noise, unsigned char *codes)
{
    double inverse = scale > 0 ? 1 / (double)scale : 0;
    for (size_t i = 0; i < n; i++) {
        double up = x[i] * inverse + (noise[i] + 0.5) / 65536 + 128;
        up = up < 1 ? 1 : up > 255 ? 255 : up;
        codes[i] = (unsigned char)((int)up - 128);
    }
}
