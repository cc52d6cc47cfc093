/* SPDX-License-Identifier: MIT
 * Which jobs are siblings (core/engine/commit/sibling_jobs.c): others over the same rows. A commit that has one is
 * written alone, so that a wrong one costs time.
 */
#include <string.h>

#include "core/engine/commit/commit.h"
#include "tests/unit/engine_kit.h"

static struct job other;
static struct table other_table;
static struct job *two[2];

/* The kit's job beside another one of the same view; base NULL: neither has a credential's column. */
static void begin(const char *base)
{
    kit_begin();
    kit.table.source = (char *)"public.plans/mail";
    kit.table.schema = other_table.schema = (char *)"public";
    kit.table.name = kit.table.key = other_table.name = other_table.key = (char *)"plans";
    kit.table.base = other_table.base = (char *)base;
    other_table.source = (char *)"public.plans/other";
    other = (struct job){.engine = &kit.engine, .config = &kit.config, .table = &other_table};
    two[0] = &kit.job;
    two[1] = &other;
    kit.engine.jobs = two;
    kit.engine.job_count = 2;
}

static size_t siblings(void)
{
    struct commit *c = commit_new();
    siblings_add(c, &kit.job);
    size_t count = c->sibling_count;
    if (count)
        CU_ASSERT_STRING_EQUAL(c->siblings[0].source, "public.plans/other");
    commit_free(c);
    return count;
}

static void test_not_itself(void)
{
    begin(NULL);
    kit.engine.job_count = 1;
    CU_ASSERT_EQUAL(siblings(), 0);
    kit_end();
}

static void test_others(void)
{
    begin(NULL);
    CU_ASSERT_EQUAL(siblings(), 1);
    begin("public.plans/token"); /* they keep different rows of one column */
    CU_ASSERT_EQUAL(siblings(), 0);
    kit_end();
}

int main(void)
{
    const struct unit_test tests[] = {
        {"a job is not its own sibling", test_not_itself},
        {"another job over the same rows is", test_others},
        {NULL, NULL},
    };
    return run_tests("engine_siblings", tests);
}
