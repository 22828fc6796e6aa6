#include "base/condition.h"

#include "base/clock.h"
#include "support/test.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition;
static bool is_set;

static void *set(void *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    is_set = true;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void a_wait_ends_when_woken(void)
{
    pthread_t thread;
    condition_init(&condition);
    pthread_mutex_lock(&lock);
    pthread_create(&thread, NULL, set, NULL);
    while (!is_set && condition_wait(&condition, &lock, clock_monotonic_ms() + 60000)) {}
    CHECK(is_set);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&condition);
}

static void a_wait_ends_at_its_deadline_also_one_that_has_passed(void)
{
    condition_init(&condition);
    pthread_mutex_lock(&lock);
    int64_t deadline_ms = clock_monotonic_ms() + 5;
    while (condition_wait(&condition, &lock, deadline_ms)) {}
    CHECK(clock_monotonic_ms() >= deadline_ms);
    CHECK(!condition_wait(&condition, &lock, deadline_ms - 1000));
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&condition);
}

TEST_MAIN("condition", TEST(a_wait_ends_when_woken), TEST(a_wait_ends_at_its_deadline_also_one_that_has_passed))
