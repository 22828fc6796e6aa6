#include "privacy/apply_private.h"

#include "crypto/hkdf.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- life */

static enum anb_status open_stream(struct hkdf *hkdf, const unsigned char *extracted, const char *purpose,
                                   struct keystream **keystream, struct anb_error *err)
{
    unsigned char key[KEYSTREAM_KEY_BYTES];
    enum anb_status status = hkdf_expand(hkdf, extracted, slice_of_text(purpose), key, sizeof key, err);
    if (status == ANB_OK) status = keystream_new(key, keystream, err);
    explicit_bzero(key, sizeof key);
    return status;
}

/* A stream of its own for each use of randomness. */
static enum anb_status open_streams(struct filter_run *run, const unsigned char *seed, struct anb_error *err)
{
    unsigned char extracted[HKDF_BYTES];
    struct hkdf *hkdf = hkdf_new();
    if (!hkdf) return anb_fail(err, ANB_NO_MEMORY, "no memory for filters");
    struct slice salt = slice_of_text("anabranch filters");
    enum anb_status status = hkdf_extract(hkdf, salt, slice_of(seed, FILTER_SEED_BYTES), extracted, err);
    if (status == ANB_OK) status = open_stream(hkdf, extracted, "noise", &run->noise, err);
    if (status == ANB_OK) status = open_stream(hkdf, extracted, "rounding", &run->rounding, err);
    if (status == ANB_OK) status = open_stream(hkdf, extracted, "sparse vector", &run->sparse_noise, err);
    explicit_bzero(extracted, sizeof extracted);
    hkdf_free(hkdf);
    return status;
}

static enum anb_status choose_tensors(struct filter_run *run, struct anb_error *err)
{
    size_t n = layout_n_tensors(run->source.layout);
    run->excluded = calloc(n + 1, sizeof *run->excluded);
    run->factors = calloc(n + 1, sizeof *run->factors);
    if (!run->excluded || !run->factors) return anb_fail(err, ANB_NO_MEMORY, "no memory for filters");
    for (size_t t = 0; t < n; t++) {
        run->excluded[t] = filter_chain_excludes(run->chain, layout_tensor(run->source.layout, t)->name);
        run->factors[t] = 1;
    }
    return ANB_OK;
}

enum anb_status filter_run_new(const struct filter_chain *chain, const struct filter_source *source,
                               const unsigned char seed[FILTER_SEED_BYTES], struct filter_run **out,
                               struct anb_error *err)
{
    struct filter_run *run = calloc(1, sizeof *run);
    if (!run) return anb_fail(err, ANB_NO_MEMORY, "no memory for filters");
    run->chain = chain;
    run->source = *source;
    noise_table_init(&run->table);
    enum anb_status status = open_streams(run, seed, err);
    if (status == ANB_OK) status = choose_tensors(run, err);
    if (status == ANB_OK) status = filter_measure(run, err);
    if (status == ANB_OK)
        *out = run;
    else
        filter_run_free(run);
    return status;
}

void filter_run_free(struct filter_run *run)
{
    if (!run) return;
    keystream_free(run->noise);
    keystream_free(run->rounding);
    keystream_free(run->sparse_noise);
    free(run->excluded);
    free(run->factors);
    explicit_bzero(run, sizeof *run); /* numbers of the site, and noise */
    free(run);
}

struct privacy_loss filter_run_loss(const struct filter_run *run)
{
    return filter_chain_loss(run->chain, (double)run->n_numbers);
}

double filter_run_norm(const struct filter_run *run)
{
    return run->norm;
}

/* -- pieces */

static int64_t elements_of(const struct tensor_entry *tensor)
{
    return (tensor->end - tensor->begin) / (int64_t)dtype_bytes(tensor->dtype);
}

bool piece_next(const struct filter_run *run, struct piece *piece)
{
    size_t n_tensors = layout_n_tensors(run->source.layout);
    piece->first += (int64_t)piece->n;
    for (; piece->tensor < n_tensors; piece->tensor++, piece->first = 0) {
        const struct tensor_entry *tensor = piece_tensor(run, piece);
        int64_t left = elements_of(tensor) - piece->first;
        if (left <= 0 || run->excluded[piece->tensor] || !dtype_is_float(tensor->dtype)) continue;
        piece->n = (size_t)(left < PIECE ? left : PIECE);
        return true;
    }
    return false;
}

/* -- one piece of floats, filtered, in run->x */

static void keep_largest(struct filter_run *run, size_t n)
{
    double limit = run->chain->percentile_limit > 0 ? run->chain->percentile_limit : INFINITY;
    for (size_t i = 0; i < n; i++) {
        double x = run->x[i];
        bool kept = (double)(float)fabs(x) >= run->cutoff;
        run->x[i] = !kept ? 0 : x > limit ? limit : x < -limit ? -limit : x;
    }
}

/* To the grid, towards zero so that no norm grows; then whole numbers are added to whole numbers. */
static enum anb_status add_noise(struct filter_run *run, const struct piece *piece, struct anb_error *err)
{
    enum anb_status status =
        keystream_read(run->noise, piece_place(run, piece, NOISE_BYTES), run->raw, piece->n * NOISE_BYTES, err);
    if (status != ANB_OK) return status;
    noise_draw(&run->table, run->raw, run->numbers, piece->n);
    double steps = 1 / run->grid;
    for (size_t i = 0; i < piece->n; i++) {
        int32_t whole = (int32_t)(run->x[i] * steps);
        run->x[i] = (double)(whole + run->numbers[i]) * run->grid;
    }
    return ANB_OK;
}

static enum anb_status filter_piece(struct filter_run *run, const struct piece *piece, struct anb_error *err)
{
    enum anb_status status = change_read(run, piece, err);
    if (status == ANB_OK && run->chain->keep_percent > 0) keep_largest(run, piece->n);
    if (status == ANB_OK && run->chain->svt_epsilon > 0) status = sparse_apply(run, piece, err);
    if (status == ANB_OK && run->grid > 0) status = add_noise(run, piece, err);
    return status;
}

/* -- out */

/* The part of a tensor that lies in the range asked for, and where it goes. */
struct target {
    struct encoding_run run;
    size_t tensor;
    unsigned char *out;
};

/* Values that the dtype cannot hold (f16, f32) stay its largest: what leaves is always finite. */
static void hold_to(struct filter_run *run, enum dtype dtype, size_t n)
{
    double most = dtype == DTYPE_F16 ? 65504 : dtype == DTYPE_F64 ? INFINITY : 0x1.fep127;
    for (size_t i = 0; i < n; i++) run->x[i] = run->x[i] > most ? most : run->x[i] < -most ? -most : run->x[i];
}

static enum anb_status fill_floats(struct filter_run *run, const struct target *target, struct anb_error *err)
{
    enum encoding encoding = encoding_of_run(&target->run);
    enum dtype dtype = encoding == ENCODING_F16    ? DTYPE_F16
                       : encoding == ENCODING_BF16 ? DTYPE_BF16
                                                   : target->run.dtype;
    for (size_t done = 0; done < target->run.n;) {
        struct piece piece = {target->tensor, target->run.first + (int64_t)done, target->run.n - done};
        if (piece.n > PIECE) piece.n = PIECE;
        enum anb_status status = filter_piece(run, &piece, err);
        if (status != ANB_OK) return status;
        hold_to(run, dtype, piece.n);
        kernel_finish(dtype, target->out + done * dtype_bytes(dtype), run->x, piece.n, 1);
        done += piece.n;
    }
    return ANB_OK;
}

/* The blocks of a piece, which begins with one; only the elements from `low` to `high` of the tensor are wanted. */
static void write_blocks(struct filter_run *run, const struct piece *piece, const struct target *target,
                         unsigned char *codes)
{
    int64_t low = target->run.first, high = low + (int64_t)target->run.n, first_block = low / ENCODING_BLOCK;
    for (size_t at = 0; at < piece->n; at += ENCODING_BLOCK) {
        int64_t begin = piece->first + (int64_t)at;
        size_t n = piece->n - at < ENCODING_BLOCK ? piece->n - at : ENCODING_BLOCK;
        int64_t from = begin < low ? low : begin, to = begin + (int64_t)n < high ? begin + (int64_t)n : high;
        size_t skip = (size_t)(from - begin);
        float scale = encoding_scale(run->x + at, n);
        memcpy(target->out + (begin / ENCODING_BLOCK - first_block) * ENCODING_SCALE_BYTES, &scale, sizeof scale);
        encoding_codes(run->x + at + skip, (size_t)(to - from), scale, run->rounds + at + skip, codes + (from - low));
    }
}

/* Whole blocks are filtered even where only a part is wanted: their scale must not know where chunks end. */
static enum anb_status fill_codes(struct filter_run *run, const struct target *target, struct anb_error *err)
{
    int64_t end = target->run.first + (int64_t)target->run.n, n_tensor;
    unsigned char *codes = target->out + encoding_run_bytes(&target->run) - target->run.n;
    struct piece piece = {target->tensor, target->run.first / ENCODING_BLOCK * ENCODING_BLOCK, 0};
    n_tensor = elements_of(piece_tensor(run, &piece));
    int64_t stop = (end + ENCODING_BLOCK - 1) / ENCODING_BLOCK * ENCODING_BLOCK;
    if (stop > n_tensor) stop = n_tensor;
    for (; piece.first < stop; piece.first += (int64_t)piece.n) {
        piece.n = (size_t)(stop - piece.first < PIECE ? stop - piece.first : PIECE);
        enum anb_status status = filter_piece(run, &piece, err);
        if (status == ANB_OK)
            status = keystream_read(run->rounding, piece_place(run, &piece, ROUNDING_BYTES), run->rounds,
                                    piece.n * ROUNDING_BYTES, err);
        if (status != ANB_OK) return status;
        write_blocks(run, &piece, target, codes);
    }
    return ANB_OK;
}

static enum anb_status fill_whole(struct filter_run *run, const struct target *target, struct anb_error *err)
{
    size_t width = dtype_bytes(target->run.dtype);
    enum anb_status status = ANB_OK;
    for (size_t done = 0; done < target->run.n && status == ANB_OK;) {
        struct piece piece = {target->tensor, target->run.first + (int64_t)done, target->run.n - done};
        if (piece.n > PIECE) piece.n = PIECE;
        status = change_read_whole(run, &piece, target->out + done * width, err);
        done += piece.n;
    }
    return status;
}

static enum anb_status fill_target(struct filter_run *run, const struct target *target, struct anb_error *err)
{
    if (run->excluded[target->tensor]) {
        memset(target->out, 0, encoding_run_bytes(&target->run)); /* no change, in every encoding */
        return ANB_OK;
    }
    if (!dtype_is_float(target->run.dtype)) return fill_whole(run, target, err);
    if (encoding_of_run(&target->run) == ENCODING_INT8) return fill_codes(run, target, err);
    return fill_floats(run, target, err);
}

enum anb_status filter_run_fill(struct filter_run *run, int64_t begin, int64_t end, unsigned char *out, size_t *size,
                                struct anb_error *err)
{
    const struct layout *layout = run->source.layout;
    size_t used = 0;
    for (int64_t at = begin; at < end;) {
        struct target target = {.tensor = layout_find(layout, at), .out = out + used};
        const struct tensor_entry *tensor = layout_tensor(layout, target.tensor);
        int64_t width = (int64_t)dtype_bytes(tensor->dtype), to = tensor->end < end ? tensor->end : end;
        target.run = (struct encoding_run){run->chain->encoding, tensor->dtype, elements_of(tensor),
                                           (at - tensor->begin) / width, (size_t)((to - at) / width)};
        enum anb_status status = fill_target(run, &target, err);
        if (status != ANB_OK) return status;
        used += encoding_run_bytes(&target.run);
        at = to;
    }
    *size = used;
    return ANB_OK;
}
