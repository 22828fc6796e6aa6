/* A bound on how often something may happen: `burst` times at once, then `per_s` times a second. One thread. */
#ifndef ANB_CLIENT_BUCKET_H
#define ANB_CLIENT_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    double per_s, burst;
    double used; /* drains with time */
    int64_t at_ms;
};

bool bucket_take(struct bucket *bucket, int64_t now_ms);

#endif
