/* Which variant runs is one atomic pointer to constant data: the first call finds the best, and when two threads do so
 * at once, they find the same. */
#include "tensor/kernels_private.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic(const struct kernel_set *) chosen;

static const struct kernel_set *best(void)
{
    const struct kernel_set *set = &kernels_scalar;
    for (size_t i = 0; kernel_set_at(i); i++) set = kernel_set_at(i);
    return set;
}

static const struct kernel_set *current(void)
{
    const struct kernel_set *set = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (set) return set;
    set = best();
    atomic_store_explicit(&chosen, set, memory_order_relaxed);
    return set;
}

void kernel_accumulate(enum dtype dtype, double *acc, const void *x, size_t n, double weight)
{
    current()->accumulate[dtype](acc, x, n, weight);
}

size_t kernel_finish(enum dtype dtype, void *out, const double *acc, size_t n, double divisor)
{
    return current()->finish[dtype](out, acc, n, divisor);
}

void kernel_zero(double *acc, size_t n)
{
    if (n > 0) memset(acc, 0, n * sizeof *acc);
}

const char *kernel_variant(size_t index)
{
    const struct kernel_set *set = kernel_set_at(index);
    return set ? set->name : NULL;
}

bool kernel_use(const char *variant)
{
    const struct kernel_set *set = variant ? NULL : best();
    for (size_t i = 0; !set && kernel_set_at(i); i++)
        if (strcmp(kernel_set_at(i)->name, variant) == 0) set = kernel_set_at(i);
    if (set) atomic_store_explicit(&chosen, set, memory_order_relaxed);
    return set != NULL;
}
