/* SPDX-License-Identifier: MIT
 * The runner of runner.h: CUnit's assertions, our own line-by-line report.
 */
#include "tests/unit/runner.h"

#include <stdio.h>

static const char *current_suite;

static void report(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failure)
{
    (void)suite;
    printf("%s %s: %s\n", failure ? "not ok" : "ok", current_suite, test->pName);
    for (CU_pFailureRecord f = failure; f; f = f->pNext)
        printf("#   %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
    fflush(stdout);
}

int run_tests(const char *suite, const struct unit_test *tests)
{
    current_suite = suite;
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 99;
    CU_pSuite s = CU_add_suite(suite, NULL, NULL);
    for (; s && tests->name; tests++)
        if (!CU_add_test(s, tests->name, tests->run)) {
            printf("not ok %s: %s (not registered; a name given twice?)\n", suite, tests->name);
            return 99;
        }
    CU_set_test_complete_handler(report);
    CU_run_all_tests();
    unsigned failed = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
