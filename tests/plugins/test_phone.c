/* SPDX-License-Identifier: MIT
 * National telephone numbers against phones.txt, whose numbers are libphonenumber's and people's. What we cannot read
 * for certain is left out, and never another number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/meta_phone.h"
#include "tests/unit/runner.h"

static void check_line(char *line)
{
    char *text = strchr(line, '|'), *wanted = text ? strrchr(line, '|') : NULL;
    char got[PHONE_SIZE] = "-";

    CU_ASSERT_PTR_NOT_NULL(wanted);
    if (!text || !wanted)
        return;
    *text++ = '\0';
    *wanted++ = '\0';
    wanted[strcspn(wanted, "\n")] = '\0';
    phone_read(text, line, 0, got);
    CU_ASSERT_STRING_EQUAL(got, wanted);
    if (strcmp(got, wanted) != 0)
        printf("# %s %s: %s, not %s\n", line, text, got, wanted);
}

static void test_lines(void)
{
    const char *top = getenv("srcdir");
    char path[4096], line[256];
    int count = 0;

    snprintf(path, sizeof(path), "%s/tests/plugins/phones.txt", top ? top : ".");
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof(line), f))
        if (*line != '#') {
            check_line(line);
            count++;
        }
    fclose(f);
    CU_ASSERT_TRUE(count > 280);
}

/* The form that Meta documents, digits with the country code, is taken as it says. */
static void test_complete(void)
{
    char got[PHONE_SIZE];

    CU_ASSERT_EQUAL(phone_read("16505551212", NULL, 1, got), 1);
    CU_ASSERT_STRING_EQUAL(got, "16505551212");
    CU_ASSERT_EQUAL(phone_read("393331234567", "IT", 1, got), 1);
    CU_ASSERT_STRING_EQUAL(got, "393331234567");
    CU_ASSERT_EQUAL(phone_read("4915112345678", "DE", 1, got), 1);
    CU_ASSERT_STRING_EQUAL(got, "4915112345678");
    CU_ASSERT_EQUAL(phone_read("650 555 1212", "us", 1, got), 1);
    CU_ASSERT_STRING_EQUAL(got, "16505551212");
    CU_ASSERT_EQUAL(phone_read("0612345678", NULL, 1, got), 0);
    CU_ASSERT_EQUAL(phone_read("0612345678", "FR", 1, got), 1);
    CU_ASSERT_STRING_EQUAL(got, "33612345678");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"national numbers", test_lines},
        {"numbers that are complete", test_complete},
        {NULL, NULL},
    };
    return run_tests("phone", tests);
}
