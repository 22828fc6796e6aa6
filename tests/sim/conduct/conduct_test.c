#include "conduct.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

enum { N_SEEDS = 2000 };

static struct sim sim;

static void every_federation_keeps_its_promises_and_ends(void)
{
    int n_by_outcome[3] = {0};
    int64_t n_refused = 0;
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        if (!sim_run(&sim, seed)) {
            printf("seed %llu: %s\n", (unsigned long long)seed, sim.failure);
            CU_FAIL("a federation broke a promise");
            return;
        }
        n_by_outcome[sim.outcome]++;
        n_refused += sim.n_refused;
    }
    printf("%d federations: %d completed, %d failed; %lld records refused\n", N_SEEDS, n_by_outcome[OUTCOME_COMPLETED],
           n_by_outcome[OUTCOME_FAILED], (long long)n_refused);
    CHECK(n_by_outcome[OUTCOME_COMPLETED] > N_SEEDS / 4);
    CHECK(n_by_outcome[OUTCOME_FAILED] > N_SEEDS / 100);
}

static void the_same_seed_gives_the_same_run(void)
{
    REQUIRE(sim_run(&sim, 7));
    int64_t refused = sim.n_refused, end = sim.now_ms;
    REQUIRE(sim_run(&sim, 7));
    CHECK_EQUAL(sim.n_refused, refused);
    CHECK_EQUAL(sim.now_ms, end);
}

TEST_MAIN("conduct", TEST(every_federation_keeps_its_promises_and_ends), TEST(the_same_seed_gives_the_same_run))
