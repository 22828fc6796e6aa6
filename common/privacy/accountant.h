/* What noise has cost: Renyi differential privacy, added up over updates and told as (epsilon, delta).
 *
 * Gaussian noise of deviation sigma on something of L2 sensitivity s has Renyi divergence alpha * rho of every order
 * alpha, rho = s^2 / (2 sigma^2) (Mironov 2017, arXiv 1702.07476, corollary 3; for whole numbers Canonne, Kamath and
 * Steinke 2020, theorem 14), and rho adds up. The sparse-vector filter is pure epsilon-differential privacy, which adds
 * up, too. Pure: any thread. */
#ifndef ANB_PRIVACY_ACCOUNTANT_H
#define ANB_PRIVACY_ACCOUNTANT_H

struct privacy_loss {
    double rho;     /* of Gaussian noise */
    double pure;    /* epsilon of what is pure */
    double numbers; /* noise numbers drawn: each is a little off the ideal, see noise.h */
};

void privacy_loss_add(struct privacy_loss *sum, const struct privacy_loss *loss);
/* rho of Gaussian noise of deviation `ratio` * sensitivity. */
double privacy_rho(double ratio);
/* The epsilon for this delta: the least over alpha of alpha rho + log(1 - 1/alpha) - log(alpha delta) / (alpha - 1)
 * (Canonne, Kamath and Steinke 2020, proposition 12), and the pure part. Infinite when delta is used up by the numbers'
 * distance from the ideal. */
double privacy_epsilon(const struct privacy_loss *loss, double delta);

#endif
