/* Condition variables whose waits end on the monotonic clock. Any thread. */
#ifndef ANB_BASE_CONDITION_H
#define ANB_BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void condition_init(pthread_cond_t *condition);
/* Wait until woken or until `deadline_ms` of clock_monotonic_ms; false: the deadline came. */
bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_ms);

#endif
