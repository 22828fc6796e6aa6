/* Memory that is freed all at once: what one decoded record or one job needs.
 *
 * An arena has a ceiling; an allocation beyond it, or when the system has none, gives NULL. Memory comes zeroed and is
 * aligned for any type. One thread at a time. */
#ifndef ANB_BASE_ARENA_H
#define ANB_BASE_ARENA_H

#include "base/buf.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used;
    size_t ceiling;
};

void arena_init(struct arena *arena, size_t ceiling_bytes);
void arena_fini(struct arena *arena);
void arena_reset(struct arena *arena); /* forget everything, keep one block for the next use */

void *arena_alloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t count, size_t element_size); /* NULL on overflow, too */
char *arena_text(struct arena *arena, struct slice text);                        /* a NUL-terminated copy */

#endif
