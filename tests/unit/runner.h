/* SPDX-License-Identifier: MIT
 * Runs a table of CUnit tests and prints "ok NAME" or "not ok NAME" for each,
 * which contrib/check counts. Every unit test's main() is one call of run_tests().
 */
#ifndef TESTS_RUNNER_H
#define TESTS_RUNNER_H

#include <CUnit/CUnit.h>

struct unit_test {
    const char *name;
    void (*run)(void);
};

/* tests ends with a NULL name. Returns the exit status for main(). */
int run_tests(const char *suite, const struct unit_test *tests);

#endif
