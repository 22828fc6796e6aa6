/* What a site does to its updates before they leave: the list `filters` of a privacy scope in its policy file.
 *
 *     filters:                                      in this order, each at most once, none needed
 *       - budget: {epsilon: 8, delta: 1e-5}         what the scope may spend in all; needed by noise and sparse_vector
 *       - withhold: [metrics, weight, words]        what stays here beside the update: the program's metrics, how many
 *                                                 examples there are, and what it prints, logs and gives as reasons
 *       - exclude: ["head.*", "*.running_mean"]     shell patterns (fnmatch) of tensors that stay as they were received
 *       - norm_clip: {norm: 1.0, per: update}       L2 norm of the change; per: update | tensor
 *       - percentile: {keep: 10, limit: 0.01}       the largest `keep` % by magnitude, held to +-limit (may be left
 * out)
 *       - sparse_vector: {epsilon: 1, fraction: 0.01, limit: 0.001, threshold: 0.0005}
 *       - noise: {multiplier: 1.0}                  Gaussian; its standard deviation is multiplier * norm of norm_clip
 *       - quantise: int8                            f16 | bf16 | int8
 *
 * All but quantise act on what the site has changed: the difference between its result and the model it was given. A
 * chain is constant once parsed and holds nothing of the document; any thread may read it. */
#ifndef ANB_PRIVACY_CHAIN_H
#define ANB_PRIVACY_CHAIN_H

#include "base/doc.h"
#include "privacy/accountant.h"
#include "tensor/encoding.h"

enum { FILTER_MAX_PATTERNS = 256 };

enum filter_withheld { FILTER_WITHHELD_METRICS = 1, FILTER_WITHHELD_WEIGHT = 2, FILTER_WITHHELD_WORDS = 4 };

enum filter_clip { FILTER_CLIP_NONE, FILTER_CLIP_UPDATE, FILTER_CLIP_TENSOR };

struct filter_budget {
    double epsilon, delta; /* epsilon 0: none was given */
};

struct filter_chain {
    struct filter_budget budget;
    unsigned withheld; /* bits of enum filter_withheld */
    char **patterns;   /* of tensors to exclude */
    size_t n_patterns;
    enum filter_clip clip;
    double norm;
    double keep_percent;     /* 0: no percentile filter */
    double percentile_limit; /* 0: none */
    double svt_epsilon;      /* 0: no sparse-vector filter */
    double svt_fraction, svt_limit, svt_threshold;
    double noise_multiplier; /* 0: no noise */
    enum encoding encoding;
};

/* `list` is the value of `filters` (NULL or null: no filters); `name` of the file stands in the errors, which name the
 * line and the cure: INVALID for unknown keys, values out of range, a wrong order, noise without a norm or a budget.
 * *chain is NULL for a list of nothing. Free with filter_chain_free. */
enum anb_status filter_chain_parse(const struct doc *list, const char *name, struct filter_chain **chain,
                                   struct anb_error *err);
void filter_chain_free(struct filter_chain *chain); /* NULL is fine */

bool filter_chain_withholds(const struct filter_chain *chain, enum filter_withheld what); /* NULL chain: no */
/* Does each update spend some of the budget? */
bool filter_chain_spends(const struct filter_chain *chain);
/* What an update of so many numbers costs, whatever is in it. */
struct privacy_loss filter_chain_loss(const struct filter_chain *chain, double numbers);
bool filter_chain_excludes(const struct filter_chain *chain, const char *tensor);
/* "exclude 2 patterns, norm_clip 1 per update, noise 1.2, quantise int8": for people. */
void filter_chain_describe(const struct filter_chain *chain, char text[256]);

#endif
