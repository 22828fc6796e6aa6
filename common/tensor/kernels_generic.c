#include "tensor/kernels_private.h"

const struct kernel_set *kernel_set_at(size_t index)
{
    return index == 0 ? &kernels_scalar : NULL;
}
