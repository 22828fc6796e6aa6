/* What every CUnit program shares: a table of tests and a main.
 *
 *     static void names_with_dots_are_refused(void) { CHECK(!name_is_valid(slice_of_text("a.b"))); }
 *     TEST_MAIN("id", TEST(names_with_dots_are_refused))
 *
 * The program prints each failure, then one line "id: 12 passed, 0 failed", and exits with 1 when a test failed. With
 * words on its command line it runs only the tests whose names contain one of them. */
#ifndef ANB_TEST_SUPPORT_TEST_H
#define ANB_TEST_SUPPORT_TEST_H

#include "base/status.h"

#include <CUnit/CUnit.h>

struct test_entry {
    const char *name;
    void (*run)(void);
};

int test_main(const char *suite, const struct test_entry *tests, int n_tests, int argc, char **argv);

#define TEST(function)                                                                                                 \
    {                                                                                                                  \
#function, function                                                                                            \
    }
#define TEST_MAIN(suite, ...)                                                                                          \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        static const struct test_entry tests[] = {__VA_ARGS__};                                                        \
        return test_main(suite, tests, (int)(sizeof tests / sizeof *tests), argc, argv);                               \
    }

#define CHECK(condition) CU_ASSERT(condition)
#define REQUIRE(condition) CU_ASSERT_FATAL(condition) /* ends the test */
#define CHECK_EQUAL(actual, expected) CU_ASSERT_EQUAL(actual, expected)
#define CHECK_TEXT(actual, expected) CU_ASSERT_STRING_EQUAL(actual, expected)
/* The call must give this status; prints the sentence when it does not. */
#define CHECK_STATUS(call, expected) test_check_status((call), (expected), &test_error, #call, __FILE__, __LINE__)

/* For the last parameter of calls under CHECK_STATUS. */
extern struct anb_error test_error;
void test_check_status(enum anb_status got, enum anb_status expected, struct anb_error *err, const char *call,
                       const char *file, unsigned line);

/* A fresh folder that is removed when the program ends. */
const char *test_folder(void);

#endif
