/* A heap that fails once, on demand: linked with --wrap, it stands between our code (not the libraries') and malloc,
 * calloc, realloc and strdup. One thread. */
#ifndef ANB_TEST_SUPPORT_HEAP_H
#define ANB_TEST_SUPPORT_HEAP_H

#include <stdbool.h>

/* The n-th allocation from now on fails, the later ones do not; 0: none fails. */
void heap_fail_at(int n);
/* Has it come to that? */
bool heap_has_failed(void);

#endif
