#include "tensor/kernels_private.h"

#include <cpuid.h>
#include <stdatomic.h>

/* Asked once: on a virtual machine each cpuid leaves the guest. */
static bool has_f16c(void)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int answer;
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (known == UNKNOWN) {
        unsigned eax, ebx, ecx, edx;
        known = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C) ? YES : NO;
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known == YES;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && has_f16c();
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

const struct kernel_set *kernel_set_at(size_t index)
{
    const struct kernel_set *sets[] = {&kernels_scalar, NULL, NULL};
    size_t n = 1;
    if (has_avx2()) sets[n++] = &kernels_avx2;
    if (has_avx512()) sets[n++] = &kernels_avx512;
    return index < n ? sets[index] : NULL;
}
