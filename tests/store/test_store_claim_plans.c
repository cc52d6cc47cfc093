/* SPDX-License-Identifier: MIT
 * How the database runs what claims ask of it, while very many records are due: 100,000 of them in the physical order
 * of nothing, with as many spent credentials beside, without statistics and with them. Each statement is explained
 * before it runs. None may read a table of renewd's from end to end, and none may sort, or go through, more than a few
 * batches. The last batches may cost what the first ones did.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/store/due_records.h"
#include "core/store/hosts.h"
#include "tests/store/kit.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { DUE = SANITIZED ? 20000 : 100000, LIMIT = 100, FEW_BATCHES = 30 * LIMIT, NOW = 1000000, LEASE = 300 };

/* ---- explaining whatever runs ---- */

static struct {
    const struct db_driver *driver; /* the true one */
    bool on;
    size_t explained, wrong;
} plans;

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* "... (actual rows=123 loops=4)", also with decimals: rows of all loops. */
static double rows_of(const char *line)
{
    const char *rows = strstr(line, "actual rows="), *loops = strstr(line, "loops=");
    return rows && loops ? strtod(rows + 12, NULL) * strtod(loops + 6, NULL) : 0;
}

static bool names_own_table(const char *line)
{
    return strstr(line, "records") || strstr(line, "credentials") || strstr(line, "attempts");
}

static const char *fault_of(const char *line)
{
    const char *removed = strstr(line, "Rows Removed by Filter: ");
    if (strstr(line, "Seq Scan") && names_own_table(line))
        return "reads a table from end to end";
    if (strstr(line, "Bitmap") && names_own_table(line))
        return "collects all rows before the first one";
    if (rows_of(line) > FEW_BATCHES)
        return "goes through more than a few batches";
    if (removed && strtod(removed + 24, NULL) > FEW_BATCHES)
        return "goes through more than a few batches to drop them";
    /* SQLite: a table that is read without an index; the lists, which are no tables, are not */
    if (starts(line, "SCAN ") && !strstr(line, "INDEX") &&
        (strcmp(line, "SCAN r") == 0 || strcmp(line, "SCAN c") == 0 || strcmp(line, "SCAN h") == 0 ||
         names_own_table(line)))
        return "reads a table from end to end";
    if (strstr(line, "(source=?)"))
        return "reads all records of a source";
    return NULL;
}

static void judge(const struct db_result *plan, const char *sql)
{
    size_t column = kit_postgresql() ? 0 : 3;
    bool bad = false;
    for (size_t i = 0; i < db_rows(plan); i++) {
        const char *line = db_text(plan, i, column), *fault = fault_of(line);
        if (fault)
            printf("# %s: %s\n", fault, line);
        bad = bad || fault;
    }
    plans.explained++;
    plans.wrong += bad;
    if (!bad)
        return;
    printf("# of: %.3000s\n", sql);
    for (size_t i = 0; i < db_rows(plan); i++)
        printf("#   %s\n", db_text(plan, i, column));
}

static bool run_plainly(struct db *db, const char *sql)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct error e = {""};
    return plans.driver->exec(db, sql, NULL, 0, &r, &e) == 0;
}

/* PostgreSQL runs it for that, and undoes what it wrote: only then is it known how many rows each step had. */
static int explain_first(struct db *db, const char *sql, const struct db_param *params, size_t count,
                         struct db_result **ret, struct error *e)
{
    bool select = starts(sql, "SELECT ") || starts(sql, "WITH ");
    if (plans.on && (select || starts(sql, "INSERT ") || starts(sql, "UPDATE "))) {
        cleanup(db_result_free_p) struct db_result *plan = NULL;
        struct error why = {""};
        const char *how = !kit_postgresql() ? "EXPLAIN QUERY PLAN " : "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) ";
        bool undo = kit_postgresql() && !select && db->in_transaction;
        cleanup(free_p) char *text = xasprintf("%s%s", how, sql);
        CU_ASSERT_TRUE(!undo || run_plainly(db, "SAVEPOINT explained"));
        CU_ASSERT_EQUAL(plans.driver->exec(db, text, params, count, &plan, &why), 0);
        CU_ASSERT_TRUE(!undo || run_plainly(db, "ROLLBACK TO SAVEPOINT explained"));
        if (plan)
            judge(plan, sql);
        else
            printf("# cannot be explained: %s: %s\n", why.text, sql);
    }
    return plans.driver->exec(db, sql, params, count, ret, e);
}

static void explain_all(struct db *db)
{
    static struct db_driver wrapped;
    plans.driver = db->driver;
    wrapped = *db->driver;
    wrapped.exec = explain_first;
    db->driver = &wrapped;
}

/* ---- the scene ---- */

struct scene {
    struct db *db;
    struct table *t;
    struct claim_request q;
};

static void numbers(struct db *db, const char *insert, int count)
{
    if (kit_postgresql())
        kit_sql(db, "%s FROM generate_series(1, %d) n ORDER BY md5(n::text)", insert, count);
    else
        kit_sql(db,
                "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %d) %s FROM s"
                " ORDER BY (n * 2654435761) %% 4294967296",
                count, insert);
}

/* Each is due in a second of its own, in no order of the disk; each death is its own, in yet another order. */
static void scene_begin(struct scene *s, int due, int spent)
{
    s->db = kit_fresh();
    kit_accounts(s->db, "t", "text", "bigint");
    s->t = kit_table(s->db, "t", "auto", NULL);
    s->q = (struct claim_request){.table = s->t,
                                  .plugin = "oauth2",
                                  .mode = CLAIM_AUTO,
                                  .now = NOW,
                                  .limit = LIMIT,
                                  .failing_limit = LIMIT,
                                  .suspects_least = LIMIT / 10,
                                  .host = "h",
                                  .incarnation = "i",
                                  .lease_s = LEASE};
    CU_ASSERT_EQUAL(store_heartbeat(s->db, "h", "i", NULL), 0);
    /* as long as tokens are: a table of a few pages is rightly read from end to end */
    numbers(s->db,
            kit_postgresql() ? "INSERT INTO t (id, refresh_token) SELECT 'k' || n, 'r' || n || repeat('x', 800)"
                             : "INSERT INTO t (id, refresh_token) SELECT 'k' || n, 'r' || n",
            due);
    cleanup(free_p) char *records =
        xasprintf("INSERT INTO {records} (source, rkey, job, state, fingerprint, earliest, point, due_at, death)"
                  " SELECT '%s', 'k' || n, 'kit', 1, 'f' || n, 1, 1 + n %% 900000, 1 + n %% 900000,"
                  " 2000000 + (n %% 100000 * 7919) %% 1000003",
                  s->t->source);
    numbers(s->db, records, due);
    numbers(s->db,
            "INSERT INTO {credentials} (fingerprint, plugin, successor, created_at, replaced_at)"
            " SELECT 's' || n, 'oauth2', 's' || (n + 1), 1, 2",
            spent);
}

static void scene_end(struct scene *s)
{
    table_free(s->t);
    db_close(s->db);
}

static size_t claim(struct scene *s)
{
    struct claimed *list = NULL;
    size_t count = 0;
    struct error e = {""};
    int r = store_claim(s->db, &s->q, &list, &count, &e);
    if (r < 0)
        printf("# %s\n", e.text);
    CU_ASSERT_EQUAL(r, 0);
    claimed_free(list, count);
    return count;
}

static void ask_all(struct scene *s)
{
    static const char *const keys[] = {"k1", "k2", "nobody"};
    struct error e = {""};
    int64_t at = -1;
    plans.on = true;
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(claim(s), LIMIT);
    s->q.failing_limit = LIMIT / 2; /* as in a run with a limit */
    CU_ASSERT_EQUAL(claim(s), LIMIT);
    s->q.failing_limit = LIMIT;
    s->q.safe = !s->q.safe;
    CU_ASSERT_EQUAL(claim(s), LIMIT);
    CU_ASSERT_EQUAL(store_next_due(s->db, s->t, s->q.safe, NULL, &at, &e), 0);
    s->q.mode = CLAIM_TICK;
    s->q.tick = NOW - 10;
    s->q.next_tick = NOW + 10;
    CU_ASSERT_EQUAL(claim(s), LIMIT);
    s->q.mode = CLAIM_MANUAL;
    s->q.keys = keys;
    s->q.key_count = 3;
    (void)claim(s);
    s->q.mode = CLAIM_DEMAND;
    (void)claim(s);
    s->q.keys = NULL;
    s->q.key_count = 0;
    s->q.mode = CLAIM_AUTO;
    plans.on = false;
}

static void by_index(void)
{
    struct scene s;
    plans.explained = plans.wrong = 0;
    scene_begin(&s, DUE, DUE);
    if (kit_postgresql())
        CU_ASSERT_TRUE(kit_is(s.db, "0", "SELECT count(*) FROM pg_stats WHERE schemaname = 'renewd'"));
    explain_all(s.db);
    ask_all(&s);
    size_t without = plans.explained;
    kit_sql(s.db, "ANALYZE");
    ask_all(&s);
    CU_ASSERT_TRUE(without >= 30 && plans.explained == 2 * without);
    CU_ASSERT_EQUAL(plans.wrong, 0);
    printf("# %zu statements explained\n", plans.explained);
    scene_end(&s);
}

/* Statistics of the time when hardly anything was due are of no harm either. */
static void with_old_statistics(void)
{
    struct scene s;
    plans.explained = plans.wrong = 0;
    scene_begin(&s, DUE, 10);
    kit_sql(s.db, "UPDATE {records} SET due_at = due_at + 1000000, point = point + 1000000");
    kit_sql(s.db, "ANALYZE");
    s.q.now += 1000000;
    explain_all(s.db);
    ask_all(&s);
    CU_ASSERT_EQUAL(plans.wrong, 0);
    scene_end(&s);
}

/* Nearly all have failed, or were refused, and wait: a claim of a run with a limit reads none of them. */
static void past_those_that_wait(void)
{
    struct scene s;
    plans.explained = plans.wrong = 0;
    scene_begin(&s, DUE, 10);
    kit_sql(s.db,
            "UPDATE {records} SET attempts = 3, last_at = point, state = CASE WHEN point %% 2 = 0 THEN 2"
            " WHEN point %% 4 = 1 THEN 5 ELSE 4 END, not_before = 1000005, due_at = 1000005 WHERE point > 3000");
    kit_sql(s.db, "UPDATE {records} SET attempts = 1, state = CASE WHEN point < 1000 THEN 2 ELSE 5 END"
                  " WHERE point < 2000");
    s.q.limited = true;
    s.q.failing_limit = LIMIT / 2;
    explain_all(s.db);
    for (int statistics = 0; statistics < 2; statistics++) {
        plans.on = true;
        CU_ASSERT_EQUAL(claim(&s), LIMIT);
        plans.on = false;
        kit_sql(s.db, "ANALYZE");
    }
    kit_sql(s.db, "UPDATE {records} SET point = point + 1000000 WHERE not_before > 0"); /* a tick goes by these */
    s.q.mode = CLAIM_TICK;
    s.q.tick = NOW - 10;
    s.q.next_tick = NOW + 10;
    plans.on = true;
    CU_ASSERT_EQUAL(claim(&s), LIMIT);
    plans.on = false;
    CU_ASSERT_TRUE(plans.explained >= 20);
    CU_ASSERT_EQUAL(plans.wrong, 0);
    CU_ASSERT_TRUE(kit_is(s.db, "0", "SELECT count(*) FROM {records} WHERE not_before > 0 AND due_at <> 1000005"));
    scene_end(&s);
}

/* Most of those due first have credentials that are leased or spent: they are passed, and hide nothing. */
static void past_those_not_available(void)
{
    struct scene s;
    scene_begin(&s, 3000, 10);
    kit_sql(s.db, "INSERT INTO {credentials} (fingerprint, attempt_id, lease_until, created_at)"
                  " SELECT fingerprint, 'x', 99999999999, 1 FROM {records} WHERE due_at <= 1500");
    kit_sql(s.db, "INSERT INTO {credentials} (fingerprint, successor, created_at)"
                  " SELECT fingerprint, 'other', 1 FROM {records} WHERE due_at > 1500 AND due_at <= 2900");
    CU_ASSERT_EQUAL(claim(&s), LIMIT);
    CU_ASSERT_TRUE(kit_is(s.db, "100", "SELECT count(*) FROM {records} WHERE due_at > %d", NOW));
    scene_end(&s);
}

/* However many are due: the count of them ends. */
static void counts_end(void)
{
    struct scene s;
    struct left left;
    int64_t due = 0;
    scene_begin(&s, 90, 10);
    kit_sql(s.db,
            "UPDATE {records} SET not_before = 9000000, attempts = 1, state = 2 WHERE point > 31 AND point <= 61");
    kit_sql(s.db, "UPDATE {records} SET state = 5, point = 0 WHERE point > 61");
    s.q.mode = CLAIM_TICK;
    s.q.next_tick = NOW + 10;
    CU_ASSERT_EQUAL(store_count_due(s.db, &s.q, &due, NULL), 0);
    CU_ASSERT_EQUAL(due, 30);
    CU_ASSERT_EQUAL(store_left(s.db, &s.q, &left, NULL), 0);
    CU_ASSERT_TRUE(left.due == 30 && left.waiting == 30 && left.refused == 30);
    s.q.count_most = 20;
    CU_ASSERT_EQUAL(store_count_due(s.db, &s.q, &due, NULL), 0);
    CU_ASSERT_EQUAL(due, 21);
    CU_ASSERT_EQUAL(store_left(s.db, &s.q, &left, NULL), 0);
    CU_ASSERT_TRUE(left.due == 21 && left.waiting == 21 && left.next_at == 9000000 && left.refused <= 21);
    scene_end(&s);
}

/* The order: of the records that were due first, the batch has those that die first. */
static void order_at_hand(void)
{
    struct scene s;
    scene_begin(&s, 3000, 10);
    kit_sql(s.db, "UPDATE {records} SET death = 3000000 - due_at");
    CU_ASSERT_EQUAL(claim(&s), LIMIT);
    CU_ASSERT_TRUE(kit_is(s.db, "100",
                          "SELECT count(*) FROM {records} WHERE due_at > %d AND point > 301 AND point <= 401",
                          NOW));
    scene_end(&s);
}

/* For measuring by hand: RENEWD_CLAIM_RECORDS, RENEWD_CLAIM_SPENT, RENEWD_CLAIM_LIMIT. */
static void sweep(void)
{
    const char *records = getenv("RENEWD_CLAIM_RECORDS"), *spent = getenv("RENEWD_CLAIM_SPENT"),
               *limit = getenv("RENEWD_CLAIM_LIMIT"), *mode = getenv("RENEWD_CLAIM_MODE");
    struct scene s;
    if (!records)
        return;
    scene_begin(&s, atoi(records), spent ? atoi(spent) : 10);
    s.q.limit = s.q.failing_limit = limit ? (size_t)atoi(limit) : LIMIT;
    s.q.suspects_least = s.q.limit / 10;
    s.q.mode = mode ? atoi(mode) : CLAIM_AUTO;
    size_t all = 0, tenth = (size_t)atoi(records) / 10, count = 1;
    int64_t started = clock_boot_ms();
    for (size_t next = tenth; count; all += count) {
        count = claim(&s);
        if (all + count < next && count)
            continue;
        int64_t at = 0, due = 0, before = clock_boot_ms();
        printf("# %zu claimed, the last tenth in %d ms", all + count, (int)(before - started));
        store_next_due(s.db, s.t, false, NULL, &at, NULL);
        printf(", next_due %d ms", (int)(clock_boot_ms() - before));
        before = clock_boot_ms();
        int r = store_count_due(s.db, &s.q, &due, NULL);
        printf(", count_due %d (%d) %d ms\n", (int)due, r, (int)(clock_boot_ms() - before));
        fflush(stdout);
        next += tenth;
        started = clock_boot_ms();
    }
    scene_end(&s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"claims go along indexes, without statistics and with them", by_index},
        {"claims go along indexes with old statistics", with_old_statistics},
        {"those that wait after a failure are not read", past_those_that_wait},
        {"leased and spent credentials hide nothing", past_those_not_available},
        {"counts of what is due end", counts_end},
        {"of those due first, the soonest death first", order_at_hand},
        {"a sweep, measured by hand", sweep},
        {NULL, NULL},
    };
    return run_tests(kit_suite("claim plans"), tests);
}
