/* Records of any kind with random content, made and compared by the generated tables. One thread at a time. */
#ifndef ANB_TEST_SUPPORT_RECORDS_H
#define ANB_TEST_SUPPORT_RECORDS_H

#include "base/arena.h"
#include "wire/records.h"

/* The same seed gives the same numbers on every machine. */
struct random {
    uint64_t state;
};

uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound);

/* Texts are UTF-8 with characters of every length, arrays have 0 to 5 items. Aborts when the arena is full. */
void random_record(struct random *random, enum record_kind kind, struct arena *arena, struct record *record);
bool records_equal(const struct record *a, const struct record *b);

#endif
