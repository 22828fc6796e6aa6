#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (ms <= 0) return;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

const char *clock_text(int64_t wall_ms, char text[32])
{
    static const int64_t year_10000_ms = 253402300800000;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    if (wall_ms < 0 || wall_ms >= year_10000_ms || !gmtime_r(&seconds, &parts)) {
        snprintf(text, 32, "%lldms", (long long)wall_ms);
        return text;
    }
    size_t used = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, 32 - used, ".%03dZ", (int)(wall_ms % 1000));
    return text;
}
