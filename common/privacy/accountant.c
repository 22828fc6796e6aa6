#include "privacy/accountant.h"

#include "privacy/noise.h"

#include <math.h>

void privacy_loss_add(struct privacy_loss *sum, const struct privacy_loss *loss)
{
    sum->rho += loss->rho;
    sum->pure += loss->pure;
    sum->numbers += loss->numbers;
}

double privacy_rho(double ratio)
{
    return 1 / (2 * ratio * ratio);
}

/* At alpha = 1 + e^t. */
static double bound(double rho, double delta, double t)
{
    double above = exp(t), alpha = 1 + above;
    return alpha * rho + log(above / alpha) - log(alpha * delta) / above;
}

/* Any alpha gives a bound that holds, so the search need not be perfect: steps over all orders that can matter, then
 * thirds around the best. */
static double gaussian_epsilon(double rho, double delta)
{
    const double least = -20, most = 50, step = 0.125;
    double best = least;
    for (double t = least; t <= most; t += step)
        if (bound(rho, delta, t) < bound(rho, delta, best)) best = t;
    double low = best - step, high = best + step;
    for (int i = 0; i < 60; i++) {
        double a = low + (high - low) / 3, b = high - (high - low) / 3;
        if (bound(rho, delta, a) < bound(rho, delta, b))
            high = b;
        else
            low = a;
    }
    return fmax(0, bound(rho, delta, low));
}

double privacy_epsilon(const struct privacy_loss *loss, double delta)
{
    double left = delta - loss->numbers * NOISE_DISTANCE;
    if (!(left > 0)) return INFINITY;
    return loss->pure + (loss->rho > 0 ? gaussian_epsilon(loss->rho, left) : 0);
}
