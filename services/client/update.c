#include "update.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

enum { CONSTANT = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

enum anb_status update_check(int fd, struct safetensors *file, struct anb_error *err)
{
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0) return anb_fail(err, ANB_INVALID, "the model's descriptor is not a memfd");
    if ((seals & CONSTANT) != CONSTANT)
        return anb_fail(err, ANB_INVALID,
                        "the model's memfd is not sealed: add F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE");
    enum anb_status status = safetensors_open(fd, "the model", file, err);
    if (status != ANB_OK && err) err->status = ANB_INVALID;
    return status == ANB_OK ? ANB_OK : ANB_INVALID;
}

enum anb_status update_new_memfd(const char *name, int *fd, struct anb_error *err)
{
    int made = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0) return anb_fail_errno(err, errno, "no memfd for a model");
    *fd = made;
    return ANB_OK;
}

enum anb_status update_seal(int fd, struct anb_error *err)
{
    if (fcntl(fd, F_ADD_SEALS, CONSTANT | F_SEAL_SEAL) == 0) return ANB_OK;
    return anb_fail_errno(err, errno, "the model cannot be sealed");
}
