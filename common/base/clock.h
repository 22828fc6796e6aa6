/* Time. Wall-clock milliseconds stand in records, for people and for deadlines; monotonic ones measure waits. */
#ifndef ANB_BASE_CLOCK_H
#define ANB_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
void clock_sleep_ms(int64_t ms);
/* "2026-11-24T11:21:20.123Z"; times of records are foreign: before 1970 or after 9999 the number stands there, "-1ms"
 */
const char *clock_text(int64_t wall_ms, char text[32]);

#endif
