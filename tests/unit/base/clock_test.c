#include "base/clock.h"

#include "support/test.h"

static void times_outside_of_people_s_calendar_are_numbers(void)
{
    char text[32];
    CHECK_TEXT(clock_text(-1, text), "-1ms");
    CHECK_TEXT(clock_text(INT64_MIN, text), "-9223372036854775808ms");
    CHECK_TEXT(clock_text(INT64_MAX, text), "9223372036854775807ms");
    CHECK_TEXT(clock_text(253402300800000, text), "253402300800000ms");
}

static void times_are_written_in_utc_with_milliseconds(void)
{
    char text[32];
    CHECK_TEXT(clock_text(0, text), "1970-01-01T00:00:00.000Z");
    CHECK_TEXT(clock_text(1795519280123, text), "2026-11-24T11:21:20.123Z");
    CHECK_TEXT(clock_text(253402300799999, text), "9999-12-31T23:59:59.999Z");
}

static void sleeping_takes_at_least_its_time_and_never_for_ever(void)
{
    int64_t before = clock_monotonic_us();
    clock_sleep_ms(2);
    CHECK(clock_monotonic_us() - before >= 2000);
    clock_sleep_ms(0);
    clock_sleep_ms(-5); /* ends at once */
}

static void clocks_agree_with_themselves(void)
{
    int64_t first = clock_monotonic_us();
    CHECK(clock_monotonic_ms() >= first / 1000);
    CHECK(clock_monotonic_us() >= first);
    CHECK(clock_wall_ms() > 1600000000000);
}

TEST_MAIN("clock", TEST(times_outside_of_people_s_calendar_are_numbers),
          TEST(times_are_written_in_utc_with_milliseconds), TEST(sleeping_takes_at_least_its_time_and_never_for_ever),
          TEST(clocks_agree_with_themselves))
