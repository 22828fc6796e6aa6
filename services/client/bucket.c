#include "bucket.h"

bool bucket_take(struct bucket *bucket, int64_t now_ms)
{
    double drained = (double)(now_ms - bucket->at_ms) * bucket->per_s / 1000;
    bucket->used = bucket->used > drained ? bucket->used - drained : 0;
    bucket->at_ms = now_ms;
    if (bucket->used + 1 > bucket->burst) return false;
    bucket->used += 1;
    return true;
}
