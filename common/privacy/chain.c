/* Reading the list of filters: a table of what each filter takes, then what no single filter can say. */
#include "privacy/chain.h"

#include <fnmatch.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct filter_chain *chain;
    const char *name; /* of the file */
    struct anb_error *err;
};

/* One number of a filter. `least` and `most` are both allowed; a number that must be given has no fallback. */
struct number {
    const char *key;
    size_t offset;
    double least, most;
    bool optional;
};

enum { MAX_NUMBERS = 4 };

enum kind { BUDGET, WITHHOLD, EXCLUDE, NORM_CLIP, PERCENTILE, SPARSE_VECTOR, NOISE, QUANTISE, N_KINDS };

#define PLACE(member) offsetof(struct filter_chain, member)

/* In the order in which they must stand; numbers that are 0 in a chain are those that were not given. */
static const struct {
    const char *word;
    struct number numbers[MAX_NUMBERS];
} filters[N_KINDS] = {
    [BUDGET] = {"budget",
                {{"epsilon", PLACE(budget.epsilon), 1e-3, 1e6, false},
                 {"delta", PLACE(budget.delta), 1e-15, 0.1, false}}},
    [WITHHOLD] = {"withhold", {{0}}},
    [EXCLUDE] = {"exclude", {{0}}},
    [NORM_CLIP] = {"norm_clip", {{"norm", PLACE(norm), 1e-9, 1e9, false}}},
    [PERCENTILE] = {"percentile",
                    {{"keep", PLACE(keep_percent), 1e-4, 100, false},
                     {"limit", PLACE(percentile_limit), 1e-12, 1e12, true}}},
    [SPARSE_VECTOR] = {"sparse_vector",
                       {{"epsilon", PLACE(svt_epsilon), 1e-3, 1e6, false},
                        {"fraction", PLACE(svt_fraction), 1e-9, 1, false},
                        {"limit", PLACE(svt_limit), 1e-12, 1e12, false},
                        {"threshold", PLACE(svt_threshold), 0, 1e12, false}}},
    [NOISE] = {"noise", {{"multiplier", PLACE(noise_multiplier), 1e-2, 1e4, false}}},
    [QUANTISE] = {"quantise", {{0}}},
};

static enum anb_status fail(const struct reader *reader, const struct doc *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum anb_status fail(const struct reader *reader, const struct doc *at, const char *format, ...)
{
    char sentence[400];
    va_list values;
    va_start(values, format);
    vsnprintf(sentence, sizeof sentence, format, values);
    va_end(values);
    return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s", reader->name, doc_line(at), sentence);
}

static enum anb_status read_number(struct reader *reader, enum kind kind, const struct number *number,
                                   const struct doc *map)
{
    const struct doc *value = doc_get(map, number->key);
    if (!value && number->optional) return ANB_OK;
    if (!value) return fail(reader, map, "%s needs %s", filters[kind].word, number->key);
    if (doc_kind(value) != DOC_INT && doc_kind(value) != DOC_REAL)
        return fail(reader, value, "%s.%s must be a number, got %s", filters[kind].word, number->key,
                    doc_kind_word(doc_kind(value)));
    double got = doc_real(value, 0);
    if (!(got >= number->least && got <= number->most))
        return fail(reader, value, "%s.%s must be %g..%g, got %g", filters[kind].word, number->key, number->least,
                    number->most, got);
    memcpy((char *)reader->chain + number->offset, &got, sizeof got);
    return ANB_OK;
}

static bool is_key(enum kind kind, const char *key)
{
    for (int i = 0; i < MAX_NUMBERS && filters[kind].numbers[i].key; i++)
        if (strcmp(filters[kind].numbers[i].key, key) == 0) return true;
    return kind == NORM_CLIP && strcmp(key, "per") == 0;
}

static enum anb_status read_numbers(struct reader *reader, enum kind kind, const struct doc *map)
{
    enum anb_status status = ANB_OK;
    if (doc_kind(map) != DOC_MAP)
        return fail(reader, map, "%s must be a map, got %s", filters[kind].word, doc_kind_word(doc_kind(map)));
    for (size_t i = 0; i < doc_size(map); i++)
        if (!is_key(kind, doc_key_at(map, i)))
            return anb_fail(reader->err, ANB_INVALID, "%s:%d: %s has no key \"%.60s\"", reader->name,
                            doc_key_line_at(map, i), filters[kind].word, doc_key_at(map, i));
    for (int i = 0; i < MAX_NUMBERS && filters[kind].numbers[i].key && status == ANB_OK; i++)
        status = read_number(reader, kind, &filters[kind].numbers[i], map);
    return status;
}

static enum anb_status read_clip(struct reader *reader, const struct doc *map)
{
    enum anb_status status = read_numbers(reader, NORM_CLIP, map);
    if (status != ANB_OK) return status;
    const struct doc *per = doc_get(map, "per");
    const char *word = per ? doc_text(per, "") : "update";
    if (strcmp(word, "update") != 0 && strcmp(word, "tensor") != 0)
        return fail(reader, per, "norm_clip.per must be update or tensor");
    reader->chain->clip = *word == 'u' ? FILTER_CLIP_UPDATE : FILTER_CLIP_TENSOR;
    return ANB_OK;
}

static enum anb_status read_withheld(struct reader *reader, const struct doc *list)
{
    static const char *const words[] = {"metrics", "weight", "words"};
    if (doc_kind(list) != DOC_LIST || doc_size(list) == 0)
        return fail(reader, list, "withhold must be a list of metrics, weight, words");
    for (size_t i = 0; i < doc_size(list); i++) {
        const struct doc *item = doc_at(list, i);
        size_t w = 0;
        while (w < 3 && strcmp(words[w], doc_text(item, "")) != 0) w++;
        if (w == 3) return fail(reader, item, "withhold takes metrics, weight, words");
        reader->chain->withheld |= 1u << w;
    }
    return ANB_OK;
}

static enum anb_status read_patterns(struct reader *reader, const struct doc *list)
{
    struct filter_chain *chain = reader->chain;
    size_t n = doc_size(list);
    if (doc_kind(list) != DOC_LIST || n == 0 || n > FILTER_MAX_PATTERNS)
        return fail(reader, list, "exclude must be a list of 1..%d patterns", FILTER_MAX_PATTERNS);
    chain->patterns = calloc(n, sizeof *chain->patterns);
    if (!chain->patterns) return anb_fail(reader->err, ANB_NO_MEMORY, "%s: no memory for patterns", reader->name);
    for (; chain->n_patterns < n; chain->n_patterns++) {
        const struct doc *item = doc_at(list, chain->n_patterns);
        const char *pattern = doc_text(item, "");
        if (!*pattern) return fail(reader, item, "a pattern must be a text, in quotes: \"head.*\"");
        chain->patterns[chain->n_patterns] = strdup(pattern);
        if (!chain->patterns[chain->n_patterns])
            return anb_fail(reader->err, ANB_NO_MEMORY, "%s: no memory for patterns", reader->name);
    }
    return ANB_OK;
}

static enum anb_status read_encoding(struct reader *reader, const struct doc *word)
{
    if (encoding_parse(doc_text(word, ""), &reader->chain->encoding) && reader->chain->encoding != ENCODING_PLAIN)
        return ANB_OK;
    return fail(reader, word, "quantise must be f16, bf16 or int8");
}

static enum anb_status read_filter(struct reader *reader, enum kind kind, const struct doc *value)
{
    switch (kind) {
    case WITHHOLD: return read_withheld(reader, value);
    case EXCLUDE: return read_patterns(reader, value);
    case NORM_CLIP: return read_clip(reader, value);
    case QUANTISE: return read_encoding(reader, value);
    default: return read_numbers(reader, kind, value);
    }
}

static enum anb_status find_kind(struct reader *reader, const struct doc *item, enum kind *kind)
{
    if (doc_kind(item) != DOC_MAP || doc_size(item) != 1)
        return fail(reader, item, "each filter is one name with its values: \"- norm_clip: {norm: 1.0}\"");
    for (int k = 0; k < N_KINDS; k++) {
        *kind = (enum kind)k;
        if (strcmp(doc_key_at(item, 0), filters[k].word) == 0) return ANB_OK;
    }
    return fail(reader, item,
                "no filter \"%.60s\": there are budget, withhold, exclude, norm_clip, percentile, sparse_vector, "
                "noise, quantise",
                doc_key_at(item, 0));
}

static enum anb_status read_list(struct reader *reader, const struct doc *list)
{
    int last = -1;
    if (doc_kind(list) != DOC_LIST)
        return fail(reader, list, "filters must be a list, got %s", doc_kind_word(doc_kind(list)));
    for (size_t i = 0; i < doc_size(list); i++) {
        enum kind kind = BUDGET;
        const struct doc *item = doc_at(list, i);
        enum anb_status status = find_kind(reader, item, &kind);
        if (status != ANB_OK) return status;
        if ((int)kind <= last)
            return fail(reader, item,
                        "%s stands %s: filters run in the order budget, withhold, exclude, norm_clip, percentile, "
                        "sparse_vector, noise, quantise, each once",
                        filters[kind].word, (int)kind == last ? "twice" : "too late");
        status = read_filter(reader, kind, doc_at(item, 0));
        if (status != ANB_OK) return status;
        last = (int)kind;
    }
    return ANB_OK;
}

static enum anb_status check_together(struct reader *reader, const struct doc *list)
{
    const struct filter_chain *chain = reader->chain;
    bool spends = filter_chain_spends(chain);
    if (chain->noise_multiplier > 0 && chain->clip == FILTER_CLIP_NONE)
        return fail(reader, list, "noise needs norm_clip: without a largest norm no noise is enough");
    if (chain->svt_epsilon > 0 && (chain->noise_multiplier > 0 || chain->keep_percent > 0))
        return fail(reader, list, "sparse_vector selects and adds noise itself: leave out percentile and noise");
    if (spends && chain->budget.epsilon == 0)
        return fail(reader, list, "noise and sparse_vector need a budget: \"- budget: {epsilon: 8, delta: 1e-5}\"");
    if (!spends && chain->budget.epsilon > 0)
        return fail(reader, list, "nothing here spends the budget: add noise, or leave budget out");
    return ANB_OK;
}

enum anb_status filter_chain_parse(const struct doc *list, const char *name, struct filter_chain **out,
                                   struct anb_error *err)
{
    if (doc_kind(list) == DOC_NULL || (doc_kind(list) == DOC_LIST && doc_size(list) == 0)) {
        *out = NULL;
        return ANB_OK;
    }
    struct reader reader = {calloc(1, sizeof *reader.chain), name, err};
    if (!reader.chain) return anb_fail(err, ANB_NO_MEMORY, "%s: no memory for filters", name);
    enum anb_status status = read_list(&reader, list);
    if (status == ANB_OK) status = check_together(&reader, list);
    if (status == ANB_OK)
        *out = reader.chain;
    else
        filter_chain_free(reader.chain);
    return status;
}

void filter_chain_free(struct filter_chain *chain)
{
    if (!chain) return;
    for (size_t i = 0; i < chain->n_patterns; i++) free(chain->patterns[i]);
    free(chain->patterns);
    free(chain);
}

bool filter_chain_withholds(const struct filter_chain *chain, enum filter_withheld what)
{
    return chain && chain->withheld & what;
}

bool filter_chain_spends(const struct filter_chain *chain)
{
    return chain && (chain->noise_multiplier > 0 || chain->svt_epsilon > 0);
}

/* One update may differ from another by twice the norm: the whole of the one and the whole of the other, opposite. */
struct privacy_loss filter_chain_loss(const struct filter_chain *chain, double numbers)
{
    struct privacy_loss loss = {.pure = chain->svt_epsilon};
    if (chain->noise_multiplier <= 0) return loss;
    loss.rho = privacy_rho(chain->noise_multiplier / 2);
    loss.numbers = numbers;
    return loss;
}

bool filter_chain_excludes(const struct filter_chain *chain, const char *tensor)
{
    for (size_t i = 0; i < chain->n_patterns; i++)
        if (fnmatch(chain->patterns[i], tensor, 0) == 0) return true;
    return false;
}

static void add(char text[256], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char text[256], const char *format, ...)
{
    size_t used = strlen(text);
    va_list values;
    if (used > 0) used += (size_t)snprintf(text + used, 256 - used, ", ");
    va_start(values, format);
    if (used < 256) vsnprintf(text + used, 256 - used, format, values);
    va_end(values);
}

void filter_chain_describe(const struct filter_chain *chain, char text[256])
{
    *text = '\0';
    if (!chain) {
        add(text, "none");
        return;
    }
    if (chain->withheld) add(text, "withhold %d things", __builtin_popcount(chain->withheld));
    if (chain->n_patterns > 0) add(text, "exclude %zu patterns", chain->n_patterns);
    if (chain->clip != FILTER_CLIP_NONE)
        add(text, "norm_clip %g per %s", chain->norm, chain->clip == FILTER_CLIP_UPDATE ? "update" : "tensor");
    if (chain->keep_percent > 0) add(text, "percentile %g %%", chain->keep_percent);
    if (chain->svt_epsilon > 0) add(text, "sparse_vector epsilon %g", chain->svt_epsilon);
    if (chain->noise_multiplier > 0) add(text, "noise %g", chain->noise_multiplier);
    if (chain->budget.epsilon > 0) add(text, "budget (%g, %g)", chain->budget.epsilon, chain->budget.delta);
    if (chain->encoding != ENCODING_PLAIN) add(text, "quantise %s", encoding_word(chain->encoding));
}
