#include "support/test.h"

#include "base/file.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct anb_error test_error;

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i])) return true;
    return argc < 2;
}

int test_main(const char *suite_name, const struct test_entry *tests, int n_tests, int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS) return 2;
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (int i = 0; suite && i < n_tests; i++)
        if (is_wanted(tests[i].name, argc, argv)) CU_add_test(suite, tests[i].name, tests[i].run);
    CU_basic_set_mode(CU_BRM_SILENT);
    CU_basic_run_tests();
    for (CU_pFailureRecord f = CU_get_failure_list(); f; f = f->pNext)
        printf("%s:%u: %s: %s\n", f->strFileName, f->uiLineNumber, f->pTest->pName, f->strCondition);
    unsigned failed = CU_get_number_of_tests_failed(), ran = CU_get_number_of_tests_run();
    printf("%s: %u passed, %u failed\n", suite_name, ran - failed, failed);
    CU_cleanup_registry();
    return failed > 0 || ran == 0;
}

void test_check_status(enum anb_status got, enum anb_status expected, struct anb_error *err, const char *call,
                       const char *file, unsigned line)
{
    char condition[1024];
    snprintf(condition, sizeof condition, "%s gave %s, not %s: %s", call, anb_status_word(got),
             anb_status_word(expected), got == ANB_OK ? "" : err->text);
    CU_assertImplementation(got == expected, line, condition, file, "", CU_FALSE);
}

static char folder[64];

static void remove_folder(void)
{
    file_remove_folder(folder, NULL);
}

const char *test_folder(void)
{
    if (!*folder) {
        strcpy(folder, "/tmp/anabranch-test-XXXXXX");
        if (!mkdtemp(folder)) abort();
        atexit(remove_folder);
    }
    return folder;
}
