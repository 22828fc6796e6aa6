#include "support/heap.h"

#include <stdlib.h>

static int countdown;
static bool failed;

void heap_fail_at(int n)
{
    countdown = n;
    failed = false;
}

bool heap_has_failed(void)
{
    return failed;
}

static bool fails_now(void)
{
    if (countdown == 0 || --countdown > 0) return false;
    failed = true;
    return true;
}

/* The linker's names: __wrap_X is called for X, __real_X is the library's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails_now() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}
