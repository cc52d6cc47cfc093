/* SPDX-License-Identifier: MIT
 * Unit tests of the json adapter.
 */
#include "tests/unit/runner.h"

int main(void)
{
    static const struct unit_test tests[] = { { NULL, NULL } };

    return run_tests("json", tests);
}
