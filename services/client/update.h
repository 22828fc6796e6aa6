/* A model that came from a trainer: is it what it says? Any thread. */
#ifndef ANB_CLIENT_UPDATE_H
#define ANB_CLIENT_UPDATE_H

#include "tensor/safetensors.h"

/* Check that `fd` is a memfd that nobody can change or shrink any more and that it holds an exact safetensors file. It
 * is read by pread and never mapped. INVALID with a sentence otherwise. Free with safetensors_fini; `fd` stays the
 * caller's. */
enum anb_status update_check(int fd, struct safetensors *file, struct anb_error *err);

/* A memfd for a model on its way to the trainer, and the seals that make it constant. */
enum anb_status update_new_memfd(const char *name, int *fd, struct anb_error *err);
enum anb_status update_seal(int fd, struct anb_error *err);

#endif
