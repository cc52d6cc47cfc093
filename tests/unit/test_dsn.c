/* SPDX-License-Identifier: MIT
 * A PostgreSQL dsn before libpq sees it: passwords that are not percent-encoded are told by place and kind of
 * character, no part of them is repeated; foreign parameters are left out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/db/dsn.h"
#include "tests/unit/runner.h"

static bool known(const char *name)
{
    static const char *const names[] = {"host",    "port",        "user",    "password",         "dbname",
                                        "sslmode", "sslpassword", "options", "application_name", NULL};
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

struct refused {
    const char *text, *words;
};

/* First, Second and Third are parts of passwords. */
static const struct refused refusals[] = {
    {"postgresql://app:First/Second@host/db", "'/' (write %2F)"},
    {"postgresql://app:First@Second@host/db", "'@' (write %40)"},
    {"postgresql://app:First@Second/Third@host/db", "'@' (write %40), '/' (write %2F)"},
    {"postgresql://app:First?Second/Third@host/db", "'/' (write %2F), '?' (write %3F)"},
    {"postgresql://app:First@Second?Third=1@host/db", "'@' (write %40), '?' (write %3F)"},
    {"postgresql://app:First%Second@host/db", "'%' (write %25)"},
    {"postgresql://app:First%00Second@host/db", "'%' (write %25)"},
    {"postgresql://app:5432/Second@host/db", "'/' (write %2F)"},
    {"postgresql://app:First/Se\\co:nd@host/db", "a backslash (write %5C)"},
    {"postgresql://app:First/\"Second' Third@host/db", "a blank (write %20)"},
    {"postgresql://First/Second@host/db", "'/' (write %2F)"},
    {"postgres://app:First", "no '@' ends a user and a password before it"},
    {"postgres://app:First#Second", "no '@' ends a user and a password before it"},
    {"postgresql://app:First@host:Second/db", "its port, after the host's ':', is no number"},
    {"postgresql://app:First@host:99999/db", "no number from 1 to 65535"},
    {"postgresql://app:First@ho st/db", "a character that no host's name has"},
    {"postgresql://app:First@host/db?Second", "has no '='"},
    {"postgresql://app:First@host/db?sslmode=Second", "its sslmode is none of"},
    {"postgresql://app:First@host/db?sslmode=no-verify", "node-postgres"},
    {"postgresql://app:First@host/d%b", "in its host or database"},
    {"postgresql://app:First@host/db?options=%Second", "among its parameters"},
    {"\"postgresql://app:First@host/db\"", "stands in quotes"},
    {"'postgresql://app:First@host/db'", "stands in quotes"},
    {"DATABASE_URL=postgresql://app:First@host/db", "the name of a variable"},
    {"postgresql://app:First@host/db\r", "a blank or a line end"},
    {" postgresql://app:First@host/db", "a blank or a line end"},
    {"postgresql://app:Fir\x01st@host/db", "a control character"},
    {"jdbc:postgresql://host/db?password=First", "no jdbc:"},
    {"mysql://app:First@host/db", "does not begin with postgresql://"},
    {"First", "neither a URL that begins with postgresql:// nor pairs"},
    {"", "is empty"},
    {"host=h password=First Second", "after the value of 'password'"},
    {"host=h password=First Second=Third", "after the value of 'password'"},
    {"host=h password='First", "the value of 'password' begins with a single quote"},
    {"host=h password='First'Second' dbname=d", "after the value of 'password'"},
    {"host=h port=First", "its port is no number"},
    {"host=h sslmode=First", "its sslmode is none of"},
};

static void test_refused(void)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct dsn d = {0};
        struct error e = {""};
        CU_ASSERT_EQUAL(dsn_read(refusals[i].text, known, &d, &e), -EINVAL);
        bool said = strstr(e.text, refusals[i].words) && strncmp(e.text, "the dsn cannot be used: ", 24) == 0;
        CU_ASSERT(said);
        if (!said)
            printf("# %s: %s\n", refusals[i].text, e.text);
        CU_ASSERT_PTR_NULL(strstr(e.text, "First"));
        CU_ASSERT_PTR_NULL(strstr(e.text, "Second"));
        CU_ASSERT_PTR_NULL(strstr(e.text, "Third"));
        CU_ASSERT_PTR_NULL(d.text);
        dsn_done(&d);
    }
}

struct taken {
    const char *text, *for_libpq, *schema, *left_out;
};

static void test_taken(void)
{
    static const struct taken list[] = {
        {"postgresql://app:p%2Fw@host:5432/db", "postgresql://app:p%2Fw@host:5432/db", NULL, NULL},
        {"postgres://app:p:w#x?y\"'\\z@[::1]:5432,b/db", "postgres://app:p:w#x?y\"'\\z@[::1]:5432,b/db", NULL,
         NULL},
        {"postgresql://app:p w@host/db", "postgresql://app:p%20w@host/db", NULL, NULL},
        {"postgresql://app:pw@host/db?schema=public&pgbouncer=true&sslmode=require&connection_limit=1",
         "postgresql://app:pw@host/db?sslmode=require", "public", "pgbouncer, connection_limit"},
        {"postgresql://app:pw@host/db?schema=my%20app&ssl=true", "postgresql://app:pw@host/db?ssl=true", "my app",
         NULL},
        {"postgresql://app:pw@host/db?strange=1", "postgresql://app:pw@host/db", NULL, "strange"},
        {"postgresql://host/db?user=app&password=pw&Second=1&pgbouncer=1",
         "postgresql://host/db?user=app&password=pw", NULL, "one more, pgbouncer"},
        {"postgresql:///db?host=%2Ftmp", "postgresql:///db?host=%2Ftmp", NULL, NULL},
        {"postgresql://app@host", "postgresql://app@host", NULL, NULL},
        {"host=h  user = app password='p w\\'x' dbname=d", "host=h user = app password='p w\\'x' dbname=d ", NULL,
         NULL},
        {"host=h schema=s pgbouncer=true dbname=d", "host=h dbname=d ", "s", "pgbouncer"},
        {"host=h port=5432,5433 dbname=d", "host=h port=5432,5433 dbname=d ", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct dsn d = {0};
        struct error e = {""};
        CU_ASSERT_EQUAL(dsn_read(list[i].text, known, &d, &e), 0);
        if (e.text[0])
            printf("# %s: %s\n", list[i].text, e.text);
        CU_ASSERT_STRING_EQUAL(d.text ? d.text : "", list[i].for_libpq);
        CU_ASSERT_STRING_EQUAL(d.schema ? d.schema : "", list[i].schema ? list[i].schema : "");
        CU_ASSERT_STRING_EQUAL(d.left_out ? d.left_out : "", list[i].left_out ? list[i].left_out : "");
        dsn_done(&d);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what libpq would misread, by place and kind", test_refused},
        {"what is taken, and what is left out of it", test_taken},
        {NULL, NULL},
    };

    return run_tests("dsn", tests);
}
