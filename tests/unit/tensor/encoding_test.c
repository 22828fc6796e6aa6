/* Encodings: sizes, the way there and back, and that blocks do not know chunks. */
#include "tensor/encoding.h"

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1000 };

static struct encoding_run run_of(enum encoding encoding, enum dtype dtype, int64_t first, size_t n)
{
    return (struct encoding_run){encoding, dtype, N, first, n};
}

static void unknown_words_are_refused(void)
{
    enum encoding encoding = ENCODING_INT8;
    CHECK(!encoding_parse("int4", &encoding));
    CHECK_EQUAL(encoding, ENCODING_INT8);
    for (int i = 0; i < N_ENCODINGS; i++) {
        CHECK(encoding_parse(encoding_word(i), &encoding));
        CHECK_EQUAL((int)encoding, i);
    }
}

static void what_does_not_apply_stays_plain(void)
{
    struct encoding_run run = run_of(ENCODING_INT8, DTYPE_I32, 0, 500);
    CHECK_EQUAL(encoding_run_bytes(&run), 2000);
    run = run_of(ENCODING_F16, DTYPE_BF16, 0, 10);
    CHECK_EQUAL(encoding_of_run(&run), ENCODING_PLAIN);
    run = run_of(ENCODING_INT8, DTYPE_F32, 0, 255);
    run.n_tensor = 255;
    CHECK_EQUAL(encoding_of_run(&run), ENCODING_PLAIN);
    run.n_tensor = 256;
    CHECK_EQUAL(encoding_of_run(&run), ENCODING_INT8);
}

/* A chunk holds at most two parts of tensors that go on outside; what lies whole in it gets smaller. */
static void the_ends_of_chunks_take_little_more(void)
{
    const enum dtype dtypes[] = {DTYPE_F64, DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    for (size_t d = 0; d < 4; d++)
        for (int64_t first = 0; first < 520; first++)
            for (size_t n = 1; n < 40; n++) {
                struct encoding_run run = run_of(ENCODING_INT8, dtypes[d], first, n);
                CHECK(2 * encoding_run_bytes(&run) <= 2 * n * dtype_bytes(dtypes[d]) + ENCODING_ROOM);
            }
}

static void sizes_are_what_they_say(void)
{
    struct encoding_run run = run_of(ENCODING_F16, DTYPE_F32, 7, 100);
    CHECK_EQUAL(encoding_run_bytes(&run), 200);
    run = run_of(ENCODING_INT8, DTYPE_F32, 0, 0);
    CHECK_EQUAL(encoding_run_bytes(&run), 0);
    run = run_of(ENCODING_INT8, DTYPE_F32, 0, 256);
    CHECK_EQUAL(encoding_run_bytes(&run), 260);
    run = run_of(ENCODING_INT8, DTYPE_F32, 255, 258); /* touches three blocks */
    CHECK_EQUAL(encoding_run_bytes(&run), 12 + 258);
}

static void a_plain_run_is_one_piece(void)
{
    float x[3] = {1, 2, 3};
    struct encoding_run run = run_of(ENCODING_PLAIN, DTYPE_F32, 5, 3);
    struct encoding_reader reader;
    struct encoding_piece piece;
    encoding_read_begin(&reader, &run, (const unsigned char *)x);
    REQUIRE(encoding_read_next(&reader, &piece));
    CHECK_EQUAL(piece.n, 3);
    CHECK_EQUAL(piece.dtype, DTYPE_F32);
    CHECK(piece.codes == (const unsigned char *)x);
    CHECK_EQUAL(piece.scale, 1);
    CHECK(!encoding_read_next(&reader, &piece));
}

static void the_scale_is_the_least_that_holds_all(void)
{
    double x[4] = {0.1, -3.7, 2, 0}, zeros[2] = {0, -0.0}, huge[1] = {1e300};
    float scale = encoding_scale(x, 4);
    CHECK(scale * 127.0 >= 3.7);
    CHECK(nextafterf(scale, 0) * 127.0 < 3.7);
    CHECK_EQUAL(encoding_scale(zeros, 2), 0);
    CHECK(isfinite(encoding_scale(huge, 1)));
}

/* Decode a run as the fold does. */
static void decode(const struct encoding_run *run, const unsigned char *bytes, double *out)
{
    struct encoding_reader reader;
    struct encoding_piece piece;
    encoding_read_begin(&reader, run, bytes);
    for (size_t done = 0; encoding_read_next(&reader, &piece); done += piece.n)
        for (size_t i = 0; i < piece.n; i++) out[done + i] = piece.scale * (int8_t)piece.codes[i];
}

static void encode(const double *x, const uint16_t *noise, const struct encoding_run *run, unsigned char *bytes)
{
    size_t first = (size_t)run->first, end = first + run->n, from = first / ENCODING_BLOCK * ENCODING_BLOCK;
    size_t n_blocks = (end - 1) / ENCODING_BLOCK - first / ENCODING_BLOCK + 1;
    for (size_t b = 0; b < n_blocks; b++, from += ENCODING_BLOCK) {
        size_t n = N - from < ENCODING_BLOCK ? N - from : ENCODING_BLOCK;
        size_t low = from < first ? first : from, high = from + n < end ? from + n : end;
        float scale = encoding_scale(x + from, n);
        memcpy(bytes + b * ENCODING_SCALE_BYTES, &scale, sizeof scale);
        encoding_codes(x + low, high - low, scale, noise + low,
                       bytes + n_blocks * ENCODING_SCALE_BYTES + (low - first));
    }
}

static void fill(double *x, uint16_t *noise)
{
    for (int i = 0; i < N; i++) {
        x[i] = (rand() / (double)RAND_MAX - 0.5) * (i % 256 == 3 ? 100 : 1);
        noise[i] = (uint16_t)(rand() & 0xffff);
    }
}

static void int8_comes_back_within_one_step_wherever_chunks_end(void)
{
    double x[N], whole[N], parts[N];
    uint16_t noise[N];
    unsigned char bytes[2 * N];
    fill(x, noise);
    struct encoding_run run = run_of(ENCODING_INT8, DTYPE_F32, 0, N);
    encode(x, noise, &run, bytes);
    decode(&run, bytes, whole);
    for (int i = 0; i < N; i++) {
        size_t from = (size_t)i / ENCODING_BLOCK * ENCODING_BLOCK;
        float scale = encoding_scale(x + from, N - from < ENCODING_BLOCK ? N - from : ENCODING_BLOCK);
        CHECK(fabs(whole[i] - x[i]) <= scale * 1.0001);
    }
    for (int64_t first = 0, n = 37; first < N; first += n, n = n * 3 % 401) {
        if (n > N - first) n = N - first;
        run = run_of(ENCODING_INT8, DTYPE_F32, first, (size_t)n);
        encode(x, noise, &run, bytes);
        decode(&run, bytes, parts);
        CHECK(memcmp(parts, whole + first, (size_t)n * sizeof *parts) == 0);
    }
}

static void rounding_at_random_keeps_the_mean(void)
{
    double x[2] = {0.3, 1.27}, sum = 0;
    float scale = encoding_scale(x, 2);
    for (int u = 0; u < 65536; u++) {
        uint16_t noise[2] = {(uint16_t)u, (uint16_t)u};
        unsigned char codes[2];
        encoding_codes(x, 2, scale, noise, codes);
        sum += (int8_t)codes[0] * (double)scale;
        CHECK((int8_t)codes[1] >= 126);
    }
    CHECK(fabs(sum / 65536 - 0.3) < 1e-6);
}

static void numbers_beyond_f32_are_held(void)
{
    double x[2] = {1e300, -1e300};
    uint16_t noise[2] = {0, 65535};
    unsigned char codes[2];
    encoding_codes(x, 2, encoding_scale(x, 2), noise, codes);
    CHECK_EQUAL((int8_t)codes[0], 127);
    CHECK_EQUAL((int8_t)codes[1], -127);
}

TEST_MAIN("encoding", TEST(unknown_words_are_refused), TEST(what_does_not_apply_stays_plain),
          TEST(the_ends_of_chunks_take_little_more), TEST(sizes_are_what_they_say), TEST(a_plain_run_is_one_piece),
          TEST(the_scale_is_the_least_that_holds_all), TEST(int8_comes_back_within_one_step_wherever_chunks_end),
          TEST(rounding_at_random_keeps_the_mean), TEST(numbers_beyond_f32_are_held))
