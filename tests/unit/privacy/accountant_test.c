/* The accountant against two others: the values of Google's dp-accounting 0.6.0 (RDP of Gaussian events on a fine grid
 * of orders), and the exact curve of the Gaussian mechanism (Balle and Wang 2018, arXiv 1805.06530, theorem 8). */
#include "privacy/accountant.h"

#include "support/test.h"

#include <math.h>

static const struct {
    double ratio, n, delta, rdp, exact;
} known[] = {{1, 1, 1e-5, 4.728386995313018, 4.377178095681137},
             {1, 10, 1e-5, 19.047259683627946, 17.856586830107616},
             {4, 100, 1e-6, 15.327530077069095, 14.45077696599136},
             {0.5, 3, 1e-5, 21.439605993501672, 20.125023545888176},
             {20, 50, 1e-7, 1.8245576336303375, 1.7126701004524363}};

static double epsilon_of(double ratio, double n, double delta)
{
    struct privacy_loss sum = {0}, one = {.rho = privacy_rho(ratio)};
    for (int i = 0; i < (int)n; i++) privacy_loss_add(&sum, &one);
    return privacy_epsilon(&sum, delta);
}

static void no_delta_gives_no_epsilon(void)
{
    struct privacy_loss loss = {.rho = 1};
    CHECK(isinf(privacy_epsilon(&loss, 0)));
    CHECK(isinf(privacy_epsilon(&loss, -1)));
    loss.numbers = 1e12; /* times 2^-52: more than delta */
    CHECK(isinf(privacy_epsilon(&loss, 1e-5)));
    loss.numbers = 1e9;
    CHECK(isfinite(privacy_epsilon(&loss, 1e-5)));
}

static void values_are_those_of_another_accountant(void)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double got = epsilon_of(known[i].ratio, known[i].n, known[i].delta);
        CHECK(fabs(got - known[i].rdp) < 1e-6 * known[i].rdp);
    }
}

static void the_bound_is_above_the_exact_curve_and_close_to_it(void)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double got = epsilon_of(known[i].ratio, known[i].n, known[i].delta);
        CHECK(got > known[i].exact);
        CHECK(got < known[i].exact * 1.1);
    }
}

/* rho + 2 sqrt(rho ln 1/delta): Bun and Steinke 2016, arXiv 1605.02065, proposition 1.3. */
static void the_bound_is_below_the_simple_one_for_any_rho(void)
{
    for (double rho = 1e-9; rho < 1e6; rho *= 3.7) {
        struct privacy_loss loss = {.rho = rho};
        double got = privacy_epsilon(&loss, 1e-6);
        CHECK(got >= 0 && got <= rho + 2 * sqrt(rho * log(1e6)));
    }
}

static void more_costs_more_and_pure_adds_up(void)
{
    struct privacy_loss none = {0}, pure = {.pure = 0.5}, sum = {.rho = 0.5};
    CHECK_EQUAL(privacy_epsilon(&none, 1e-5), 0);
    CHECK_EQUAL(privacy_epsilon(&pure, 1e-5), 0.5);
    double before = privacy_epsilon(&sum, 1e-5);
    privacy_loss_add(&sum, &pure);
    CHECK(fabs(privacy_epsilon(&sum, 1e-5) - before - 0.5) < 1e-12);
    CHECK(epsilon_of(1, 11, 1e-5) > epsilon_of(1, 10, 1e-5));
    CHECK(epsilon_of(1, 10, 1e-6) > epsilon_of(1, 10, 1e-5));
}

TEST_MAIN("accountant", TEST(no_delta_gives_no_epsilon), TEST(values_are_those_of_another_accountant),
          TEST(the_bound_is_above_the_exact_curve_and_close_to_it), TEST(the_bound_is_below_the_simple_one_for_any_rho),
          TEST(more_costs_more_and_pure_adds_up))
