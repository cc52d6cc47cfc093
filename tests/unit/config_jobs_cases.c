/* SPDX-License-Identifier: MIT
 * Configuration: rules between jobs, for test_config.c.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/config/config.h"
#include "tests/unit/config_setup.h"
#include "tests/unit/runner.h"

void test_between_jobs(void)
{
    put("renewd.conf", MAIN);
    empty("conf.d");
    put("conf.d/a.conf", JOB SETTINGS RECORDS);
    put("conf.d/b.conf", "job = \"a\"; plugin = \"fake\";\n" SETTINGS);
    put("conf.d/c.conf", "job = \"c\"; plugin = \"fake\";\n" SETTINGS "\n" RECORDS);
    put("conf.d/d.conf", "job = \"d\"; plugin = \"fake\"; enabled = false;\n" SETTINGS "\n" RECORDS);
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT_EQUAL(conf_mistakes_count(l.m), 3);
    CU_ASSERT(said(&l, "a.conf:1:", "b.conf; each job needs its own"));
    CU_ASSERT(said(&l, "b.conf:1:", "a.conf; each job needs its own"));
    CU_ASSERT(said(&l, "c.conf:4:", "job a keeps the same column"));
    CU_ASSERT(l.count == 4 && l.jobs[0]->mistake && l.jobs[1]->mistake && l.jobs[2]->mistake &&
              !l.jobs[3]->mistake);
}

#define ACCOUNTS(only, columns)                                                                                    \
    "records = { table = \"t\"; key = \"id\"; columns = { access_token = \"at\"; refresh_token = \"rt\"; " columns \
    "}; only = " only "; };\n"

#define WRITES_P "also = ( { table = \"t\"; key = \"id\"; from = \"x\"; on_reconnect = { p = \"dead\"; }; } );\n"

static const char *parts(const struct loaded *l, char **ret_overlap)
{
    return jobs_parted_by(l->c, l->jobs[0], NULL, l->jobs[1], NULL, ret_overlap);
}

void test_parted(void)
{
    static const struct {
        const char *a, *b, *column, *overlap;
    } cases[] = {
        {ACCOUNTS("{ p = \"x\"; }", ""), ACCOUNTS("{ p = [ \"y\", \"z\" ]; }", ""), "p", NULL},
        {ACCOUNTS("{ q = \"1\"; p = \"x\"; }", ""), ACCOUNTS("{ p = \"y\"; q = \"1\"; }", ""), "p", NULL},
        {ACCOUNTS("( { column = \"a b\"; value = \"x\"; } )", ""),
         ACCOUNTS("( { column = \"a b\"; value = [ \"y\" ]; } )", ""), "a b", NULL},
        {ACCOUNTS("{ p = [ \"x\", \"y\" ]; }", ""), ACCOUNTS("{ p = [ \"y\", \"z\" ]; }", ""), NULL,
         "both take rows with p = \"y\""},
        {ACCOUNTS("{ p = \"x\"; }", ""), ACCOUNTS("{ q = \"y\"; }", ""), NULL,
         "no column is named by the `only` of both"},
        {ACCOUNTS("{ p = \"x\"; }", "status = \"p\"; "), ACCOUNTS("{ p = \"y\"; }", ""), NULL, "p parts nothing"},
        {ACCOUNTS("{ p = \"x\"; }", ""), ACCOUNTS("{ p = \"y\"; }", "") WRITES_P, NULL, "p parts nothing"},
        {ACCOUNTS("{ p = \"x\"; }", ""), RECORDS, NULL, "job b has no `only`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("renewd.conf", MAIN);
        empty("conf.d");
        cleanup(free_p) char *a = xasprintf(JOB SETTINGS "%s", cases[i].a);
        cleanup(free_p) char *b = xasprintf("job = \"b\"; plugin = \"fake\";\n" SETTINGS "%s", cases[i].b);
        put("conf.d/a.conf", a);
        put("conf.d/b.conf", b);
        cleanup(loaded_done) struct loaded l = load();
        cleanup(free_p) char *overlap = NULL;
        const char *column = parts(&l, &overlap);
        CU_ASSERT_EQUAL(conf_mistakes_count(l.m), cases[i].column ? 0 : 1);
        CU_ASSERT(!l.jobs[0]->mistake && l.jobs[0]->shares && l.jobs[1]->shares);
        CU_ASSERT(cases[i].column ? column && strcmp(column, cases[i].column) == 0
                                  : overlap && strstr(overlap, cases[i].overlap));
    }
}

#define OWNERS \
    "records = { table = \"owners\"; key = \"id\"; columns = { access_token = \"at\"; refresh_token = \"rt\"; status = \"stands\"; }; status_values = { ok = \"active\"; }; };"
#define ALSO(table, key, column)                                                                  \
    "also = ( { table = \"" table "\"; key = \"" key "\"; from = \"x\"; on_reconnect = { " column \
    " = 1; }; on_ok = { " column " = 0; }; } );\n"

void test_also_between_jobs(void)
{
    put("renewd.conf", MAIN);
    empty("conf.d");
    put("conf.d/a.conf", JOB SETTINGS RECORDS ALSO("main.owners", "id", "stands"));
    put("conf.d/b.conf", "job = \"b\"; plugin = \"fake\";\n" SETTINGS OWNERS ALSO("t", "id", "warn"));
    put("conf.d/c.conf", "job = \"c\"; plugin = \"fake\";\n" SETTINGS ALSO("T", "mail", "warn"));
    put("conf.d/d.conf", "job = \"d\"; plugin = \"fake\";\n" SETTINGS ALSO("t", "mail", "other"));
    put("conf.d/e.conf", "job = \"e\"; plugin = \"fake\"; enabled = false;\n" SETTINGS ALSO("t", "name", "warn"));
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT_EQUAL(conf_mistakes_count(l.m), 1);
    CU_ASSERT(
        said(&l, "a.conf:4:", "job 'a' writes column 'stands' of table 'main.owners' by 'also', and job 'b' in"));
    CU_ASSERT(l.count == 5 && l.jobs[0]->mistake && !l.jobs[1]->mistake);
    const struct also *b = &l.jobs[1]->also[0], *c = &l.jobs[2]->also[0];
    CU_ASSERT(b->other_key_count == 1 && strcmp(b->other_keys[0], "mail") == 0);
    CU_ASSERT(c->other_key_count == 1 && strcmp(c->other_keys[0], "id") == 0);
    CU_ASSERT(!l.jobs[3]->also[0].other_key_count && !job_also_keys_same(l.jobs[1], l.jobs[3]));
}
